//! Secrets: kept, listed, forgotten. Their values go in and never come out.
//!
//! Invariant: no answer holds a value, and no audit entry does.

use openclaw_domain::{Secret, SecretName, TenantId};
use openclaw_storage::SecretError;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::run::{Ops, value};
use crate::config::SecretSource;
use crate::exit::{Failed, chain};

/// A secret, without its value.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SecretView {
    /// Whose.
    pub(crate) tenant: String,
    /// What it is called.
    pub(crate) name: String,
    /// Where its value is: `store`, `env NAME`, `file /path`.
    pub(crate) source: String,
    /// Whether it has a value now.
    pub(crate) has_value: bool,
    /// Skills whose grants name it.
    pub(crate) used_by: Vec<String>,
}

impl Ops {
    /// Keeps a value.
    pub(super) async fn set_secret(&self, tenant: &TenantId, name: &SecretName, text: String) -> Result<Value, Failed> {
        self.known(tenant).await?;
        if let Some(source) = self.configured_source(tenant, name) {
            return Err(Failed::refused(format!("`{name}` is read from {}", shown(&source)))
                .hint("remove it from `secrets` in the configuration, or change the value there"));
        }
        let is_new = self.storage.list_secrets(tenant).await?.iter().all(|kept| kept.name != *name);
        let sealed = self.storage.seal_secret(tenant, name, Secret::new(text.into_bytes().into())).await;
        sealed.map_err(|error| match error {
            SecretError::Length { .. } => Failed::refused(error.to_string()).hint("give the value on standard input"),
            other => Failed::because(chain(&other)),
        })?;
        self.audit(tenant, "secret.set", name.as_str(), &json!({"new": is_new})).await?;
        Ok(json!({"name": name.as_str(), "tenant": tenant.as_str(), "new": is_new}))
    }

    /// Names, where the values are, and whether there is one.
    pub(super) async fn list_secrets(&self, tenant: Option<&TenantId>) -> Result<Value, Failed> {
        let mut found = Vec::new();
        let config = self.config_in_force();
        for (owner, own) in config.of_tenants.iter().filter(|(owner, _)| tenant.is_none_or(|one| one == *owner)) {
            for (name, source) in &own.secrets {
                found.push((owner.clone(), name.clone(), shown(source)));
            }
        }
        for owner in self.every_tenant(&config).await?.into_iter().filter(|owner| tenant.is_none_or(|one| one == owner))
        {
            for kept in self.storage.list_secrets(&owner).await? {
                if !found.iter().any(|(other, known, _)| *other == owner && *known == kept.name) {
                    found.push((owner.clone(), kept.name, "store".to_owned()));
                }
            }
        }
        found.sort();
        let grants = self.grants.all();
        let mut views = Vec::new();
        for (owner, name, source) in found {
            let users = grants
                .iter()
                .filter(|grant| grant.tenant == owner && grant.powers.secrets.iter().any(|secret| secret.name == name));
            views.push(SecretView {
                // A file that cannot be read is no value; why is told where it is used.
                has_value: matches!(self.secrets.read(&owner, &name).await, Ok(Some(_))),
                used_by: users.map(|grant| grant.skill.to_string()).collect(),
                tenant: owner.to_string(),
                name: name.to_string(),
                source,
            });
        }
        value(&views)
    }

    /// Forgets a value.
    pub(super) async fn remove_secret(&self, tenant: &TenantId, name: &SecretName) -> Result<Value, Failed> {
        if !self.storage.remove_secret(tenant, name).await? {
            let failed = Failed::refused(format!("tenant `{tenant}` keeps no secret `{name}`"));
            return Err(match self.configured_source(tenant, name) {
                Some(source) => failed.hint(format!(
                    "its value is read from {}: remove it from `secrets` in the configuration",
                    shown(&source)
                )),
                None => failed.hint("`openclaw secrets list` names them"),
            });
        }
        self.audit(tenant, "secret.remove", name.as_str(), &json!({})).await?;
        Ok(json!({"removed": name.as_str(), "tenant": tenant.as_str()}))
    }

    fn configured_source(&self, tenant: &TenantId, name: &SecretName) -> Option<SecretSource> {
        self.config_in_force().of_tenants.get(tenant)?.secrets.get(name).cloned()
    }
}

fn shown(source: &SecretSource) -> String {
    match source {
        SecretSource::Env(name) => format!("env {name}"),
        SecretSource::File(path) => format!("file {}", path.display()),
    }
}
