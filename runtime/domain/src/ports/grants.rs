//! What operators granted.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{Grant, Refusal, SkillName, TenantId};

/// Whatever knows the grants. Reading is a look into memory: it happens on every call.
#[async_trait]
pub trait Grants: Send + Sync {
    /// The grant of a skill, whatever it is bound to and whether or not it has expired: the caller checks.
    fn grant(&self, tenant: &TenantId, skill: &SkillName) -> Option<Arc<Grant>>;

    /// All of them, by tenant and skill.
    fn all(&self) -> Vec<Arc<Grant>>;

    /// Writes a grant, replacing the one of the same tenant and skill; on disk when this returns.
    async fn put(&self, grant: Grant) -> Result<(), Refusal>;

    /// Takes a grant away; `false` if there was none.
    async fn remove(&self, tenant: &TenantId, skill: &SkillName) -> Result<bool, Refusal>;
}
