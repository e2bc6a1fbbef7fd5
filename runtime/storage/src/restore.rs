//! Restoring a backup into a home.
//!
//! Everything is copied beside its place first, hashed while it is copied; only when every file was found right are
//! the names changed, the database's last.
//! Invariant: a backup that is not whole, or of a newer schema, changes nothing; a database and grants that were there
//! are kept under another name, and no grant of before is in force beside what was restored.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use openclaw_domain::ports::Grants;
use openclaw_domain::{Clock, Digest, SkillName, SystemClock, TenantId};
use rusqlite::{Connection, OpenFlags};

use crate::files::Unfinished;
use crate::lock::{HomeLock, LockError};
use crate::manifest::{FORMAT, MANIFEST, MAX_MANIFEST, Manifest, ManifestFile, Part};
use crate::{GrantFiles, IoFailure, OpenError, SCHEMA_VERSION, files, from_text, home, rows, schema};

/// What to do with a home that holds a database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfOccupied {
    /// Refuse.
    #[default]
    Refuse,
    /// Put the database and the grants that are there aside, under names the report states, and restore.
    PutAside,
}

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The folder holds no finished backup.
    #[error("`{}` holds no finished backup: {reason}", folder.display())]
    NotABackup {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A newer gateway made the backup.
    #[error(
        "the backup in `{}` has schema version {found}, this openclaw knows versions up to {known}: restore it with \
         the openclaw that made it, or a newer one",
        folder.display()
    )]
    Newer {
        /// The folder.
        folder: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest version this build knows.
        known: i64,
    },
    /// A file is not what it was when the backup was made.
    #[error(
        "`{}` was changed or cut short since the backup was made: its sha256 is {found}, the manifest says {stated}",
        path.display()
    )]
    Changed {
        /// The file.
        path: PathBuf,
        /// What the manifest says.
        stated: String,
        /// What its bytes hash to.
        found: String,
    },
    /// The home holds a database or grants, and nobody said to put them aside.
    #[error("`{}` is there already: restore into another home, or put it aside with --force", path.display())]
    Occupied {
        /// The database, or the folder of grants.
        path: PathBuf,
    },
    /// A process uses the home.
    #[error(transparent)]
    InUse(#[from] LockError),
    /// The database in the backup cannot be used.
    #[error("the database of the backup cannot be used")]
    Database(#[source] OpenError),
    /// A file could not be read or written.
    #[error(transparent)]
    Io(#[from] IoFailure),
}

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreReport {
    /// When the backup was made, RFC 3339 in UTC.
    pub created_at: String,
    /// Schema version of the database as it is in the backup; the next start brings it up to date.
    pub schema_version: i64,
    /// Components that were restored.
    pub components: usize,
    /// Grants that were restored.
    pub grants: usize,
    /// Where the database that was there before is now.
    pub put_aside: Option<PathBuf>,
    /// Where the grants that were there before are now.
    pub grants_put_aside: Option<PathBuf>,
}

/// Restores the backup in `folder` into `home`, which is made if needed. Blocks on the disk.
///
/// A gateway that runs on `home` has to be stopped first; while it runs this is refused.
pub fn restore(folder: &Path, home: &Path, if_occupied: IfOccupied) -> Result<RestoreReport, RestoreError> {
    let manifest = read_manifest(folder)?;
    files::private_folder(home)?;
    let _lock = HomeLock::take(home, home::STORAGE_LOCK)?;
    let database = home::database(home);
    let is_occupied = database.exists();
    if is_occupied && if_occupied == IfOccupied::Refuse {
        return Err(RestoreError::Occupied { path: database });
    }
    let there = GrantFiles::open(home);
    if if_occupied == IfOccupied::Refuse && !(there.all().is_empty() && there.problems().is_empty()) {
        return Err(RestoreError::Occupied { path: home::grants(home) });
    }

    files::private_folder(&home::components(home))?;
    let mut database_copy = None;
    let mut component_copies = Vec::new();
    let mut grants = StagedGrants::beside(home)?;
    for (file, part) in &manifest.files {
        match part {
            Part::Database => database_copy = Some(verified_copy(folder, file, &database)?),
            Part::Component(digest) => {
                let target = home::components(home).join(home::component_file(*digest));
                component_copies.push((*digest, verified_copy(folder, file, &target)?));
            }
            Part::Grant(tenant, skill) => grants.add(folder, file, tenant, skill)?,
        }
    }
    let Some(database_copy) = database_copy else {
        return Err(not_a_backup(folder, "its manifest names no database"));
    };
    check_database(folder, &manifest, &database_copy, &component_copies)?;

    // From here on everything is known to be right. Components first: a database must find what it names.
    let components = component_copies.len();
    for (_, copy) in component_copies {
        copy.finish()?;
    }
    let put_aside = if is_occupied { Some(put_aside(&database)?) } else { None };
    let (grants, grants_put_aside) = grants.finish(home)?;
    database_copy.finish()?;
    Ok(RestoreReport {
        created_at: manifest.created_at,
        schema_version: manifest.schema_version,
        components,
        grants,
        put_aside,
        grants_put_aside,
    })
}

/// A manifest whose every path was checked.
struct Checked {
    schema_version: i64,
    created_at: String,
    files: Vec<(ManifestFile, Part)>,
}

fn read_manifest(folder: &Path) -> Result<Checked, RestoreError> {
    let path = folder.join(MANIFEST);
    let mut text = String::new();
    File::open(&path)
        .and_then(|file| file.take(MAX_MANIFEST).read_to_string(&mut text))
        .map_err(|error| not_a_backup(folder, &format!("cannot read `{MANIFEST}`: {error}")))?;
    let manifest: Manifest = serde_json::from_str(&text)
        .map_err(|error| not_a_backup(folder, &format!("`{MANIFEST}` is malformed: {error}")))?;
    if manifest.format != FORMAT {
        let reason = format!("`{MANIFEST}` has format {}, this openclaw knows format {FORMAT}", manifest.format);
        return Err(not_a_backup(folder, &reason));
    }
    if manifest.schema_version > SCHEMA_VERSION {
        let (folder, found) = (folder.to_owned(), manifest.schema_version);
        return Err(RestoreError::Newer { folder, found, known: SCHEMA_VERSION });
    }
    let mut seen = HashSet::new();
    let mut checked = Vec::with_capacity(manifest.files.len());
    for file in manifest.files {
        let Some(part) = file.part().filter(|_| seen.insert(file.path.clone())) else {
            return Err(not_a_backup(folder, &format!("its manifest names `{}`", file.path)));
        };
        checked.push((file, part));
    }
    Ok(Checked { schema_version: manifest.schema_version, created_at: manifest.created_at, files: checked })
}

/// Copies a file beside its place. What was hashed is what was written: nobody can change it in between.
fn verified_copy(folder: &Path, file: &ManifestFile, target: &Path) -> Result<Unfinished, RestoreError> {
    let path = folder.join(&file.path);
    let (copy, found, _) = Unfinished::copy_of(&path, target)?;
    if found.to_hex() != file.sha256 {
        return Err(RestoreError::Changed { path, stated: file.sha256.clone(), found: found.to_hex() });
    }
    Ok(copy)
}

/// Checks that the database is one of ours, of the schema stated, and that every component it names is there and is
/// named for its bytes.
fn check_database(
    folder: &Path,
    manifest: &Checked,
    database: &Unfinished,
    components: &[(Digest, Unfinished)],
) -> Result<(), RestoreError> {
    for (file, part) in &manifest.files {
        if let Part::Component(digest) = part
            && digest.to_hex() != file.sha256
        {
            return Err(not_a_backup(folder, &format!("`{}` is not named for its bytes", file.path)));
        }
    }
    let path = folder.join(home::DATABASE);
    let sqlite = OpenError::sqlite(&path);
    let conn = Connection::open_with_flags(database.path(), OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(|error| RestoreError::Database(sqlite(error)))?;
    let found = schema::version(&conn, &path).map_err(RestoreError::Database)?;
    if found != manifest.schema_version {
        return Err(not_a_backup(
            folder,
            &format!("its manifest states schema version {}, its database has {found}", manifest.schema_version),
        ));
    }
    // A backup of before version 3 knows no upgrades that wait.
    let named = match found {
        ..3 => "SELECT DISTINCT digest FROM installed",
        _ => "SELECT digest FROM installed UNION SELECT digest FROM held",
    };
    let named: Vec<Digest> = conn
        .prepare(named)
        .and_then(|mut statement| statement.query_map([], |row| rows::parsed(row, 0))?.collect())
        .map_err(|error| RestoreError::Database(sqlite(error)))?;
    match named.iter().find(|digest| components.iter().all(|(held, _)| held != *digest)) {
        Some(digest) => Err(not_a_backup(folder, &format!("component {digest} is missing from its manifest"))),
        None => Ok(()),
    }
}

/// Grants that were copied and found right, in a folder that is not theirs yet; dropped unfinished, it is removed.
struct StagedGrants {
    folder: PathBuf,
    count: usize,
}

impl StagedGrants {
    fn beside(home: &Path) -> Result<Self, IoFailure> {
        let folder = home.join(format!(".{}.{}{}", home::GRANTS, std::process::id(), files::UNFINISHED));
        // What a restore that was killed left there is not to be mixed with this one.
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(IoFailure::when("remove", &folder)(error));
            }
            _ => {}
        }
        files::private_folder(&folder)?;
        Ok(Self { folder, count: 0 })
    }

    /// Copies one, and checks that it is what its path says.
    fn add(
        &mut self,
        backup: &Path,
        file: &ManifestFile,
        tenant: &TenantId,
        skill: &SkillName,
    ) -> Result<(), RestoreError> {
        let of_tenant = self.folder.join(tenant.as_str());
        files::private_folder(&of_tenant)?;
        let target = of_tenant.join(home::grant_file(skill));
        verified_copy(backup, file, &target)?.finish()?;
        let text = fs::read_to_string(&target).map_err(IoFailure::when("read", &target))?;
        let is_right = from_text(&text).is_ok_and(|grant| grant.tenant == *tenant && grant.skill == *skill);
        self.count += 1;
        match is_right {
            true => Ok(()),
            false => Err(not_a_backup(backup, &format!("`{}` is not the grant its name says", file.path))),
        }
    }

    /// Gives them their place, and puts those aside that are there; says how many there are, and where the others went.
    fn finish(mut self, home: &Path) -> Result<(usize, Option<PathBuf>), IoFailure> {
        let place = home::grants(home);
        let mut aside = None;
        if place.symlink_metadata().is_ok() {
            let to = place.with_file_name(format!("{}.replaced-{}", home::GRANTS, SystemClock.now().as_millis()));
            fs::rename(&place, &to).map_err(IoFailure::when("put aside", &place))?;
            aside = Some(to);
        }
        files::sync_folder(&self.folder)?;
        fs::rename(&self.folder, &place).map_err(IoFailure::when("rename to its final name", &self.folder))?;
        self.folder = PathBuf::new();
        files::sync_folder(home)?;
        Ok((self.count, aside))
    }
}

impl Drop for StagedGrants {
    fn drop(&mut self) {
        if !self.folder.as_os_str().is_empty() {
            // Nothing more can be done about it here, and nothing ever reads it.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Gives a database and its WAL another name. They keep belonging together, so the old one can still be opened.
fn put_aside(database: &Path) -> Result<PathBuf, RestoreError> {
    let aside = database.with_file_name(format!("{}.replaced-{}", home::DATABASE, SystemClock.now().as_millis()));
    // The WAL before its database: one that stayed behind would be played into the restored one.
    for suffix in ["-wal", "-shm", ""] {
        let named = |path: &Path| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        let from = named(database);
        if from.exists() {
            fs::rename(&from, named(&aside)).map_err(IoFailure::when("put aside", &from))?;
        }
    }
    if let Some(folder) = database.parent() {
        files::sync_folder(folder)?;
    }
    Ok(aside)
}

fn not_a_backup(folder: &Path, reason: &str) -> RestoreError {
    RestoreError::NotABackup { folder: folder.to_owned(), reason: reason.to_owned() }
}
