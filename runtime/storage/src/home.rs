//! Where things are in a gateway's home folder.

use std::path::{Path, PathBuf};

use openclaw_domain::Digest;

/// Name of the database within a home and within a backup.
pub(crate) const DATABASE: &str = "openclaw.db";
/// Name of the folder of component files within a home and within a backup.
pub(crate) const COMPONENTS: &str = "components";
/// Held by the one process that has the storage open.
pub(crate) const STORAGE_LOCK: &str = "storage.lock";
/// Held by the gateway that runs on this home.
pub(crate) const GATEWAY_LOCK: &str = "gateway.lock";

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

/// The digest a component's file name states, if it is such a name.
pub(crate) fn digest_of_file(name: &str) -> Option<Digest> {
    let digest: Digest = name.strip_suffix(".wasm")?.parse().ok()?;
    // Upper-case digits and a `sha256:` prefix parse as well, and would name the same component twice.
    (component_file(digest) == name).then_some(digest)
}
