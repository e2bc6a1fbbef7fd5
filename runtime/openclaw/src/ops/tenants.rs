//! Tenants: added, listed, given another token, exported, erased; and pauses.
//!
//! Invariant: those of the configuration file and those an operator added are one list. What is erased is gone from
//! the list of skills, the grants, the stores and the tokens before the command answers.

use std::collections::BTreeSet;

use openclaw_domain::ports::{Guests, NamedToken, NewToken, Packages, Paused, TenantRecord, Tokens};
use openclaw_domain::{Role, SkillName, TenantId, Timestamp};
use serde_json::{Value, json};

use super::run::{Ops, value};
use super::view::{NewTokenView, TenantView};
use crate::bundled;
use crate::config::Config;
use crate::exit::Failed;

/// The name of the token a tenant is added with; those that replace it are `main-2`, `main-3` …
const MAIN_TOKEN: &str = "main";

impl Ops {
    /// Adds a tenant and makes its first token.
    pub(super) async fn add_tenant(&self, tenant: TenantId, role: &str) -> Result<Value, Failed> {
        let role = role_of(role)?;
        let known = self.tenants(&self.config_in_force()).await?;
        if known.contains(&tenant) {
            return Err(Failed::refused(format!("there is a tenant `{tenant}` already"))
                .hint(format!("`openclaw tenants rotate-token {tenant}` makes it a token")));
        }
        self.tenant_store.add(TenantRecord { name: tenant.clone(), created_at: self.clock.now() }).await?;
        self.audit(&tenant, "tenant.add", tenant.as_str(), &json!({"role": role.as_str()})).await?;
        self.make_main_token(tenant, role).await
    }

    /// Makes a tenant another token and revokes the one it had.
    pub(super) async fn rotate_token(&self, tenant: TenantId, role: Option<&str>) -> Result<Value, Failed> {
        self.known(&tenant).await?;
        let before = self.main_tokens(&tenant).await?;
        let role = match (role, before.iter().rfind(|token| token.revoked_at.is_none())) {
            (Some(role), _) => role_of(role)?,
            (None, Some(before)) => before.token.role,
            (None, None) => Role::Invoke,
        };
        let made = self.make_main_token(tenant.clone(), role).await?;
        for old in before.iter().filter(|token| token.revoked_at.is_none()) {
            self.storage.revoke(&tenant, &old.token.name, self.clock.now()).await?;
            self.audit(&tenant, "token.revoke", &old.token.name, &json!({"rotated": true})).await?;
        }
        self.tell_tokens_changed().await;
        Ok(made)
    }

    async fn make_main_token(&self, tenant: TenantId, role: Role) -> Result<Value, Failed> {
        let name = match self.main_tokens(&tenant).await?.len() {
            0 => MAIN_TOKEN.to_owned(),
            before => format!("{MAIN_TOKEN}-{}", before + 1),
        };
        let (token, hash) = Self::new_token()?;
        let new = NewToken {
            name: name.clone(),
            tenant: tenant.clone(),
            role,
            hash,
            created_at: self.clock.now(),
            expires_at: None,
        };
        self.storage.create(new).await?;
        self.audit(&tenant, "token.create", &name, &json!({"role": role.as_str(), "expires_at": null})).await?;
        if let Some(registry) = self.registry_if_open() {
            bundled::install(registry, &tenant).await;
        }
        self.tell_tokens_changed().await;
        value(&NewTokenView {
            name,
            tenant: tenant.to_string(),
            role: role.as_str().to_owned(),
            token,
            expires_at: None,
            auth_required: self.auth_required(),
        })
    }

    async fn main_tokens(&self, tenant: &TenantId) -> Result<Vec<NamedToken>, Failed> {
        let is_main = |name: &str| name == MAIN_TOKEN || name.starts_with(&format!("{MAIN_TOKEN}-"));
        let all = Tokens::list(&self.storage).await?;
        Ok(all.into_iter().filter(|named| named.token.tenant == *tenant && is_main(&named.token.name)).collect())
    }

    /// Every tenant there is, with where it comes from.
    pub(super) async fn list_tenants(&self) -> Result<Value, Failed> {
        let config = self.config_in_force();
        let added = self.tenant_store.list().await?;
        let (tokens, skills) = (Tokens::list(&self.storage).await?, Packages::list(&self.storage).await?);
        let paused = self.tenant_store.paused().await?;
        let now = self.clock.now();
        let mut views = Vec::new();
        for tenant in self.every_tenant(&config).await? {
            let is_live = |end: Option<Timestamp>| end.is_none_or(|end| end > now);
            views.push(TenantView {
                name: tenant.to_string(),
                configured: config.tenants.contains(&tenant),
                added_at: added.iter().find(|one| one.name == tenant).map(|one| one.created_at.to_string()),
                tokens: tokens
                    .iter()
                    .filter(|named| named.token.tenant == tenant)
                    .filter(|named| named.revoked_at.is_none() && is_live(named.token.expires_at))
                    .count(),
                skills: skills.iter().filter(|skill| skill.tenant == tenant && !skill.bundled).count(),
                grants: self.grants.all().iter().filter(|grant| grant.tenant == tenant).count(),
                paused: paused.contains(&Paused::Everything) || paused.contains(&Paused::Tenant(tenant.clone())),
            });
        }
        value(&views)
    }

    /// Everything kept of a tenant, lines of JSON. Secrets by name only.
    pub(super) async fn export_tenant(&self, tenant: &TenantId) -> Result<Value, Failed> {
        self.known(tenant).await?;
        self.storage.flush().await?;
        let lines = self.tenant_store.export(tenant).await?;
        self.audit(tenant, "tenant.export", tenant.as_str(), &json!({"lines": lines.len()})).await?;
        value(&lines)
    }

