//! A skill that serves: what is installed, which powers it needs, and what it uses at this moment.
//!
//! Invariant: the counters belong to the tenant and the name; they go on counting when a component is replaced.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::Arc;

use openclaw_domain::{
    Capability, Denial, Digest, Grant, GrantShape, Installed, Powers, Refusal, Timestamp, tenant_option,
};

use crate::linker;
use crate::meter::Meter;

/// An installed skill, ready to be called.
#[derive(Debug)]
pub(crate) struct Serving {
    installed: Installed,
    /// Capabilities its imports belong to.
    pub(crate) needs: BTreeSet<Capability>,
    /// The component it took over from without widening: a grant for that one is being written anew for this one.
    heir_of: Option<Digest>,
    pub(crate) tenant_meter: Arc<Meter>,
    pub(crate) skill_meter: Arc<Meter>,
}

impl Deref for Serving {
    type Target = Installed;

    fn deref(&self) -> &Installed {
        &self.installed
    }
}

impl Serving {
    pub(crate) fn new(installed: Installed, tenant_meter: Arc<Meter>, skill_meter: Arc<Meter>) -> Self {
        let needs = linker::needs(installed.world, &installed.imports);
        Self { installed, needs, heir_of: None, tenant_meter, skill_meter }
    }

    /// The same, also holding the grant of the component it replaces.
    pub(crate) fn inheriting(self, from: Digest) -> Self {
        Self { heir_of: Some(from), ..self }
    }

    /// The same component with other particulars.
    pub(crate) fn with(&self, installed: Installed) -> Self {
        let (tenant_meter, skill_meter) = (Arc::clone(&self.tenant_meter), Arc::clone(&self.skill_meter));
        Self { installed, needs: self.needs.clone(), heir_of: self.heir_of, tenant_meter, skill_meter }
    }

    pub(crate) const fn installed(&self) -> &Installed {
        &self.installed
    }

    pub(crate) fn count_egress(&self, bytes: u64) {
        self.tenant_meter.add_egress(bytes);
        self.skill_meter.add_egress(bytes);
    }

    /// Why a grant does not hold for this skill now; `None` if it does.
    pub(crate) fn why_not(&self, grant: &Grant, now: Timestamp) -> Option<String> {
        if grant.component != self.digest && self.heir_of != Some(grant.component) {
            return Some(format!("the grant is for another component: {}", grant.component));
        }
        if grant.component == self.digest && grant.imports != self.imports {
            return Some("the grant is for another set of imports".to_owned());
        }
        let end = grant.expires.filter(|end| *end <= now)?;
        Some(format!("the grant expired at {end}"))
    }

    /// The capabilities a call under these powers is linked with: those of which something is granted, and those its
    /// author asked for, so that what is missing of them is denied with the command that gives it. Nothing at all if none
    /// of what it imports is granted.
    pub(crate) fn shape(&self, powers: &Powers) -> GrantShape {
        if !self.needs.iter().any(|needed| powers.has(*needed)) {
            return GrantShape::default();
        }
        let is_asked = |needed: Capability| self.requests.iter().any(|request| request.capability == needed);
        GrantShape(self.needs.iter().copied().filter(|needed| powers.has(*needed) || is_asked(*needed)).collect())
    }

    /// How a call is refused that no grant covers. The command it names gives what the author asks for, or what an
    /// operator gave these very bytes until it expired: never what was given to others of this name.
    pub(crate) fn ungranted(&self, grant: Option<&Grant>, reason: Option<String>) -> Denial {
        let mut missing = Powers::default();
        for request in &self.requests {
            missing.extend(request.wants.clone());
        }
        if missing.is_empty()
            && let Some(grant) = grant.filter(|grant| grant.component == self.digest)
        {
            missing.extend(grant.powers.clone());
        }
        let open: Vec<String> = self
            .requests
            .iter()
            .filter(|request| self.needs.contains(&request.capability) && !missing.has(request.capability))
            .map(|request| format!("`{}`", request.capability))
            .collect();
        let reason = match open.is_empty() {
            true => reason,
            false => {
                let reason = reason.unwrap_or_else(|| "no grant allows it".to_owned());
                let how = match missing.is_empty() {
                    true => {
                        let of = tenant_option(&self.tenant);
                        format!("`openclaw skills grant {}{of} --learn -` finds it out", self.name)
                    }
                    false => "the first use of it is denied with its command".to_owned(),
                };
                let open = open.join(", ");
                Some(format!(
                    "{reason}; its author asks for {open} without saying of what, so that is still open: {how}"
                ))
            }
        };
        Denial {
            capability: self.needs.first().copied().unwrap_or(Capability::Http),
            wanted: Denial::of_imports(&self.needs),
            missing,
            reason,
        }
    }

    /// A denial as a refusal of a call.
    pub(crate) fn denied(&self, denial: Denial) -> Refusal {
        Refusal::CapabilityDenied { tenant: self.tenant.clone(), skill: self.name.clone(), denial: Box::new(denial) }
    }
}
