//! Grants as files that an operator reads and diffs: `grants/<tenant>/<skill>.toml` in the home, one a skill and tenant.
//!
//! They are read once and kept in memory, where every call looks; only `put`, `remove` and `reload` change that.
//! Invariant: what is in force is on disk first, and went away from disk when it no longer is; a file that cannot be
//! trusted or read denies, by name, and hurts no other.

mod folder;
mod text;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use openclaw_domain::ports::Grants;
use openclaw_domain::{Grant, Refusal, SkillName, TenantId};

use self::folder::{Found, Map};
use crate::{IoFailure, files, home};

pub use self::folder::GrantProblem;
pub use self::text::{GrantTextError, from_text, to_text};

/// The grants of a home. A handle: clones share what is in force.
#[derive(Clone, Debug)]
pub struct GrantFiles {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    found: ArcSwap<Found>,
    /// Held by whoever changes files and what is in force, so that neither overtakes the other.
    changing: Mutex<()>,
}

impl GrantFiles {
    /// Reads the grants of a home. Blocks on the disk.
    ///
    /// Changes nothing, so it also serves a command that only looks; the folder is made by the first grant.
    pub fn open(home: &Path) -> Self {
        let folder = home::grants(home);
        let found = Found::read(&folder);
        warn_of(&found);
        let shared = Shared { folder, found: ArcSwap::from_pointee(found), changing: Mutex::default() };
        Self { shared: Arc::new(shared) }
    }

    /// Reads all files again: from now on, what they say is in force. Blocks on the disk.
    pub fn reload(&self) {
        self.change(|folder| Ok::<_, IoFailure>(((), Found::read(folder)))).unwrap_or_default();
    }

    /// The grants that are not in force although a file is in their place, for `status` and `doctor`.
    pub fn problems(&self) -> Vec<GrantProblem> {
        self.shared.found.load().problems.clone()
    }

    /// Why the grant of a skill is not in force although something is in its place: its file, or the folder it lies in.
    /// As of the last time files were read.
    pub fn problem(&self, tenant: &TenantId, skill: &SkillName) -> Option<GrantProblem> {
        let path = self.path(tenant, skill);
        self.shared.found.load().problems.iter().find(|problem| path.starts_with(&problem.path)).cloned()
    }

    /// Where the file of a grant is, whether or not it is there.
    pub fn path(&self, tenant: &TenantId, skill: &SkillName) -> PathBuf {
        file(&self.shared.folder, tenant, skill)
    }

    /// Takes all grants of a tenant away, and everything else in its folder. Blocks on the disk.
    pub(crate) fn remove_tenant(&self, tenant: &TenantId) -> Result<(), IoFailure> {
        self.change(|folder| {
            let path = folder.join(tenant.as_str());
            let removed = match fs::symlink_metadata(&path) {
                Ok(about) if about.is_dir() => fs::remove_dir_all(&path),
                Ok(_) => fs::remove_file(&path),
                Err(error) => Err(error),
            };
            match removed {
                Ok(()) => files::sync_folder(folder)?,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(IoFailure::when("remove", &path)(error)),
            }
            Ok(((), Found::read(folder)))
        })
    }

    /// The grants that are in force by what is on disk now, as their files. Blocks on the disk.
    pub(crate) fn texts(&self) -> Vec<(TenantId, SkillName, String)> {
        let _changing = self.shared.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let found = Found::read(&self.shared.folder);
        found.grants.values().map(|grant| (grant.tenant.clone(), grant.skill.clone(), to_text(grant))).collect()
    }

    /// Changes files, and then what is in force, with nobody in between.
    fn change<T, E>(&self, change: impl FnOnce(&Path) -> Result<(T, Found), E>) -> Result<T, E> {
        let _changing = self.shared.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let (value, found) = change(&self.shared.folder)?;
        if found.problems != self.shared.found.load().problems {
            warn_of(&found);
        }
        self.shared.found.store(Arc::new(found));
        Ok(value)
    }

    /// The same on a blocking thread.
    async fn change_blocking<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Path) -> Result<(T, Found), IoFailure> + Send + 'static,
    ) -> Result<T, Refusal> {
        let grants = self.clone();
        tokio::task::spawn_blocking(move || grants.change(change))
            .await
            .map_err(Refusal::internal)?
            .map_err(Refusal::internal)
    }

    fn map(&self) -> arc_swap::Guard<Arc<Found>> {
        self.shared.found.load()
    }
}

#[async_trait]
impl Grants for GrantFiles {
    fn grant(&self, tenant: &TenantId, skill: &SkillName) -> Option<Arc<Grant>> {
        let found = self.map();
        let grants: &Map = &found.grants;
        // Both names are one pointer and a count: cloning them allocates nothing.
        grants.get(&(tenant.clone(), skill.clone())).cloned()
    }

    fn all(&self) -> Vec<Arc<Grant>> {
        self.map().grants.values().cloned().collect()
    }

    async fn put(&self, grant: Grant) -> Result<(), Refusal> {
        self.change_blocking(move |folder| {
            let of_tenant = folder.join(grant.tenant.as_str());
            for folder in [folder, &of_tenant] {
                files::private_folder(folder)?;
            }
            let path = file(folder, &grant.tenant, &grant.skill);
            files::write_whole(&path, to_text(&grant).as_bytes())?;
            // The new folders' own names, too.
            files::sync_folder(folder)?;
            if let Some(home) = folder.parent() {
                files::sync_folder(home)?;
            }
            let found = Found::read(folder);
            // Read back: a grant that would not be in force after the next start is not in force now either.
            match found.problems.iter().find(|problem| path.starts_with(&problem.path)) {
                Some(problem) => {
                    let reason = std::io::Error::other(problem.to_string());
                    Err(IoFailure::when("put in force", &path)(reason))
                }
                None => Ok(((), found)),
            }
        })
        .await
    }

    async fn remove(&self, tenant: &TenantId, skill: &SkillName) -> Result<bool, Refusal> {
        let (tenant, skill) = (tenant.clone(), skill.clone());
        self.change_blocking(move |folder| {
            let path = file(folder, &tenant, &skill);
            let was_there = match fs::remove_file(&path) {
                Ok(()) => {
                    files::sync_folder(&folder.join(tenant.as_str()))?;
                    true
                }
                Err(error) if error.kind() == ErrorKind::NotFound => false,
                Err(error) => return Err(IoFailure::when("remove", &path)(error)),
            };
            Ok((was_there, Found::read(folder)))
        })
        .await
    }
}

/// Names are letters, digits and hyphens, so no name leads out of the folder.
fn file(folder: &Path, tenant: &TenantId, skill: &SkillName) -> PathBuf {
    folder.join(tenant.as_str()).join(home::grant_file(skill))
}

fn warn_of(found: &Found) {
    for problem in &found.problems {
        tracing::warn!(path = %problem.path.display(), reason = problem.reason, "a grant is not in force");
    }
}
