//! The folder `grants/` of a home: which files in it are grants, and which are not and why.
//!
//! Invariant: a grant is in force only if its file, and the folder it lies in, are ours and nobody else can write to
//! them, and if it says of itself what its path says. Anything else denies; nothing here is an error that stops a start.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use openclaw_domain::{Grant, SkillName, TenantId};
use rustix::fs::OFlags;

use super::text::from_text;
use crate::files::UNFINISHED;

/// Bytes of the longest file that is read: a grant of a thousand lines has some 60 KiB.
const MAX_FILE: u64 = 1 << 20;

/// A grant that is not in force although something is in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantProblem {
    /// The file or folder.
    pub path: PathBuf,
    /// Why, and what would put it right.
    pub reason: String,
}

impl fmt::Display for GrantProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not in force: {}", self.path.display(), self.reason)
    }
}

/// Grants by tenant and skill.
pub(super) type Map = BTreeMap<(TenantId, SkillName), Arc<Grant>>;

/// What a folder holds.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) grants: Map,
    pub(super) problems: Vec<GrantProblem>,
}

impl Found {
    /// Reads a folder. One that is not there holds nothing.
    pub(super) fn read(folder: &Path) -> Self {
        let mut found = Self::default();
        for (name, path) in found.entries(folder) {
            match name.parse::<TenantId>() {
                Ok(tenant) => found.read_tenant(&tenant, &path),
                Err(_) => found.problem(path, "it is no tenant's folder: remove it"),
            }
        }
        found
    }

    fn read_tenant(&mut self, tenant: &TenantId, folder: &Path) {
        for (name, path) in self.entries(folder) {
            let skill = name.strip_suffix(".toml").and_then(|name| name.parse::<SkillName>().ok());
            let Some(skill) = skill else {
                self.problem(path, "it is no skill's grant: remove it");
                continue;
            };
            match read_file(&path, tenant, &skill) {
                Ok(grant) => drop(self.grants.insert((tenant.clone(), skill), Arc::new(grant))),
                Err(reason) => self.problem(path, reason),
            }
        }
    }

    /// What is in a folder that can be trusted, by name; nothing, and a problem, if it cannot.
    fn entries(&mut self, folder: &Path) -> Vec<(String, PathBuf)> {
        let about = match fs::symlink_metadata(folder) {
            Ok(about) => about,
            Err(error) if error.kind() == ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                self.problem(folder.to_owned(), format!("it cannot be read: {error}"));
                return Vec::new();
            }
        };
        let reason = match () {
            () if about.is_symlink() => Some("it is a symbolic link: put the folder itself there".to_owned()),
            () if !about.is_dir() => Some("it is no folder: remove it".to_owned()),
            () => is_not_ours_alone(&about, folder, "700"),
        };
        if let Some(reason) = reason {
            self.problem(folder.to_owned(), reason);
            return Vec::new();
        }
        let listed = fs::read_dir(folder).and_then(|entries| {
            entries
                .map(|entry| entry.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path())))
                .collect::<io::Result<Vec<_>>>()
        });
        match listed {
            Ok(mut entries) => {
                // Left by a crash half-way through a write, and never read.
                entries.retain(|(name, _)| !(name.starts_with('.') && name.ends_with(UNFINISHED)));
                entries.sort();
                entries
            }
            Err(error) => {
                self.problem(folder.to_owned(), format!("it cannot be read: {error}"));
                Vec::new()
            }
        }
    }

    fn problem(&mut self, path: PathBuf, reason: impl Into<String>) {
        self.problems.push(GrantProblem { path, reason: reason.into() });
    }
}

fn read_file(path: &Path, tenant: &TenantId, skill: &SkillName) -> Result<Grant, String> {
    // What is opened is what is looked at and read: nothing can change places in between. A link is refused, and a pipe
    // does not wait for somebody who writes.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file =
        OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|error| match error.raw_os_error() {
            Some(code) if code == rustix::io::Errno::LOOP.raw_os_error() => {
                "it is a symbolic link: put the file itself there".to_owned()
            }
            _ => format!("it cannot be read: {error}"),
        })?;
    let text = read_ours(file, path)?;
    let grant = from_text(&text).map_err(|error| format!("it is no grant: {error}"))?;
    if grant.tenant != *tenant || grant.skill != *skill {
        return Err(format!("it says it is for the skill `{}` of the tenant `{}`", grant.skill, grant.tenant));
    }
    Ok(grant)
}

fn read_ours(file: File, path: &Path) -> Result<String, String> {
    let unreadable = |error| format!("it cannot be read: {error}");
    let about = file.metadata().map_err(unreadable)?;
    if !about.is_file() {
        return Err("it is no regular file: remove it".to_owned());
    }
    if let Some(reason) = is_not_ours_alone(&about, path, "600") {
        return Err(reason);
    }
    let mut text = String::new();
    file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(unreadable)?;
    match text.len() as u64 > MAX_FILE {
        true => Err(format!("it is longer than {MAX_FILE} bytes")),
        false => Ok(text),
    }
}

/// Why somebody else could have written this, if somebody could.
fn is_not_ours_alone(about: &Metadata, path: &Path, mode: &str) -> Option<String> {
    let us = rustix::process::geteuid().as_raw();
    if about.uid() != us {
        return Some(format!("it belongs to user {}, the gateway runs as user {us}", about.uid()));
    }
    let found = about.permissions().mode() & 0o777;
    (found & 0o022 != 0).then(|| {
        format!(
            "other users may write to it (mode {found:03o}): look at it, then run `chmod {mode} {}`",
            path.display()
        )
    })
}
