//! A real gateway and the floor servers as child processes: started, waited for, measured, ended.
//!
//! Invariant: every process started here is ended when its handle is dropped.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::admin::Admin;

/// The secret of the webhook endpoints.
pub(crate) const SECRET: &str = "a-webhook-secret-for-the-bench";
/// A gateway that is not ready after this is broken.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A child that ends with its handle.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing to do about either failure.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A floor server: this program with another subcommand.
pub(crate) struct Floor {
    _process: Ended,
    /// `host:port`.
    pub(crate) address: String,
}

impl Floor {
    /// Starts one and reads its address from its first line.
    pub(crate) fn start(subcommand: &str) -> Result<Self> {
        let mut process = Ended(Command::new(std::env::current_exe()?).arg(subcommand).stdout(Stdio::piped()).spawn()?);
        let mut line = String::new();
        if let Some(stdout) = process.0.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let Some(address) = line.trim().strip_prefix("http://") else { bail!("`{subcommand}` did not start") };
        Ok(Self { address: address.to_owned(), _process: process })
    }
}

/// A home for gateways: configuration and installed skills, kept between starts.
pub(crate) struct Home {
    folder: TempDir,
    binary: PathBuf,
    port: u16,
}

impl Home {
    /// A new home whose gateway limits nothing that the load runs into.
    pub(crate) fn new(binary: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let config = json!({
            // A guest that would never end has to end, again and again, while the innocent are measured.
            "skills": { "limits": { "deadlineMs": 1000 } },
            "gateway": { "host": "127.0.0.1", "port": port, "max_connections": 256, "commandsPerMinute": 10_000_000 },
            "webhooks": { "incoming": { "secret": SECRET, "endpoints": [
                {
                    "path": "/deploy-alert",
                    "message": "{{body.service}} is now {{body.status}} (commit {{body.commit}})",
                    "limits": { "requestsPerMinute": 10_000_000 },
                },
            ] } },
        });
        std::fs::write(folder.path().join("openclaw.json"), config.to_string())?;
        Ok(Self { folder, binary: binary.to_owned(), port })
    }

    /// Adds the endpoints that events are posted to; the gateway must not run yet.
    pub(crate) fn set_outgoing(&self, endpoints: &Value) -> Result<()> {
        self.configure(|config| config["webhooks"]["outgoing"] = endpoints.clone())
    }

    /// Changes the configuration; the gateway must not run yet.
    pub(crate) fn configure(&self, change: impl FnOnce(&mut Value)) -> Result<()> {
        let file = self.folder.path().join("openclaw.json");
        let mut config: Value = serde_json::from_slice(&std::fs::read(&file)?)?;
        change(&mut config);
        Ok(std::fs::write(file, config.to_string())?)
    }

    /// A command of the CLI on this home.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("--home").arg(self.folder.path()).args(arguments).stdin(Stdio::null());
        // A developer's own OpenClaw settings are not what is measured.
        command.env_clear().env("HOME", self.folder.path());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<()> {
        let output =
            self.command(arguments).output().with_context(|| format!("`{}` cannot be run", self.binary.display()))?;
        if !output.status.success() {
            bail!(
                "`openclaw {}` ended with {}: {}",
                arguments.join(" "),
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(())
    }

    /// The admin socket of the gateway that runs here.
    pub(crate) fn admin(&self) -> Admin {
        Admin::of(self.folder.path())
    }

    /// Installs a component from its bytes under a name.
    pub(crate) fn install(&self, name: &str, component: &[u8]) -> Result<()> {
        self.install_for("default", name, component)
    }

    /// Installs a component for a tenant.
    pub(crate) fn install_for(&self, tenant: &str, name: &str, component: &[u8]) -> Result<()> {
        let file = self.folder.path().join(format!("{name}.wasm"));
        std::fs::write(&file, component)?;
        self.run(&["skills", "install", &file.to_string_lossy(), "--name", name, "--tenant", tenant])?;
        Ok(std::fs::remove_file(file)?)
    }

    /// Starts the gateway and waits until it is ready.
    pub(crate) fn start(&self) -> Result<Gateway> {
        let log = File::create(self.folder.path().join("gateway.log"))?;
        let began = Instant::now();
        let process = Ended(self.command(&["gateway"]).stdout(log.try_clone()?).stderr(log).spawn()?);
        let mut gateway = Gateway { process, address: format!("127.0.0.1:{}", self.port), ready_after: Duration::ZERO };
        while !is_ready(&gateway.address) {
            if let Some(status) = gateway.process.0.try_wait()? {
                bail!("the gateway ended with {status}:\n{}", self.log());
            }
            if began.elapsed() > READY_WITHIN {
                bail!("the gateway was not ready within {READY_WITHIN:?}:\n{}", self.log());
            }
            // Asked about once a millisecond: often enough to measure, seldom enough not to be the load.
            drop(rustix::thread::nanosleep(&rustix::thread::Timespec { tv_sec: 0, tv_nsec: 1_000_000 }));
        }
        gateway.ready_after = began.elapsed();
        Ok(gateway)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("gateway.log")).unwrap_or_default()
    }
}

/// A running gateway.
pub(crate) struct Gateway {
    process: Ended,
    /// `host:port`.
    pub(crate) address: String,
    /// From starting the process to the first `/readyz` that said yes.
    pub(crate) ready_after: Duration,
}

impl Gateway {
    /// Resident memory in bytes.
    pub(crate) fn resident(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.0.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("the gateway has ended")?;
        let kibibytes: u64 = line.split_whitespace().nth(1).context("VmRSS has no value")?.parse()?;
        Ok(kibibytes << 10)
    }

    /// Ends it the way a service manager does, and waits, so that the next start finds an unlocked home.
    pub(crate) fn stop(mut self) -> Result<()> {
        let process = i32::try_from(self.process.0.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(process) = process {
            rustix::process::kill_process(process, rustix::process::Signal::TERM)?;
        }
        self.process.0.wait()?;
        Ok(())
    }
}

fn is_ready(address: &str) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        write!(stream, "GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        Ok(status.ends_with(b" 200"))
    };
    ask().unwrap_or(false)
}
