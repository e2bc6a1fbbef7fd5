//! A skill taken away, with what it was allowed.
//!
//! Invariant: the grant goes before the skill does, so nothing that is installed under the name later finds it; what the
//! skill kept goes only if that was said.

use openclaw_domain::ports::{Guests, KvUse};
use openclaw_domain::{Refusal, SkillName, TenantId, tenant_option};
use serde_json::{Value, json};

use super::grant_lines::lines_of;
use super::grants::texts;
use super::run::Ops;
use crate::bundled;
use crate::exit::Failed;

impl Ops {
    /// Removes a skill and its grant, and ends the calls that run on it. What it kept stays unless `forget_data`; that
    /// also works for a skill that was removed before.
    pub(super) async fn remove(&self, tenant: &TenantId, name: &SkillName, forget_data: bool) -> Result<Value, Failed> {
        let _alone = self.changing.lock().await;
        let registry = self.registry().await?;
        let installed = registry.installed(tenant).into_iter().find(|skill| skill.name == *name);
        let of = tenant_option(tenant);
        if installed.as_ref().is_some_and(|skill| skill.bundled) {
            return Err(Failed::refused(format!("`{name}` came with the gateway and would come back"))
                .hint(format!("run `openclaw skills disable {name}{of}`")));
        }
        let kept = self.kv.used(tenant, name).await?;
        if installed.is_none() && !(forget_data && kept.keys > 0) {
            return Err(Refusal::SkillNotFound(name.to_string()).into());
        }
        let grant = self.grants.grant(tenant, name).map_or_else(Vec::new, |grant| texts(&lines_of(&grant)));
        // Whatever lies in its place goes, also a file that is not in force: it would wait for the next of this name.
        let was_granted = installed.is_some() && self.grants.remove(tenant, name).await?;
        // Before the registry ends them itself, so that they are counted; a call that begins meanwhile finds no grant.
        let calls_ended = self.stop_calls(tenant, Some(name), "the skill was removed");
        if installed.is_some() {
            registry.remove(tenant, name).await?;
        }
        if was_granted {
            let detail = json!({"lines": grant, "calls_ended": calls_ended, "because": "skill.remove"});
            self.audit(tenant, "grant.revoke", name.as_str(), &detail).await?;
        }
        if forget_data {
            self.kv.erase(tenant, name).await?;
        }
        let forgotten = if forget_data { kept } else { KvUse::default() };
        let kept = if forget_data { KvUse::default() } else { kept };
        let of_use = |of: KvUse| json!({"bytes": of.bytes, "keys": of.keys});
        let (kept, forgotten) = (of_use(kept), of_use(forgotten));
        let detail = json!({"kept": kept, "forgotten": forgotten});
        self.audit(tenant, "skill.remove", name.as_str(), &detail).await?;
        // An operator's own skill may have stood where a bundled one belongs.
        bundled::install(registry, tenant).await;
        Ok(json!({
            "removed": name.as_str(), "tenant": tenant.as_str(), "grant": grant, "calls_ended": calls_ended,
            "kept": kept, "forgotten": forgotten,
        }))
    }
}
