//! The folder of component files, each named for the SHA-256 of its bytes.
//!
//! A file is written before the row that names it, and removed after the last such row. Between the two a file is
//! *unclaimed*, and stays.
//! Invariant: a file under its final name was whole and on disk when it got that name; bytes that do not hash to the
//! name are never handed out.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use openclaw_domain::Digest;
use rusqlite::Connection;

use crate::{IoFailure, OpenError, StorageError, files, home};

/// The folder.
#[derive(Debug)]
pub(crate) struct Components {
    folder: PathBuf,
    kept: Mutex<Kept>,
}

/// What must not be removed although no row names it.
#[derive(Debug, Default)]
struct Kept {
    /// How many installs are between their file and their row, by component.
    unclaimed: HashMap<Digest, usize>,
    /// How many backups are copying files.
    backups: usize,
}

impl Components {
    /// Opens the folder, making it if it is not there.
    pub(crate) fn open(folder: PathBuf) -> Result<Self, IoFailure> {
        files::private_folder(&folder)?;
        Ok(Self { folder, kept: Mutex::default() })
    }

    /// Where the bytes of a component are.
    pub(crate) fn path(&self, digest: Digest) -> PathBuf {
        self.folder.join(home::component_file(digest))
    }

    /// Writes a component's file and leaves it unclaimed. A file that is there and right is kept.
    pub(crate) fn put(&self, digest: Digest, bytes: &[u8]) -> Result<(), StorageError> {
        let found = files::hash(bytes);
        if found != digest {
            return Err(StorageError::ComponentChanged { digest, found });
        }
        *self.kept().unclaimed.entry(digest).or_default() += 1;
        let path = self.path(digest);
        let is_there = files::hash_file(&path).is_ok_and(|(found, _)| found == digest);
        if !is_there && let Err(error) = files::write_whole(&path, bytes) {
            self.claim(digest);
            return Err(error.into());
        }
        Ok(())
    }

    /// Says that a row names the component now, or that its file was not written.
    pub(crate) fn claim(&self, digest: Digest) {
        let mut kept = self.kept();
        if let Some(count) = kept.unclaimed.get_mut(&digest) {
            *count -= 1;
            if *count == 0 {
                kept.unclaimed.remove(&digest);
            }
        }
    }

    /// Reads a component's file and checks that it is what it was.
    pub(crate) fn read(&self, digest: Digest) -> Result<Bytes, StorageError> {
        let path = self.path(digest);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(StorageError::ComponentMissing { digest });
            }
            Err(error) => return Err(IoFailure::when("read", &path)(error).into()),
        };
        let found = files::hash(&bytes);
        if found != digest {
            return Err(StorageError::ComponentChanged { digest, found });
        }
        Ok(bytes.into())
    }

    /// Removes a component's file if no row names it and nobody is about to make one. Runs where rows are written.
    pub(crate) fn remove_if_unused(&self, conn: &Connection, digest: Digest) {
        let kept = self.kept();
        if kept.backups > 0 || kept.unclaimed.contains_key(&digest) {
            return; // the next start removes it
        }
        match is_named(conn, &digest.to_hex()) {
            Ok(true) => {}
            Ok(false) => {
                if let Err(error) = remove_file(&self.path(digest)) {
                    tracing::warn!(%error, %digest, "an unused component file stays until the next start");
                }
            }
            Err(error) => tracing::warn!(%error, %digest, "cannot see whether a component file is still used"),
        }
        drop(kept);
    }

    /// Removes what a crash or an upgrade left behind: unfinished files, and files no row names. Only while nothing
    /// else uses the folder.
    pub(crate) fn remove_unused(&self, conn: &Connection) -> Result<(), OpenError> {
        let reading = || IoFailure::when("read the folder", &self.folder);
        for entry in fs::read_dir(&self.folder).map_err(reading())? {
            let entry = entry.map_err(reading())?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let is_unused = match home::digest_of_file(name) {
                Some(digest) => !is_named(conn, &digest.to_hex()).map_err(OpenError::sqlite(&entry.path()))?,
                // Anything else is not ours to remove.
                None => name.starts_with('.') && name.ends_with(files::UNFINISHED),
            };
            if is_unused {
                remove_file(&entry.path())?;
                tracing::debug!(file = name, "removed an unused component file");
            }
        }
        Ok(())
    }

    /// Keeps every file where it is until the answer is dropped.
    pub(crate) fn hold(&self) -> Hold<'_> {
        self.kept().backups += 1;
        Hold(self)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// While it lives, no component file is removed.
pub(crate) struct Hold<'components>(&'components Components);

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.0.kept().backups -= 1;
    }
}

fn is_named(conn: &Connection, digest: &str) -> rusqlite::Result<bool> {
    conn.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM installed WHERE digest = ?1 UNION ALL SELECT 1 FROM held WHERE digest = ?1)",
    )?
    .query_row([digest], |row| row.get(0))
}

fn remove_file(path: &Path) -> Result<(), IoFailure> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(IoFailure::when("remove", path)(error)),
        _ => Ok(()),
    }
}
