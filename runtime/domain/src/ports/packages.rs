//! Component files and what is installed of them.

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Digest, HeldUpgrade, Installed, Refusal, SkillName, TenantId};

/// Whatever keeps component files and the list of what is installed.
#[async_trait]
pub trait Packages: Send + Sync {
    /// Keeps a component file. The digest was computed from exactly these bytes.
    async fn put_component(&self, digest: Digest, bytes: Bytes) -> Result<(), Refusal>;

    /// The bytes with this digest. They are hashed again on reading; a file that was changed is an error.
    async fn component(&self, digest: Digest) -> Result<Bytes, Refusal>;

    /// Everything installed, for all tenants.
    async fn list(&self) -> Result<Vec<Installed>, Refusal>;

    /// Installs, or replaces what has the same tenant and name.
    async fn put(&self, installed: Installed) -> Result<(), Refusal>;

    /// Removes; `false` if it was not there. The file goes when nothing else uses it.
    async fn remove(&self, tenant: &TenantId, name: &SkillName) -> Result<bool, Refusal>;

    /// Upgrades that wait for an operator, for all tenants. Their component files are kept like those of installed ones.
    async fn held(&self) -> Result<Vec<HeldUpgrade>, Refusal>;

    /// Keeps an upgrade waiting, replacing the one of the same tenant and name.
    async fn hold(&self, held: HeldUpgrade) -> Result<(), Refusal>;

    /// Forgets an upgrade that waited; `false` if there was none. Its file goes when nothing else uses it.
    async fn release(&self, tenant: &TenantId, name: &SkillName) -> Result<bool, Refusal>;
}
