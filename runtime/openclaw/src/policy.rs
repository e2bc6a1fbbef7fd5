//! What the operator configured and paused, as the part that runs guests reads it on every call.
//!
//! Invariant: a reader sees one configuration and one set of pauses, whole; a reload or a pause counts from the next
//! call on and makes nobody wait.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use openclaw_domain::ports::{Paused, Policy};
use openclaw_domain::{SkillName, TenantId, TenantLimits};

use crate::config::Config;

/// The configuration in force and the pauses.
#[derive(Debug)]
pub(crate) struct OperatorPolicy {
    config: ArcSwap<Config>,
    paused: ArcSwap<BTreeSet<Paused>>,
}

impl OperatorPolicy {
    /// With what is configured and what was paused when the gateway began.
    pub(crate) fn new(config: Arc<Config>, paused: BTreeSet<Paused>) -> Self {
        Self { config: ArcSwap::new(config), paused: ArcSwap::from_pointee(paused) }
    }

    /// Puts another configuration in force.
    pub(crate) fn set_config(&self, config: Arc<Config>) {
        self.config.store(config);
    }

    /// Puts other pauses in force.
    pub(crate) fn set_paused(&self, paused: BTreeSet<Paused>) {
        self.paused.store(Arc::new(paused));
    }
}

impl Policy for OperatorPolicy {
    fn limits(&self, tenant: &TenantId) -> TenantLimits {
        let config = self.config.load();
        config.of_tenants.get(tenant).map_or(config.tenant_limits, |own| own.limits)
    }

    fn settings(&self, tenant: &TenantId, skill: &SkillName) -> BTreeMap<String, String> {
        let config = self.config.load();
        config.of_tenants.get(tenant).and_then(|own| own.settings.get(skill)).cloned().unwrap_or_default()
    }

    fn paused(&self, tenant: &TenantId, skill: Option<&SkillName>) -> Option<Paused> {
        let paused = self.paused.load();
        // This is asked before every call, and hardly ever is anything paused.
        if paused.is_empty() {
            return None;
        }
        [Paused::Everything, Paused::Tenant(tenant.clone())]
            .into_iter()
            .chain(skill.map(|skill| Paused::Skill(tenant.clone(), skill.clone())))
            .find(|what| paused.contains(what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, ListenOverrides, Source};

    fn policy(config: &str) -> OperatorPolicy {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("openclaw.json"), config).unwrap();
        let source =
            Source::find(Some(home.path().to_owned()), None, ListenOverrides::default(), Environment::default());
        OperatorPolicy::new(Arc::new(source.unwrap().load().unwrap()), BTreeSet::new())
    }

    #[test]
    fn a_tenant_has_its_own_bounds_over_those_of_all_over_the_defaults() {
        let policy = policy(
            r#"{ skills: { limits: { outputBytes: 1000 } }, limits: { deadlineMs: 2000, kvBytes: 10 },
                 tenants: { acme: { limits: { kvBytes: 20, callsPerMinute: 3 } } } }"#,
        );
        let (ours, acme, other) = (
            policy.limits(&TenantId::default()),
            policy.limits(&"acme".parse().unwrap()),
            policy.limits(&"other".parse().unwrap()),
        );
        assert_eq!(ours, other, "a tenant the file does not name has the bounds of all");
        assert_eq!((ours.call.deadline.as_millis(), ours.kv_bytes, ours.call.output_bytes), (2000, 10, 1000));
        assert_eq!((acme.call.deadline.as_millis(), acme.kv_bytes, acme.calls_per_minute), (2000, 20, 3));
        assert_eq!(acme.concurrent_calls, TenantLimits::default().concurrent_calls);
    }

    #[test]
    fn settings_belong_to_one_skill_of_one_tenant_and_are_texts() {
        let policy = policy(
            r#"{ skills: { entries: { notes: { settings: { url: "http://x", port: 8080, deep: { a: [1] } } } } },
                 tenants: { acme: { skills: { notes: { settings: { url: "http://y" } } } } } }"#,
        );
        let notes = "notes".parse().unwrap();
        let texts = |tenant: &str| policy.settings(&tenant.parse().unwrap(), &notes).into_iter().collect::<Vec<_>>();
        let pairs = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(texts("default"), pairs(&[("deep", r#"{"a":[1]}"#), ("port", "8080"), ("url", "http://x")]));
        assert_eq!(texts("acme"), pairs(&[("url", "http://y")]));
        assert_eq!(texts("other"), pairs(&[]));
    }

    #[test]
    fn the_widest_pause_is_named_and_a_reload_leaves_pauses_alone() {
        let policy = policy("{}");
        let (acme, notes): (TenantId, SkillName) = ("acme".parse().unwrap(), "notes".parse().unwrap());
        let skill = Paused::Skill(acme.clone(), notes.clone());
        policy.set_paused(BTreeSet::from([skill.clone()]));
        assert_eq!(policy.paused(&acme, Some(&notes)), Some(skill.clone()));
        assert_eq!(policy.paused(&acme, None), None);
        assert_eq!(policy.paused(&TenantId::default(), Some(&notes)), None);
        policy.set_paused(BTreeSet::from([skill, Paused::Tenant(acme.clone())]));
        assert_eq!(policy.paused(&acme, Some(&notes)), Some(Paused::Tenant(acme.clone())));
        policy.set_config(policy.config.load_full());
        policy.set_paused(BTreeSet::from([Paused::Everything, Paused::Tenant(acme)]));
        assert_eq!(policy.paused(&TenantId::default(), None), Some(Paused::Everything));
    }
}
