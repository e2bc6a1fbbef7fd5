//! Ports that hold nothing: for programs that run guests without an operator, such as a benchmark or a build.
//!
//! Invariant: whatever is asked of it is denied or empty, so that a forgotten part never grants anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use openclaw_domain::ports::{
    Bucket, Egress, Grants, Kv, KvChange, KvError, KvQuota, KvUse, Paused, Policy, SecretValue, Secrets, Swapped,
};
use openclaw_domain::{EgressError, Grant, Incoming, Outgoing, Refusal, SecretName, SkillName, TenantId, TenantLimits};

/// No grant, no secret, no way out, no state; every tenant has these limits and nothing is paused.
#[derive(Clone, Copy, Debug, Default)]
pub struct NothingGranted {
    /// The limits of every tenant.
    pub limits: TenantLimits,
}

fn absent(what: &str) -> Refusal {
    Refusal::NotConfigured { what: what.to_owned(), hint: "run it in a gateway: `openclaw gateway`".to_owned() }
}

#[async_trait]
impl Egress for NothingGranted {
    async fn send(&self, request: Outgoing) -> Result<Incoming, EgressError> {
        let url = format!("{}{}", request.origin, request.path_and_query.split('?').next().unwrap_or_default());
        Err(EgressError::NameDenied { method: request.method.to_string(), url })
    }
}

#[async_trait]
impl Kv for NothingGranted {
    async fn get(&self, _: &Bucket, keys: Vec<String>) -> Result<Vec<Option<Bytes>>, KvError> {
        Ok(vec![None; keys.len()])
    }

    async fn change(&self, _: &Bucket, _: Vec<KvChange>, _: KvQuota) -> Result<(), KvError> {
        Err(absent("the store of keys and values").into())
    }

    async fn keys(&self, _: &Bucket, _: Option<String>, _: usize) -> Result<Vec<String>, KvError> {
        Ok(Vec::new())
    }

    async fn increment(&self, _: &Bucket, _: String, _: i64, _: KvQuota) -> Result<i64, KvError> {
        Err(absent("the store of keys and values").into())
    }

    async fn swap(&self, _: &Bucket, _: String, _: Option<Bytes>, _: Bytes, _: KvQuota) -> Result<Swapped, KvError> {
        Err(absent("the store of keys and values").into())
    }

    async fn used(&self, _: &TenantId, _: &SkillName) -> Result<KvUse, Refusal> {
        Ok(KvUse::default())
    }

    async fn erase(&self, _: &TenantId, _: &SkillName) -> Result<(), Refusal> {
        Ok(())
    }
}

#[async_trait]
impl Secrets for NothingGranted {
    async fn value(&self, _: &TenantId, _: &SecretName) -> Result<Option<SecretValue>, Refusal> {
        Ok(None)
    }

    async fn exists(&self, _: &TenantId, _: &SecretName) -> Result<bool, Refusal> {
        Ok(false)
    }

    async fn hmac_sha256(&self, _: &TenantId, _: &SecretName, _: Bytes) -> Result<Option<[u8; 32]>, Refusal> {
        Ok(None)
    }
}

#[async_trait]
impl Grants for NothingGranted {
    fn grant(&self, _: &TenantId, _: &SkillName) -> Option<Arc<Grant>> {
        None
    }

    fn all(&self) -> Vec<Arc<Grant>> {
        Vec::new()
    }

    async fn put(&self, _: Grant) -> Result<(), Refusal> {
        Err(absent("the folder of grants"))
    }

    async fn remove(&self, _: &TenantId, _: &SkillName) -> Result<bool, Refusal> {
        Ok(false)
    }
}

impl Policy for NothingGranted {
    fn limits(&self, _: &TenantId) -> TenantLimits {
        self.limits
    }

    fn settings(&self, _: &TenantId, _: &SkillName) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    fn paused(&self, _: &TenantId, _: Option<&SkillName>) -> Option<Paused> {
        None
    }
}
