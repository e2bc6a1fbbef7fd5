//! `MANIFEST.json`: what a backup holds, with a hash of each file. It is written last, so a folder without one is
//! no finished backup.
//!
//! Invariant: a manifest names the database, files in `components/` and grants, and nothing outside its folder.

use openclaw_domain::{Digest, SkillName, TenantId};
use serde::{Deserialize, Serialize};

use crate::home;

/// Its name in the folder of a backup.
pub(crate) const MANIFEST: &str = "MANIFEST.json";
/// The version of this file's own format.
pub(crate) const FORMAT: u32 = 1;
/// A manifest longer than this many bytes is none.
pub(crate) const MAX_MANIFEST: u64 = 64 << 20;

/// The whole file.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// Version of the manifest's format.
    pub(crate) format: u32,
    /// Schema version of the database.
    pub(crate) schema_version: i64,
    /// When the backup was made, RFC 3339 in UTC.
    pub(crate) created_at: String,
    /// Every file but the manifest.
    pub(crate) files: Vec<ManifestFile>,
}

/// One file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ManifestFile {
    /// Its path within the backup: `openclaw.db`, `components/<digest>.wasm` or `grants/<tenant>/<skill>.toml`.
    pub(crate) path: String,
    /// Its bytes.
    pub(crate) size: u64,
    /// 64 hex digits.
    pub(crate) sha256: String,
}

/// What a path in a manifest names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The database.
    Database,
    /// A component's file.
    Component(Digest),
    /// The grant of a skill.
    Grant(TenantId, SkillName),
}

impl ManifestFile {
    /// What it is; `None` for any path that does not belong into a backup.
    pub(crate) fn part(&self) -> Option<Part> {
        if self.path == home::DATABASE {
            return Some(Part::Database);
        }
        let (folder, name) = self.path.split_once('/')?;
        match folder {
            home::COMPONENTS => home::digest_of_file(name).map(Part::Component),
            home::GRANTS => home::names_of_grant(name).map(|(tenant, skill)| Part::Grant(tenant, skill)),
            _ => None,
        }
    }
}
