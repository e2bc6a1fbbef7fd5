//! What stands before a call: the pause, the limits, the grant.
//!
//! Invariant: a call is counted before anything is done for it, and registered before its grant is read; without a valid
//! grant for what it imports, nothing of it runs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use openclaw_domain::ports::KvQuota;
use openclaw_domain::{
    CallLimits, Capability, Denial, Grant, GrantLimits, GrantShape, Powers, ProgressSink, Refusal, SkillName, TenantId,
    TenantLimits, TenantUse, TraceId,
};

use super::Registry;
use crate::in_flight::Registered;
use crate::meter::Counted;
use crate::reach::{Learning, Reach, ReachParts};
use crate::serving::Serving;

/// A call that may go on to its guest. What it holds is given back when it is dropped.
pub(super) struct Begun {
    pub(super) limits: CallLimits,
    /// Calls the tenant may have at one time.
    pub(super) places: usize,
    pub(super) shape: GrantShape,
    /// For calls under a grant: their place in the list of those that can be stopped.
    pub(super) registered: Option<Registered>,
    grant: Option<Arc<Grant>>,
    narrowed: TenantLimits,
    _tenant: Option<Counted>,
    _skill: Option<Counted>,
}

impl Registry {
    /// Refuses while an operator has paused the skill, its tenant or everything.
    pub(super) fn check_pause(&self, tenant: &TenantId, skill: &SkillName) -> Result<(), Refusal> {
        match self.ports.policy.paused(tenant, Some(skill)) {
            None => Ok(()),
            Some(what) => Err(Refusal::Paused { what }),
        }
    }

    /// Everything that is decided before a component is loaded for a call.
    pub(super) fn begin(
        &self,
        serving: &Arc<Serving>,
        trace: TraceId,
        learning: Option<&Learning>,
    ) -> Result<Begun, Refusal> {
        self.check_pause(&serving.tenant, &serving.name)?;
        let limits = self.ports.policy.limits(&serving.tenant);
        let now = self.clock.now();
        let limited = |what: &'static str| {
            move |retry_after: Duration| Refusal::RateLimited { what: what.to_owned(), retry_after }
        };
        serving.tenant_meter.begin(now, limits.calls_per_minute).map_err(limited("calls a minute of this tenant"))?;
        let tenant = serving.tenant_meter.enter(u32::MAX);
        if serving.needs.is_empty() {
            return Ok(Begun {
                limits: limits.call,
                places: limits.concurrent_calls as usize,
                shape: GrantShape::default(),
                registered: None,
                grant: None,
                narrowed: limits,
                _tenant: tenant,
                _skill: None,
            });
        }
        let registered = self.in_flight.register(&serving.tenant, &serving.name);
        // It may have been removed or switched off since it was found; whoever did so stopped what was registered then.
        if !self.find(&serving.tenant, &serving.name).is_some_and(|now| now.enabled) {
            return Err(Refusal::SkillNotFound(serving.name.to_string()));
        }
        let known = self.ports.grants.grant(&serving.tenant, &serving.name);
        let reason = known.as_ref().and_then(|grant| serving.why_not(grant, now));
        let grant = known.clone().filter(|_| reason.is_none());
        let shape = match learning {
            Some(_) => GrantShape(serving.needs.clone()),
            None => grant.as_ref().map(|grant| serving.shape(&grant.powers)).unwrap_or_default(),
        };
        if shape.0.is_empty() {
            let denial = serving.ungranted(known.as_deref(), reason);
            self.ports.alerts.denied(&serving.tenant, &serving.name, trace, &denial);
            return Err(serving.denied(denial));
        }
        let own = grant.as_ref().map(|grant| grant.limits).unwrap_or_default();
        let narrowed = narrow(limits, own);
        if own.calls_per_minute.is_some() {
            let begun = serving.skill_meter.begin(now, narrowed.calls_per_minute);
            begun.map_err(limited("calls a minute of this skill"))?;
        }
        let Some(skill) = serving.skill_meter.enter(own.concurrent_calls.unwrap_or(u32::MAX)) else {
            return Err(Refusal::Busy(format!(
                "{} calls of `{}` run already",
                own.concurrent_calls.unwrap_or(u32::MAX),
                serving.name
            )));
        };
        Ok(Begun {
            limits: narrowed.call,
            places: limits.concurrent_calls as usize,
            shape,
            registered: Some(registered),
            grant,
            narrowed,
            _tenant: tenant,
            _skill: Some(skill),
        })
    }

    /// What a call that has begun may reach.
    pub(super) fn reach(
        &self,
        begun: &Begun,
        serving: &Arc<Serving>,
        trace: TraceId,
        deadline: Instant,
        progress: ProgressSink,
        learning: Option<Arc<Learning>>,
    ) -> Arc<Reach> {
        Arc::new(Reach::new(ReachParts {
            ports: Arc::clone(&self.ports),
            serving: Arc::clone(serving),
            trace,
            grant: begun.grant.clone(),
            learning,
            deadline,
            egress_bytes: begun.narrowed.egress_bytes,
            kv_quota: KvQuota { bytes: begun.narrowed.kv_bytes, ..KvQuota::default() },
            progress,
        }))
    }

    /// Ends the calls that run under grants of a skill, or of all skills of a tenant, wherever they are; how many that
    /// were. Take the grant away first: a call that begins after this reads what is then granted.
    pub fn stop_calls(&self, tenant: &TenantId, skill: Option<&SkillName>, reason: &str) -> usize {
        self.in_flight.stop(tenant, skill, reason)
    }

    /// How much of its limits a tenant uses.
    ///
    /// # Errors
    /// If storage fails.
    pub async fn used(&self, tenant: &TenantId) -> Result<TenantUse, Refusal> {
        let snapshot = self.snapshot();
        let mut used = TenantUse::default();
        for skill in snapshot.get(tenant).into_iter().flat_map(|skills| skills.values()) {
            used.calls_now = skill.tenant_meter.calls_now();
            used.calls_last_minute = skill.tenant_meter.calls_last_minute(self.clock.now());
            used.egress_bytes = skill.tenant_meter.egress_bytes();
            if skill.needs.contains(&Capability::Kv) {
                let kept = self.ports.kv.used(tenant, &skill.name).await?;
                used.kv.bytes += kept.bytes;
                used.kv.keys += kept.keys;
            }
        }
        Ok(used)
    }
}

