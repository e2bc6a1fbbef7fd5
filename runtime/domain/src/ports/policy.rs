//! What the operator configured, as far as guests are concerned.

use std::collections::BTreeMap;

use crate::ports::Paused;
use crate::{SkillName, TenantId, TenantLimits};

/// Whatever knows the configuration and the pauses. Reading is a look into memory: it happens on every call.
pub trait Policy: Send + Sync {
    /// The bounds of a tenant.
    fn limits(&self, tenant: &TenantId) -> TenantLimits;

    /// What the operator set of a skill's own settings; each value is a string, or JSON text if it was written as
    /// something else. The skill's own defaults stand where this has nothing.
    fn settings(&self, tenant: &TenantId, skill: &SkillName) -> BTreeMap<String, String>;

    /// What pauses this skill, the widest first; `None` if nothing does. Without a skill: what pauses the tenant.
    fn paused(&self, tenant: &TenantId, skill: Option<&SkillName>) -> Option<Paused>;
}