    /// Forgets a tenant: skills, grants, what they kept, secrets, tokens, events.
    pub(super) async fn erase_tenant(&self, tenant: &TenantId, force: bool) -> Result<Value, Failed> {
        self.known(tenant).await?;
        if *tenant == TenantId::default() && !force {
            return Err(Failed::refused("`default` is the tenant of this gateway itself")
                .hint("`--force` erases everything it keeps; the tenant stays, empty"));
        }
        let config = self.config_in_force();
        // Nothing may begin while its data goes: what runs is ended, what is new finds the tenant paused.
        let mut paused = self.tenant_store.paused().await?;
        paused.insert(Paused::Tenant(tenant.clone()));
        self.policy.set_paused(paused);
        let calls_ended = self.stop_calls(tenant, None, "the tenant was erased");
        for named in Tokens::list(&self.storage).await?.iter().filter(|named| named.token.tenant == *tenant) {
            self.storage.revoke(tenant, &named.token.name, self.clock.now()).await?;
        }
        self.tell_tokens_changed().await;
        let registry = self.registry().await?;
        let skills = registry.installed(tenant);
        let grants = self.grants.all().iter().filter(|grant| grant.tenant == *tenant).count();
        let secrets = self.storage.list_secrets(tenant).await?.len();
        self.storage.flush().await?;
        // Rows go by the one way that also overwrites them. Whatever deleted them before would leave them readable in
        // the file, and nothing to overwrite; so what runs guests is told afterwards.
        let mut rows = self.tenant_store.erase(tenant).await?;
        for skill in &skills {
            registry.remove(tenant, &skill.name).await?;
        }
        // Calls that were ended may have said so since.
        self.storage.flush().await?;
        rows += self.tenant_store.erase(tenant).await?;
        let components = skills.len();
        self.policy.set_paused(self.tenant_store.paused().await?);
        self.tell_tokens_changed().await;
        let detail = json!({
            "rows": rows, "grants": grants, "components": components, "secrets": secrets, "calls_ended": calls_ended,
        });
        // The audit entry outlives the data: it says that they are gone, and nothing of them.
        self.audit(&TenantId::default(), "tenant.erase", tenant.as_str(), &detail).await?;
        if config.tenants.contains(tenant) {
            bundled::install(registry, tenant).await;
        }
        Ok(json!({
            "erased": tenant.as_str(), "rows": rows, "grants": grants, "components": components, "secrets": secrets,
            "configured": config.tenants.contains(tenant),
        }))
    }

    /// Pauses or lets go on: everything, a tenant, or a skill.
    pub(super) async fn set_paused(
        &self,
        tenant: Option<TenantId>,
        skill: Option<SkillName>,
        is_paused: bool,
    ) -> Result<Value, Failed> {
        if let Some(tenant) = &tenant {
            self.known(tenant).await?;
        }
        let what = match (tenant, skill) {
            (None, None) => Paused::Everything,
            (Some(tenant), None) => Paused::Tenant(tenant),
            (tenant, Some(skill)) => Paused::Skill(tenant.unwrap_or_default(), skill),
        };
        if let (Paused::Skill(tenant, skill), true) = (&what, is_paused) {
            self.installed(tenant, skill).await?;
        }
        let _alone = self.changing.lock().await;
        let changed = self.tenant_store.set_paused(what.clone(), is_paused).await?;
        let paused = self.tenant_store.paused().await?;
        self.policy.set_paused(paused.clone());
        let (tenant, subject) = match &what {
            Paused::Everything => (TenantId::default(), "everything".to_owned()),
            Paused::Tenant(tenant) => (tenant.clone(), tenant.to_string()),
            Paused::Skill(tenant, skill) => (tenant.clone(), format!("{tenant}/{skill}")),
        };
        if changed {
            let action = if is_paused { "pause" } else { "resume" };
            self.audit(&tenant, action, &subject, &json!({})).await?;
        }
        if let (Some(running), false) = (self.running.get(), is_paused) {
            running.server.go_on();
        }
        Ok(json!({"what": subject, "changed": changed, "paused": paused_texts(&paused)}))
    }

    /// Refuses a tenant that nobody added.
    pub(super) async fn known(&self, tenant: &TenantId) -> Result<(), Failed> {
        match self.every_tenant(&self.config_in_force()).await?.contains(tenant) {
            true => Ok(()),
            false => Err(Failed::refused(format!("there is no tenant `{tenant}`"))
                .hint("`openclaw tenants list` names them, `openclaw tenants add` makes one")),
        }
    }

    /// Tenants of the configuration, added ones, then those that only have a token or a skill.
    pub(super) async fn every_tenant(&self, config: &Config) -> Result<Vec<TenantId>, Failed> {
        let mut tenants = self.tenants(config).await?;
        for skill in Packages::list(&self.storage).await? {
            if !tenants.contains(&skill.tenant) {
                tenants.push(skill.tenant);
            }
        }
        Ok(tenants)
    }
}

/// What is paused, as it is typed: `everything`, `acme`, `acme/notes`.
pub(super) fn paused_texts(paused: &BTreeSet<Paused>) -> Vec<String> {
    let text = |what: &Paused| match what {
        Paused::Everything => "everything".to_owned(),
        Paused::Tenant(tenant) => tenant.to_string(),
        Paused::Skill(tenant, skill) => format!("{tenant}/{skill}"),
    };
    paused.iter().map(text).collect()
}

/// The role with this name.
pub(super) fn role_of(role: &str) -> Result<Role, Failed> {
    Role::from_name(role)
        .ok_or_else(|| Failed::refused(format!("`{role}` is no role")).hint("use `read`, `invoke` or `operator`"))
}
