//! Files that are either wholly there, and on disk, or not there at all.
//!
//! Invariant: a file gets its final name only after its bytes were synced, and the folder is synced after the rename.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use openclaw_domain::Digest;
use sha2::{Digest as _, Sha256};

use crate::IoFailure;

/// What unfinished files end in; such a file is never read.
pub(crate) const UNFINISHED: &str = ".tmp";

/// SHA-256 of some bytes.
pub(crate) fn hash(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}

/// Makes a folder, and those above it, that only its owner may enter; an existing one is closed to others.
pub(crate) fn private_folder(path: &Path) -> Result<(), IoFailure> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(IoFailure::when("create the folder", path))?;
    let mode = fs::metadata(path).map_err(IoFailure::when("read", path))?.permissions().mode();
    if mode & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))
            .map_err(IoFailure::when("close to other users the folder", path))?;
    }
    Ok(())
}

/// Makes an empty file that only its owner may read, unless it is there.
pub(crate) fn private_file(path: &Path) -> Result<(), IoFailure> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(IoFailure::when("create", path))?;
    let mode = file.metadata().map_err(IoFailure::when("read", path))?.permissions().mode();
    if mode & 0o077 != 0 {
        file.set_permissions(fs::Permissions::from_mode(0o600))
            .map_err(IoFailure::when("close to other users the file", path))?;
    }
    Ok(())
}

/// Writes a whole file under its final name.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), IoFailure> {
    let unfinished = Unfinished::beside(path)?;
    (&unfinished.file).write_all(bytes).map_err(IoFailure::when("write", &unfinished.path))?;
    unfinished.finish()
}

/// A file that is still being written, in the folder it will stay in; dropped unfinished, it is removed.
#[derive(Debug)]
pub(crate) struct Unfinished {
    path: PathBuf,
    target: PathBuf,
    file: File,
    finished: bool,
}

impl Unfinished {
    /// A new empty one that will be called `target`.
    pub(crate) fn beside(target: &Path) -> Result<Self, IoFailure> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let path = target.with_file_name(format!(".{name}.{}-{number}{UNFINISHED}", std::process::id()));
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(IoFailure::when("create", &path))?;
        Ok(Self { path, target: target.to_owned(), file, finished: false })
    }

    /// Copies a file into a new one that will be called `target`; the digest is of the bytes that were copied.
    pub(crate) fn copy_of(from: &Path, target: &Path) -> Result<(Self, Digest, u64), IoFailure> {
        let unfinished = Self::beside(target)?;
        let mut source = File::open(from).map_err(IoFailure::when("open", from))?;
        let (mut hasher, mut size) = (Sha256::new(), 0);
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = source.read(&mut buffer).map_err(IoFailure::when("read", from))?;
            if count == 0 {
                break;
            }
            hasher.update(&buffer[..count]);
            size += count as u64;
            (&unfinished.file).write_all(&buffer[..count]).map_err(IoFailure::when("write", &unfinished.path))?;
        }
        Ok((unfinished, Digest::from_bytes(hasher.finalize().into()), size))
    }

    /// Where it is while it is unfinished.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes bytes at its end and syncs them.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), IoFailure> {
        let mut file = &self.file;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(IoFailure::when("write", &self.path))
    }

    /// Syncs it and gives it its name, replacing what had it; then syncs the folder.
    pub(crate) fn finish(mut self) -> Result<(), IoFailure> {
        self.file.sync_all().map_err(IoFailure::when("sync", &self.path))?;
        fs::rename(&self.path, &self.target).map_err(IoFailure::when("rename to its final name", &self.path))?;
        self.finished = true;
        match self.target.parent() {
            Some(folder) => sync_folder(folder),
            None => Ok(()),
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.finished {
            // Nothing more can be done about it here, and an unfinished file is never read.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Syncs a folder: names given and taken in it are on disk afterwards.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), IoFailure> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder).and_then(|handle| handle.sync_all()).map_err(IoFailure::when("sync the folder", folder))
}

/// Digest and size of a file.
pub(crate) fn hash_file(path: &Path) -> Result<(Digest, u64), IoFailure> {
    let mut source = File::open(path).map_err(IoFailure::when("open", path))?;
    let (mut hasher, mut size) = (Sha256::new(), 0);
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = source.read(&mut buffer).map_err(IoFailure::when("read", path))?;
        if count == 0 {
            return Ok((Digest::from_bytes(hasher.finalize().into()), size));
        }
        hasher.update(&buffer[..count]);
        size += count as u64;
    }
}
