//! Backups: a consistent copy of the database, of every component it names, and of the grants, in a folder of their own.
//!
//! The machine's key is in none, so sealed secrets open only where they were sealed.
//!
//! Invariant: the manifest is written last and states a hash of each file, so what was cut short or changed later is
//! known for what it is.

use std::fs;
use std::path::{Path, PathBuf};

use openclaw_domain::{Digest, Refusal};
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use crate::files::Unfinished;
use crate::manifest::{FORMAT, MANIFEST, Manifest, ManifestFile};
use crate::storage::Inner;
use crate::{IoFailure, Storage, StorageError, files, home, schema};

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The folder holds something.
    #[error("`{}` is not empty: name a folder that does not exist yet", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// A component that is installed is missing or was changed.
    #[error("a component cannot be backed up")]
    Component(#[source] StorageError),
    /// SQLite could not copy.
    #[error("the database cannot be copied")]
    Sqlite(#[from] rusqlite::Error),
    /// A file could not be read or written.
    #[error(transparent)]
    Io(#[from] IoFailure),
    /// The storage is closed.
    #[error("the storage is closed")]
    Closed(#[source] Refusal),
}

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupReport {
    /// The folder.
    pub folder: PathBuf,
    /// Schema version of the database in it.
    pub schema_version: i64,
    /// Components in it.
    pub components: usize,
    /// Grants in it: those that were in force.
    pub grants: usize,
    /// Bytes of all files.
    pub bytes: u64,
}

impl Storage {
    /// Copies the database, as it is after everything queued so far, and every component it names into `to`.
    ///
    /// The folder is made if needed and must be empty. Writers go on meanwhile; no component file is removed.
    /// Cancel safety: dropped half-way, the copy goes on and finishes.
    pub async fn backup(&self, to: &Path) -> Result<BackupReport, BackupError> {
        self.flush().await.map_err(BackupError::Closed)?;
        let (inner, to) = (self.inner.clone(), to.to_owned());
        match tokio::task::spawn_blocking(move || write_backup(&inner, &to)).await {
            Ok(result) => result,
            Err(error) => Err(BackupError::Closed(Refusal::internal(error))),
        }
    }
}

fn write_backup(inner: &Inner, to: &Path) -> Result<BackupReport, BackupError> {
    // Looked at before anything is changed: a folder that is in use keeps its mode.
    if to.exists() && fs::read_dir(to).map_err(IoFailure::when("read the folder", to))?.next().is_some() {
        return Err(BackupError::NotEmpty { path: to.to_owned() });
    }
    files::private_folder(to)?;
    let _hold = inner.components.hold();
    let database = to.join(home::DATABASE);
    let (schema_version, digests) = copy_database(&home::database(&inner.home), &database)?;
    let (sha256, size) = files::hash_file(&database)?;
    let mut list = vec![ManifestFile { path: home::DATABASE.to_owned(), size, sha256: sha256.to_hex() }];

    files::private_folder(&home::components(to))?;
    for &digest in &digests {
        let name = home::component_file(digest);
        let target = home::components(to).join(&name);
        let (copy, found, size) = Unfinished::copy_of(&inner.components.path(digest), &target)
            .map_err(|error| BackupError::Component(error.into()))?;
        if found != digest {
            return Err(BackupError::Component(StorageError::ComponentChanged { digest, found }));
        }
        copy.finish()?;
        list.push(ManifestFile { path: format!("{}/{name}", home::COMPONENTS), size, sha256: digest.to_hex() });
    }
    let grants = write_grants(inner, to, &mut list)?;
    files::sync_folder(to)?;

    let bytes = list.iter().map(|file| file.size).sum();
    let created_at = inner.clock.now().to_string();
    let manifest = Manifest { format: FORMAT, schema_version, created_at, files: list };
    let mut text = serde_json::to_vec_pretty(&manifest).map_err(|error| IoFailure {
        doing: "put into JSON",
        path: to.join(MANIFEST),
        source: error.into(),
    })?;
    text.push(b'\n');
    files::write_whole(&to.join(MANIFEST), &text)?;
    Ok(BackupReport { folder: to.to_owned(), schema_version, components: digests.len(), grants, bytes })
}

/// Writes the grants that are in force by what is on disk. What cannot be trusted where it is would be trusted where it
/// is restored, so it is not copied.
fn write_grants(inner: &Inner, to: &Path, list: &mut Vec<ManifestFile>) -> Result<usize, BackupError> {
    let grants = inner.grants.texts();
    let folder = home::grants(to);
    files::private_folder(&folder)?;
    for (tenant, skill, text) in &grants {
        let (of_tenant, name) = (folder.join(tenant.as_str()), home::grant_file(skill));
        files::private_folder(&of_tenant)?;
        files::write_whole(&of_tenant.join(&name), text.as_bytes())?;
        let path = format!("{}/{tenant}/{name}", home::GRANTS);
        list.push(ManifestFile { path, size: text.len() as u64, sha256: files::hash(text.as_bytes()).to_hex() });
    }
    files::sync_folder(&folder)?;
    Ok(grants.len())
}

/// Copies the database as of one moment; returns its schema version and the components it names, sorted.
fn copy_database(from: &Path, to: &Path) -> Result<(i64, Vec<Digest>), BackupError> {
    let unfinished = Unfinished::beside(to)?;
    let source = schema::open_reader(from)?;
    let mut copy = Connection::open(unfinished.path())?;
    // All pages in one step: one read transaction, so nothing written meanwhile makes it begin again.
    let state = Backup::new(&source, &mut copy)?.step(-1)?;
    if state != StepResult::Done {
        // A reader in WAL mode waits for nobody, so this is another program's lock on the copy.
        return Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
            Some("the copy is locked by another program".to_owned()),
        )
        .into());
    }
    // The copy is one file: nobody has to know that a WAL would belong to it.
    copy.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))?;
    let schema_version = copy.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let digests = copy
        .prepare("SELECT digest FROM installed UNION SELECT digest FROM held ORDER BY digest")?
        .query_map([], |row| crate::rows::parsed(row, 0))?
        .collect::<Result<_, _>>()?;
    copy.close().map_err(|(_, error)| error)?;
    unfinished.finish()?;
    Ok((schema_version, digests))
}
