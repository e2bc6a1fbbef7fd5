//! Ports that tests set as they like: what the operator configured, and values of secrets.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use openclaw_domain::ports::{Paused, Policy, SecretValue, Secrets};
use openclaw_domain::{Refusal, Secret, SecretName, SkillName, TenantId, TenantLimits};
use sha2::Sha256;

/// What the operator configured.
pub struct TestPolicy {
    limits: RwLock<TenantLimits>,
    settings: RwLock<HashMap<(TenantId, SkillName), BTreeMap<String, String>>>,
    paused: RwLock<Option<Paused>>,
}

impl TestPolicy {
    /// One with these limits for every tenant.
    pub fn new(limits: TenantLimits) -> Self {
        Self { limits: RwLock::new(limits), settings: RwLock::default(), paused: RwLock::default() }
    }

    /// Changes the limits of every tenant.
    pub fn limit(&self, change: impl FnOnce(&mut TenantLimits)) {
        change(&mut self.limits.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Sets a setting of a skill.
    pub fn set(&self, tenant: &TenantId, skill: &str, key: &str, value: &str) {
        let skill = skill.parse().expect("a skill name");
        let mut settings = self.settings.write().unwrap_or_else(PoisonError::into_inner);
        settings.entry((tenant.clone(), skill)).or_default().insert(key.to_owned(), value.to_owned());
    }

    /// Pauses something, or ends the pause.
    pub fn pause(&self, what: Option<Paused>) {
        *self.paused.write().unwrap_or_else(PoisonError::into_inner) = what;
    }
}

impl Policy for TestPolicy {
    fn limits(&self, _: &TenantId) -> TenantLimits {
        *self.limits.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn settings(&self, tenant: &TenantId, skill: &SkillName) -> BTreeMap<String, String> {
        let settings = self.settings.read().unwrap_or_else(PoisonError::into_inner);
        settings.get(&(tenant.clone(), skill.clone())).cloned().unwrap_or_default()
    }

    fn paused(&self, tenant: &TenantId, skill: Option<&SkillName>) -> Option<Paused> {
        let paused = self.paused.read().unwrap_or_else(PoisonError::into_inner).clone()?;
        let hit = match &paused {
            Paused::Everything => true,
            Paused::Tenant(one) => one == tenant,
            Paused::Skill(owner, one) => owner == tenant && Some(one) == skill,
        };
        hit.then_some(paused)
    }
}

/// Values by tenant and name.
type Values = HashMap<(TenantId, String), Arc<[u8]>>;

/// Values of secrets.
#[derive(Default)]
pub struct TestSecrets(RwLock<Values>);

impl TestSecrets {
    /// Sets one.
    pub fn set(&self, tenant: &TenantId, name: &str, value: &str) {
        let mut values = self.0.write().unwrap_or_else(PoisonError::into_inner);
        values.insert((tenant.clone(), name.to_owned()), value.as_bytes().into());
    }

    fn find(&self, tenant: &TenantId, name: &SecretName) -> Option<Arc<[u8]>> {
        let values = self.0.read().unwrap_or_else(PoisonError::into_inner);
        values.get(&(tenant.clone(), name.to_string())).cloned()
    }
}

#[async_trait]
impl Secrets for TestSecrets {
    async fn value(&self, tenant: &TenantId, name: &SecretName) -> Result<Option<SecretValue>, Refusal> {
        Ok(self.find(tenant, name).map(Secret::new))
    }

    async fn exists(&self, tenant: &TenantId, name: &SecretName) -> Result<bool, Refusal> {
        Ok(self.find(tenant, name).is_some())
    }

    async fn hmac_sha256(
        &self,
        tenant: &TenantId,
        name: &SecretName,
        message: Bytes,
    ) -> Result<Option<[u8; 32]>, Refusal> {
        let Some(key) = self.find(tenant, name) else { return Ok(None) };
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(Refusal::internal)?;
        mac.update(&message);
        Ok(Some(mac.finalize().into_bytes().into()))
    }
}
