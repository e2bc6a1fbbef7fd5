//! Where things are in a gateway's home folder.

use std::path::{Path, PathBuf};

use openclaw_domain::{Digest, SkillName, TenantId};

/// Name of the database within a home and within a backup.
pub(crate) const DATABASE: &str = "openclaw.db";
/// Name of the folder of component files within a home and within a backup.
pub(crate) const COMPONENTS: &str = "components";
/// Held by the one process that has the storage open.
pub(crate) const STORAGE_LOCK: &str = "storage.lock";
/// Held by the gateway that runs on this home.
pub(crate) const GATEWAY_LOCK: &str = "gateway.lock";

/// Name of the folder of grants within a home and within a backup.
pub(crate) const GRANTS: &str = "grants";

/// The key that only this machine has; in no backup.
pub(crate) fn machine_key(home: &Path) -> PathBuf {
    home.join("machine.key")
}

/// The folder of grants of a home.
pub(crate) fn grants(home: &Path) -> PathBuf {
    home.join(GRANTS)
}

/// The database of a home.
pub(crate) fn database(home: &Path) -> PathBuf {
    home.join(DATABASE)
}

/// The folder of component files of a home.
pub(crate) fn components(home: &Path) -> PathBuf {
    home.join(COMPONENTS)
}

/// The name of a component's file within its folder.
pub(crate) fn component_file(digest: Digest) -> String {
    format!("{}.wasm", digest.to_hex())
}

/// The name of a grant's file within its tenant's folder.
pub(crate) fn grant_file(skill: &SkillName) -> String {
    format!("{skill}.toml")
}

/// The tenant and skill a path within the folder of grants states, if it is such a path.
pub(crate) fn names_of_grant(path: &str) -> Option<(TenantId, SkillName)> {
    let (tenant, file) = path.split_once('/')?;
    Some((tenant.parse().ok()?, file.strip_suffix(".toml")?.parse().ok()?))
}

/// The digest a component's file name states, if it is such a name.
pub(crate) fn digest_of_file(name: &str) -> Option<Digest> {
    let digest: Digest = name.strip_suffix(".wasm")?.parse().ok()?;
    // Upper-case digits and a `sha256:` prefix parse as well, and would name the same component twice.
    (component_file(digest) == name).then_some(digest)
}
