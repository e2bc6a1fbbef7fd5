//! Tenants an operator added, and what is paused.

use std::collections::BTreeSet;
use std::fmt;

use async_trait::async_trait;

use crate::{Refusal, SkillName, TenantId, Timestamp};

/// A tenant that an operator added. Those of the configuration file are not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantRecord {
    /// Its name.
    pub name: TenantId,
    /// When it was added.
    pub created_at: Timestamp,
}

/// What is paused: everything, a tenant, or a skill of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Paused {
    /// Every tenant.
    Everything,
    /// One tenant.
    Tenant(TenantId),
    /// One skill of a tenant.
    Skill(TenantId, SkillName),
}

impl Paused {
    /// What `openclaw pause` and `openclaw resume` take for it: nothing for everything, `acme`, `acme/notes`.
    pub fn words(&self) -> String {
        match self {
            Self::Everything => String::new(),
            Self::Tenant(tenant) => tenant.to_string(),
            Self::Skill(tenant, skill) => format!("{tenant}/{skill}"),
        }
    }
}

impl fmt::Display for Paused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("the gateway"),
            Self::Tenant(tenant) => write!(f, "tenant `{tenant}`"),
            Self::Skill(_, skill) => write!(f, "skill `{skill}`"),
        }
    }
}

/// Whatever remembers tenants and pauses.
#[async_trait]
pub trait Tenants: Send + Sync {
    /// Adds one; `false` if it was there.
    async fn add(&self, record: TenantRecord) -> Result<bool, Refusal>;

    /// All that were added, by name.
    async fn list(&self) -> Result<Vec<TenantRecord>, Refusal>;

    /// Everything that is kept of a tenant, as lines of JSON: one object a row, `{"table": …}`. Secrets by name only.
    async fn export(&self, tenant: &TenantId) -> Result<Vec<String>, Refusal>;

    /// Forgets everything that is kept of a tenant in the database. Returns how many rows went.
    async fn erase(&self, tenant: &TenantId) -> Result<u64, Refusal>;

    /// What is paused.
    async fn paused(&self) -> Result<BTreeSet<Paused>, Refusal>;

    /// Pauses, or ends a pause; `false` if it was so before.
    async fn set_paused(&self, what: Paused, paused: bool) -> Result<bool, Refusal>;
}