/// How a call is refused that was stopped.
pub(super) fn stopped(serving: &Serving, reason: String) -> Refusal {
    serving.denied(Denial {
        capability: serving.needs.first().copied().unwrap_or(Capability::Http),
        wanted: "to go on".to_owned(),
        missing: Powers::default(),
        reason: Some(reason),
    })
}

/// A tenant's limits, made narrower by a grant. A grant that says more than the tenant may says nothing.
fn narrow(limits: TenantLimits, own: GrantLimits) -> TenantLimits {
    TenantLimits {
        call: CallLimits {
            deadline: own.deadline.map_or(limits.call.deadline, |own| own.min(limits.call.deadline)),
            memory: own.memory.map_or(limits.call.memory, |own| own.min(limits.call.memory)),
            host_calls: own.host_calls.map_or(limits.call.host_calls, |own| own.min(limits.call.host_calls)),
            ..limits.call
        },
        egress_bytes: own.egress_bytes.map_or(limits.egress_bytes, |own| own.min(limits.egress_bytes)),
        kv_bytes: own.kv_bytes.map_or(limits.kv_bytes, |own| own.min(limits.kv_bytes)),
        calls_per_minute: own.calls_per_minute.map_or(limits.calls_per_minute, |own| own.min(limits.calls_per_minute)),
        concurrent_calls: own.concurrent_calls.map_or(limits.concurrent_calls, |own| own.min(limits.concurrent_calls)),
        event_bytes_per_minute: limits.event_bytes_per_minute,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_narrows_the_limits_of_its_tenant_and_never_widens_them() {
        let tenant = TenantLimits::default();
        let wide = GrantLimits {
            memory: Some(usize::MAX),
            deadline: Some(Duration::MAX),
            host_calls: Some(u64::MAX),
            egress_bytes: Some(u64::MAX),
            kv_bytes: Some(u64::MAX),
            calls_per_minute: Some(u32::MAX),
            concurrent_calls: Some(u32::MAX),
        };
        assert_eq!(narrow(tenant, wide), tenant);
        assert_eq!(narrow(tenant, GrantLimits::default()), tenant);
        let own = GrantLimits { memory: Some(1), egress_bytes: Some(2), ..GrantLimits::default() };
        let narrowed = narrow(tenant, own);
        assert_eq!((narrowed.call.memory, narrowed.egress_bytes, narrowed.kv_bytes), (1, 2, tenant.kv_bytes));
    }
}
