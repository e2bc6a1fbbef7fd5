//! How a running gateway is, and what each tenant uses of what it may use.
//!
//! Invariant: numbers are read where they are kept, at the moment of asking; asking changes nothing and holds nobody up.

use std::time::Duration;

use openclaw_domain::ports::{Packages, Paused, Policy};
use openclaw_domain::{HeldUpgrade, Installed, TenantId, TenantUse};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::run::{Ops, value};
use super::tenants::paused_texts;
use crate::exit::Failed;

/// A grant that ends within this time is shown.
const SOON: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How a running gateway is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StatusView {
    /// Always `true`: a gateway that does not run answers nothing.
    pub(crate) running: bool,
    /// Its version.
    pub(crate) version: String,
    /// Its process.
    pub(crate) pid: u32,
    /// Its home.
    pub(crate) home: String,
    /// Where it listens, as a WebSocket URL.
    pub(crate) url: String,
    /// Whether clients need a token.
    pub(crate) auth_required: bool,
    /// Seconds since it began to listen.
    pub(crate) uptime_seconds: u64,
    /// Tenants: those the configuration names, then those that only have a token or a skill.
    #[serde(default)]
    pub(crate) tenants: Vec<String>,
    /// Skills installed, over all tenants.
    pub(crate) skills: usize,
    /// Guests running now.
    pub(crate) instances_in_use: usize,
    /// Guests that may run at one time.
    pub(crate) instances: usize,
    /// Webhook endpoints served, over all tenants.
    pub(crate) webhook_endpoints: usize,
    /// What is paused: `everything`, `acme`, `acme/notes`.
    #[serde(default)]
    pub(crate) paused: Vec<String>,
    /// Files of grants that are not in force, each with the reason and what would put it right.
    #[serde(default)]
    pub(crate) grant_problems: Vec<String>,
    /// Each tenant's use against its limits.
    #[serde(default)]
    pub(crate) usage: Vec<TenantStatusView>,
}

/// What a tenant uses of what it may use.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TenantStatusView {
    /// Which.
    pub(crate) name: String,
    /// Calls running now.
    pub(crate) calls: u64,
    /// How many it may have at one time.
    pub(crate) calls_limit: u64,
    /// Calls begun within the last minute.
    pub(crate) calls_last_minute: u64,
    /// How many it may begin in one.
    pub(crate) calls_per_minute_limit: u64,
    /// Bytes its skills sent and received over HTTP since the gateway began.
    pub(crate) egress_bytes: u64,
    /// What one call may send and receive.
    pub(crate) egress_bytes_limit_per_call: u64,
    /// Bytes its skills keep.
    pub(crate) kv_bytes: u64,
    /// What one skill may keep.
    pub(crate) kv_bytes_limit_per_skill: u64,
    /// Whether all its skills are paused.
    pub(crate) paused: bool,
    /// Its skills that are paused.
    pub(crate) paused_skills: Vec<String>,
    /// Skills with an upgrade that waits.
    pub(crate) held: Vec<String>,
    /// Grants that have ended or will within seven days.
    pub(crate) expiring: Vec<ExpiringView>,
}

/// A grant near its end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ExpiringView {
    /// Which skill's.
    pub(crate) skill: String,
    /// When, RFC 3339.
    pub(crate) expires_at: String,
    /// Whether it has ended.
    pub(crate) expired: bool,
}

impl Ops {
    /// How the gateway is, and what each tenant uses.
    pub(super) async fn status(&self) -> Result<Value, Failed> {
        let running = self.gateway()?;
        let config = running.reloader.running();
        let registry = self.registry_if_open();
        let tenants = self.every_tenant(&config).await?;
        let installed = Packages::list(&self.storage).await?;
        let held = Packages::held(&self.storage).await?;
        let mut usage = Vec::with_capacity(tenants.len());
        for tenant in &tenants {
            usage.push(self.tenant_status(tenant, &installed, &held).await?);
        }
        let (instances_in_use, instances) = registry.map_or((0, 0), |registry| registry.places());
        value(&StatusView {
            running: true,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            home: self.storage.home().display().to_string(),
            url: running.url.clone(),
            auth_required: config.server.auth_required,
            uptime_seconds: running.since.elapsed().as_secs(),
            tenants: tenants.iter().map(ToString::to_string).collect(),
            skills: installed.len(),
            instances_in_use,
            instances,
            webhook_endpoints: config.server.ingress.len(),
            paused: paused_texts(&self.tenant_store.paused().await?),
            grant_problems: self.storage.grants().problems().iter().map(ToString::to_string).collect(),
            usage,
        })
    }

    async fn tenant_status(
        &self,
        tenant: &TenantId,
        installed: &[Installed],
        held: &[HeldUpgrade],
    ) -> Result<TenantStatusView, Failed> {
        let (now, limits) = (self.clock.now(), self.policy.limits(tenant));
        let skills: Vec<_> = installed.iter().filter(|skill| skill.tenant == *tenant).collect();
        let used = match self.registry_if_open() {
            Some(registry) => registry.used(tenant).await?,
            None => TenantUse::default(),
        };
        let expiring = self.grants.all();
        let expiring = expiring.iter().filter(|grant| grant.tenant == *tenant).filter_map(|grant| {
            let end = grant.expires.filter(|end| *end <= now.plus(SOON))?;
            Some(ExpiringView { skill: grant.skill.to_string(), expires_at: end.to_string(), expired: end <= now })
        });
        let is_paused =
            |skill: &&&Installed| matches!(self.policy.paused(tenant, Some(&skill.name)), Some(Paused::Skill(..)));
        Ok(TenantStatusView {
            name: tenant.to_string(),
            calls: used.calls_now.into(),
            calls_limit: limits.concurrent_calls.into(),
            calls_last_minute: used.calls_last_minute.into(),
            calls_per_minute_limit: limits.calls_per_minute.into(),
            egress_bytes: used.egress_bytes,
            egress_bytes_limit_per_call: limits.egress_bytes,
            kv_bytes: used.kv.bytes,
            kv_bytes_limit_per_skill: limits.kv_bytes,
            paused: self.policy.paused(tenant, None).is_some(),
            paused_skills: skills.iter().filter(is_paused).map(|skill| skill.name.to_string()).collect(),
            held: held
                .iter()
                .filter(|held| held.upgrade.tenant == *tenant)
                .map(|held| held.upgrade.name.to_string())
                .collect(),
            expiring: expiring.collect(),
        })
    }
}
