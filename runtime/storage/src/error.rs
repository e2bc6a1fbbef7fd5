//! What can go wrong with storage, each naming the file and, where there is one, the way out.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use openclaw_domain::Digest;

use crate::LockError;

/// A file operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} `{}`", path.display())]
pub struct IoFailure {
    /// What was tried, as a verb.
    pub doing: &'static str,
    /// With which file.
    pub path: PathBuf,
    /// Why not.
    #[source]
    pub source: io::Error,
}

impl IoFailure {
    /// Turns an [`io::Error`] into one that names file and deed.
    pub(crate) fn when(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { doing, path: path.to_owned(), source }
    }
}

/// Why storage does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A newer gateway wrote the database. It is left as it is.
    #[error(
        "`{}` has schema version {found}, this openclaw knows versions up to {known}: install the openclaw that wrote \
         it, or restore a backup made with this version",
        path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest version this build knows.
        known: i64,
    },
    /// The file is a database of another program.
    #[error("`{}` is not an openclaw database: move it away or choose another home", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// Another process has this home open.
    #[error(transparent)]
    InUse(#[from] LockError),
    /// A file or folder could not be made or read.
    #[error(transparent)]
    Io(#[from] IoFailure),
    /// SQLite refused.
    #[error("cannot open `{}`", path.display())]
    Sqlite {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
}

impl OpenError {
    /// Turns an SQLite error into one that names the database.
    pub(crate) fn sqlite(path: &Path) -> impl Fn(rusqlite::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Sqlite { path: path.clone(), source }
    }
}

/// Why a read or write failed: what stands behind a `Refusal::Internal` of this crate.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The write was rolled back: nothing of it is remembered.
    #[error("the write was not committed")]
    NotCommitted(#[source] Arc<rusqlite::Error>),
    /// The writer ended before it answered; whether the write was committed is unknown.
    #[error("the storage writer ended before it answered")]
    WriterGone,
    /// The read failed.
    #[error("the read failed")]
    Read(#[source] rusqlite::Error),
    /// A file could not be read or written.
    #[error(transparent)]
    Io(#[from] IoFailure),
    /// The component's file is not there.
    #[error("the file of component {digest} is missing: install the skill again")]
    ComponentMissing {
        /// Which component.
        digest: Digest,
    },
    /// The component's bytes are not those its digest was computed from.
    #[error("component {digest} has other bytes, with digest {found}: it was changed; install the skill again")]
    ComponentChanged {
        /// Which component.
        digest: Digest,
        /// What the bytes hash to.
        found: Digest,
    },
}
