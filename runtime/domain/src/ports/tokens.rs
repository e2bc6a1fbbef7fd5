//! Named tokens: credentials an operator made, kept as hashes.

use async_trait::async_trait;

use crate::{Refusal, Role, TenantId, Timestamp};

/// A token about to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// What operators call it; unique within the tenant.
    pub name: String,
    /// Whose it is.
    pub tenant: TenantId,
    /// What it allows.
    pub role: Role,
    /// SHA-256 of the token. The token itself is printed once and never kept.
    pub hash: [u8; 32],
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends, if it does.
    pub expires_at: Option<Timestamp>,
}

/// A token that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedToken {
    /// What was kept.
    pub token: NewToken,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
}

/// Whatever keeps named tokens.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// Keeps a new one; one with the same tenant and name is refused.
    async fn create(&self, token: NewToken) -> Result<(), Refusal>;

    /// All of them, revoked ones too, oldest first.
    async fn list(&self) -> Result<Vec<NamedToken>, Refusal>;

    /// Revokes; `false` if there is no such token or it was revoked before.
    async fn revoke(&self, tenant: &TenantId, name: &str, at: Timestamp) -> Result<bool, Refusal>;
}
