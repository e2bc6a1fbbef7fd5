//! Advisory locks on a home folder: one gateway a home, one process that writes its database.
//!
//! Invariant: the lock is the kernel's, not the file's existence, so it ends with its process however that ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::IoFailure;

/// Why a home could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error("`{}` is held by process {pid}: stop that process, or choose another home", path.display())]
    Held {
        /// The lock file.
        path: PathBuf,
        /// Who holds it, as written in the file; `unknown` in the instant before that is written.
        pid: String,
    },
    /// The lock file could not be made or read.
    #[error(transparent)]
    Io(#[from] IoFailure),
}

/// An exclusive lock on a home; given back when dropped.
#[derive(Debug)]
pub struct HomeLock {
    // Closing the file is what gives the lock back. It is closed on exec, so no child process inherits the lock.
    _file: File,
}

impl HomeLock {
    /// Takes the lock `name` in `home` without waiting. The home must exist.
    pub(crate) fn take(home: &Path, name: &str) -> Result<Self, LockError> {
        let path = home.join(name);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(IoFailure::when("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // Only the message suffers if this cannot be read.
                let _ = file.read_to_string(&mut pid);
                let pid = match pid.trim() {
                    "" => "unknown".to_owned(),
                    text => text.to_owned(),
                };
                return Err(LockError::Held { path, pid });
            }
            Err(TryLockError::Error(source)) => return Err(IoFailure { doing: "lock", path, source }.into()),
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(IoFailure::when("write", &path))?;
        Ok(Self { _file: file })
    }
}
