//! Replaces a running gateway's configuration when its file changes.
//!
//! Invariant: readers see the old configuration or the new one, whole; a file that cannot be used changes nothing and
//! says why. What cannot change while running keeps its old value and asks for a restart.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use super::load::Source;
use super::problem::ConfigError;
use super::resolve::Config;

/// An editor writes, renames and touches in one go; what follows within this time is the same change.
const SETTLE: Duration = Duration::from_millis(200);

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
}

impl Reloader {
    /// Starts with a configuration that came from `source`.
    pub(crate) fn new(source: Source, config: Config) -> Self {
        Self { source, running: ArcSwap::from_pointee(config) }
    }

    /// The configuration in force.
    pub(crate) fn running(&self) -> Arc<Config> {
        self.running.load_full()
    }

    /// Where it comes from.
    pub(crate) const fn source(&self) -> &Source {
        &self.source
    }

    /// Reads the file again and puts it in force if it can be used.
    pub(crate) fn reload(&self) -> Reloaded {
        let mut config = match self.source.load() {
            Ok(config) => config,
            Err(error) => return Reloaded::Kept(error),
        };
        let running = self.running.load();
        let mut needs_restart = Vec::new();
        if config.server.listen != running.server.listen {
            needs_restart.push("gateway.host, bind or port");
            config.server.listen = running.server.listen;
        }
        if config.limits != running.limits {
            needs_restart.push("skills.limits");
            config.limits = running.limits;
        }
        if config.max_instances != running.max_instances {
            needs_restart.push("skills.maxInstances");
            config.max_instances = running.max_instances;
        }
        let config = Arc::new(config);
        self.running.store(Arc::clone(&config));
        Reloaded::Replaced { config, needs_restart }
    }
}

/// Changes of one file, as its folder reports them.
///
/// The folder is watched, not the file: editors and configuration managers replace files by renaming.
pub(crate) struct Changes {
    rx: mpsc::Receiver<()>,
    _watcher: RecommendedWatcher,
}

/// Watches the folder of `file`.
///
/// # Errors
/// The folder does not exist, or the system gives no more watches.
pub(crate) fn watch(file: &Path) -> anyhow::Result<Changes> {
    let folder = file.parent().context("the configuration file has no folder")?;
    let name: PathBuf = file.file_name().context("the configuration file has no name")?.into();
    let (tx, rx) = mpsc::channel(1);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        if !event.kind.is_access() && event.paths.iter().any(|path| concerns(path, &name)) {
            // A full queue already says that something changed.
            let _full = tx.try_send(());
        }
    })?;
    watcher.watch(folder, RecursiveMode::NonRecursive).with_context(|| format!("watching {}", folder.display()))?;
    Ok(Changes { rx, _watcher: watcher })
}

/// The file itself, or the `..data` link by which Kubernetes swaps all files of a mounted folder.
fn concerns(path: &Path, name: &Path) -> bool {
    path.file_name().is_some_and(|changed| changed == name.as_os_str() || changed == "..data")
}

impl Changes {
    /// Waits for the next change to settle.
    ///
    /// Cancel safety: a change noticed while nobody waits is reported to the next waiter; one dropped while it
    /// settles is lost, so only a stopping gateway may drop this.
    pub(crate) async fn next(&mut self) -> Option<()> {
        self.rx.recv().await?;
        while let Ok(Some(())) = tokio::time::timeout(SETTLE, self.rx.recv()).await {}
        Some(())
    }
}
