//! A component that replaces another: one that wants more waits, one that does not takes the grant over.
//!
//! Invariant: a grant never comes to hold for a component that imports or asks for more than the one it was given for,
//! unless an operator approved it.

use std::collections::BTreeSet;

use openclaw_domain::{Digest, Grant, HeldUpgrade, Installed, Refusal, SkillName, TenantId};

use super::Registry;
use crate::linker;

/// What `newer` wants more than `older`, as an upgrade that waits; `None` if it wants nothing more.
pub(super) fn widening(older: &Installed, newer: &Installed) -> Option<HeldUpgrade> {
    let interfaces = |skill: &Installed| -> BTreeSet<String> {
        let needed = skill.imports.iter().filter(|name| linker::capability(name).is_some());
        needed.map(|name| linker::interface(name).to_owned()).collect()
    };
    let known = interfaces(older);
    let new_imports: Vec<String> = newer
        .imports
        .iter()
        .filter(|name| linker::capability(name).is_some() && !known.contains(linker::interface(name)))
        .cloned()
        .collect();
    let mut new_requests = Vec::new();
    for request in &newer.requests {
        let before = older.requests.iter().find(|known| known.capability == request.capability);
        if before.is_none() && request.wants.is_empty() {
            new_requests.push(format!("{}: {}", request.capability, request.reason));
        }
        let mut wants = request.wants.clone();
        if let Some(before) = before {
            wants.remove(&before.wants);
        }
        new_requests.extend(wants.lines().into_iter().map(|(option, value)| format!("{option} {value}")));
    }
    let widens = !new_imports.is_empty() || !new_requests.is_empty();
    widens.then(|| HeldUpgrade { upgrade: newer.clone(), new_imports, new_requests })
}

impl Registry {
    /// Upgrades that wait for an operator, for all tenants.
    ///
    /// # Errors
    /// If storage fails.
    pub async fn held(&self) -> Result<Vec<HeldUpgrade>, Refusal> {
        self.packages.held().await
    }

    /// Lets an upgrade that waits take over, and binds the grant to it. What the grant allows stays what it was.
    ///
    /// # Errors
    /// If none waits under that name, or storage fails.
    pub async fn approve(&self, tenant: &TenantId, name: &SkillName) -> Result<Installed, Refusal> {
        let _alone = self.changing.lock().await;
        let held = self.packages.held().await?;
        let found = held.into_iter().find(|held| held.upgrade.tenant == *tenant && held.upgrade.name == *name);
        let Some(held) = found else {
            return Err(Refusal::invalid("name", format!("is `{name}`: no upgrade of that name waits for approval")));
        };
        let upgrade = Installed { installed_at: self.clock.now(), ..held.upgrade };
        self.packages.put(upgrade.clone()).await?;
        self.take_over(&upgrade).await?;
        self.packages.release(tenant, name).await?;
        Ok(upgrade)
    }

    /// Puts a skill into the list, with the grant of the one it replaces.
    pub(super) async fn take_over(&self, upgrade: &Installed) -> Result<(), Refusal> {
        let before = self.find(&upgrade.tenant, &upgrade.name);
        let from = before.as_ref().map(|before| before.digest).filter(|digest| *digest != upgrade.digest);
        self.serve(upgrade, from);
        if let Some(before) = before {
            if let Some(from) = from {
                self.bind_grant(upgrade, from).await?;
            }
            self.forget_if_unused(before.digest);
        }
        Ok(())
    }

    /// Writes the grant of a replaced component anew for the one that replaced it.
    async fn bind_grant(&self, upgrade: &Installed, from: Digest) -> Result<(), Refusal> {
        let grant = self.ports.grants.grant(&upgrade.tenant, &upgrade.name);
        let Some(grant) = grant.filter(|grant| grant.component == from) else { return Ok(()) };
        let bound = Grant { component: upgrade.digest, imports: upgrade.imports.clone(), ..Grant::clone(&grant) };
        self.ports.grants.put(bound).await
    }
}

#[cfg(test)]
mod tests {
    use openclaw_domain::{Capability, CapabilityRequest, Powers, Timestamp, World};

    use super::*;

    fn skill(imports: &[&str], wants: &[&str]) -> Installed {
        let wants = Powers { kv: wants.iter().map(|bucket| (*bucket).to_owned()).collect(), ..Powers::default() };
        Installed {
            tenant: TenantId::default(),
            name: "notes".parse().unwrap(),
            digest: Digest::from_bytes([0; 32]),
            version: String::new(),
            description: String::new(),
            world: World::Skill,
            imports: imports.iter().map(|name| (*name).to_owned()).collect(),
            requests: vec![CapabilityRequest { capability: Capability::Kv, reason: "to remember".into(), wants }],
            settings: "{}".into(),
            tools: Vec::new(),
            enabled: true,
            bundled: false,
            size: 0,
            installed_at: Timestamp::from_millis(0),
        }
    }

    const STORE: &str = "wasi:keyvalue/store@0.2.0-draft2";
    const HTTP: &str = "wasi:http/outgoing-handler@0.2.12";

    #[test]
    fn more_interfaces_or_more_requests_widen_and_nothing_else_does() {
        let older = skill(&[STORE], &["notes"]);
        assert_eq!(widening(&older, &older), None);
        assert_eq!(widening(&older, &skill(&[], &[])), None);
        assert_eq!(
            widening(&older, &skill(&["wasi:keyvalue/store@0.2.0-draft", "wasi:io/poll@0.2.0"], &["notes"])),
            None
        );
        let held = widening(&older, &skill(&[STORE, HTTP], &["notes", "more"])).unwrap();
        assert_eq!(held.new_imports, [HTTP]);
        assert_eq!(held.new_requests, ["kv more"]);
    }
}
