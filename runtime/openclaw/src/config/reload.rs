//! Replaces a running gateway's configuration when its file changes.
//!
//! Invariant: readers see the old configuration or the new one, whole; a file that cannot be used, or that would open
//! the gateway to whoever reaches it, changes nothing and says why. What cannot change while running keeps its old
//! value and asks for a restart, and the rest of the file is judged beside those old values.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::load::{Reading, Source};
use super::problem::{ConfigError, Problem};
use super::resolve::Config;

/// How often the file is looked at.
///
/// The system could report changes, but only those of the whole folder: renaming replaces a file, so watching the file
/// itself ends with the first edit. The folder is also where SQLite writes thousands of times a second, and being told
/// of each of them took 6 % of a busy gateway. Reading a few kilobytes twice a second costs nothing, follows links and
/// mounts, and cannot miss a change that was made before somebody began to look.
const LOOK: Duration = Duration::from_millis(500);
/// An editor truncates, writes and renames in one go; only what stands still for this long is read as a change.
const SETTLE: Duration = Duration::from_millis(100);

/// What came of a reload.
#[derive(Debug)]
pub(crate) enum Reloaded {
    /// The new configuration is in force.
    Replaced {
        /// It, as it is in force.
        config: Arc<Config>,
        /// Keys whose new value waits for a restart.
        needs_restart: Vec<&'static str>,
    },
    /// The old one is kept.
    Kept(ConfigError),
}

/// The configuration in force, and how to read it anew.
#[derive(Debug)]
pub(crate) struct Reloader {
    source: Source,
    running: ArcSwap<Config>,
    seen: Mutex<Seen>,
}

/// What was last read, whatever became of it.
#[derive(Clone, Copy, Debug)]
struct Seen {
    fingerprint: [u8; 32],
    /// Whether there ever was a file. From then on its absence is an accident and not a wish for the defaults.
    had_file: bool,
}

impl Reloader {
    /// Reads the configuration a gateway starts with.
    ///
    /// # Errors
    /// Every finding at once.
    pub(crate) fn start(source: Source) -> Result<Self, ConfigError> {
        let reading = source.read();
        let config = source.settle(&reading)?;
        let had_file = !matches!(reading, Reading::Absent);
        let seen = Seen { fingerprint: reading.fingerprint(), had_file };
        Ok(Self { source, running: ArcSwap::from_pointee(config), seen: Mutex::new(seen) })
    }

    /// The configuration in force.
    pub(crate) fn running(&self) -> Arc<Config> {
        self.running.load_full()
    }

    /// Where it comes from.
    pub(crate) const fn source(&self) -> &Source {
        &self.source
    }

    /// Reads the file again and puts it in force if it can be used. Blocks on the disk; called by one task at a time.
    pub(crate) fn reload(&self) -> Reloaded {
        match self.read_again() {
            Ok((config, needs_restart)) => {
                let config = Arc::new(config);
                self.running.store(Arc::clone(&config));
                Reloaded::Replaced { config, needs_restart }
            }
            Err(error) => Reloaded::Kept(error),
        }
    }

    fn read_again(&self) -> Result<(Config, Vec<&'static str>), ConfigError> {
        let reading = self.source.read();
        let seen = self.note(&reading);
        if seen.had_file && matches!(reading, Reading::Absent) {
            let fix = "put it back, or write `{}` for the defaults; a restart also runs without a file";
            return Err(self.source.unusable("is gone", fix));
        }
        let mut config = self.source.settle(&reading)?;
        let running = self.running.load();
        let mut needs_restart = Vec::new();
        if config.server.listen != running.server.listen {
            needs_restart.push("gateway.host, bind or port");
            config.server.listen = running.server.listen;
        }
        if config.egress != running.egress {
            needs_restart.push("egress");
            config.egress = running.egress.clone();
        }
        if config.max_instances != running.max_instances {
            needs_restart.push("skills.maxInstances");
            config.max_instances = running.max_instances;
        }
        // The file may move the gateway to loopback and drop the token in one edit; until the restart it stays where
        // others reach it.
        if !config.server.listen.ip().is_loopback() && !config.server.auth_required {
            let reason = format!(
                "is still {} until a restart, where others reach this gateway, and no authentication is configured",
                config.server.listen.ip()
            );
            let fix = "restart the gateway to change the bind, or keep `gateway.auth`";
            let problem = Problem { path: "gateway.bind".to_owned(), reason, fix: fix.to_owned() };
            return Err(ConfigError { file: Some(self.source.file().to_owned()), problems: vec![problem] });
        }
        Ok((config, needs_restart))
    }

    /// Remembers what was read, and says what is remembered now.
    fn note(&self, reading: &Reading) -> Seen {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let had_file = seen.had_file || !matches!(reading, Reading::Absent);
        *seen = Seen { fingerprint: reading.fingerprint(), had_file };
        *seen
    }

    /// What the file says now, if it is not what was last read. Blocks on the disk.
    fn differing(&self) -> Option<[u8; 32]> {
        let found = self.source.read().fingerprint();
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).fingerprint;
        (found != seen).then_some(found)
    }

    /// Waits until the file differs from what was last read, and stands still.
    ///
    /// Cancel safety: nothing is lost; whoever calls again finds the same difference.
    pub(crate) async fn changed(self: &Arc<Self>) {
        let look = || {
            let this = Arc::clone(self);
            async move { tokio::task::spawn_blocking(move || this.differing()).await.ok().flatten() }
        };
        loop {
            tokio::time::sleep(LOOK).await;
            let mut found = look().await;
            while let Some(first) = found {
                tokio::time::sleep(SETTLE).await;
                found = look().await;
                if found == Some(first) {
                    return;
                }
            }
        }
    }
}
