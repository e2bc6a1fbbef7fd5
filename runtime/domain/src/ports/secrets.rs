//! Values that guests use and never see.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{Refusal, Secret, SecretName, TenantId};

/// The bytes of a secret.
pub type SecretValue = Secret<Arc<[u8]>>;

/// Whatever knows the values of secrets. Each use reads anew, so that a changed value counts from then on.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// The value of a tenant's secret; `None` if it has none. For the task that sends, and nobody else.
    async fn value(&self, tenant: &TenantId, name: &SecretName) -> Result<Option<SecretValue>, Refusal>;

    /// Whether it has a value.
    async fn exists(&self, tenant: &TenantId, name: &SecretName) -> Result<bool, Refusal>;

    /// HMAC-SHA256 (RFC 2104) of `message` with the secret as key, computed in a task of its own, so that no value comes
    /// near a guest's stack; `None` if the secret has no value.
    async fn hmac_sha256(
        &self,
        tenant: &TenantId,
        name: &SecretName,
        message: bytes::Bytes,
    ) -> Result<Option<[u8; 32]>, Refusal>;
}
