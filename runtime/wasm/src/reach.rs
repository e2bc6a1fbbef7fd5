//! What one call may reach: its grant, its budgets, and what it was denied.
//!
//! Every host function of a capability asks [`Reach::require`] first. Nothing here, nor anywhere in this crate, ever
//! holds the value of a secret.
//! Invariant: what no valid grant allows is denied, recorded and told; an expired grant allows nothing from the moment
//! it expires, also in the middle of a call.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use openclaw_domain::ports::{Egress, Grants, Journal, Kv, KvQuota, Policy, Secrets};
use openclaw_domain::{
    Capability, Clock, Denial, EgressError, Grant, Powers, ProgressSink, Refusal, TraceId, grant_command,
};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;

use crate::alerts::{Alerts, shown};
use crate::host::events::Emitted;
use crate::registry::PrivateReach;
use crate::serving::Serving;

/// Denials of one call that are kept.
const MAX_DENIALS: usize = 16;
/// Requests one call has under way at one time: a quarter of the connections of its tenant.
const MAX_REQUESTS: usize = 16;
/// Powers one run can learn: a guest that wants more wants anything.
const MAX_LEARNED: usize = 256;

/// The ports behind the capabilities, one set for all calls.
pub(crate) struct Ports {
    pub(crate) egress: Arc<dyn Egress>,
    pub(crate) kv: Arc<dyn Kv>,
    pub(crate) secrets: Arc<dyn Secrets>,
    pub(crate) grants: Arc<dyn Grants>,
    pub(crate) policy: Arc<dyn Policy>,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) alerts: Alerts,
    /// Where I/O is done: guests that compute run on threads that have none.
    pub(crate) runtime: Handle,
}

/// A run that finds out which powers a call needs.
#[derive(Debug)]
pub(crate) struct Learning {
    /// Private addresses it may reach that no grant allows.
    pub(crate) private: PrivateReach,
    learned: Mutex<Powers>,
}

impl Learning {
    pub(crate) fn new(private: PrivateReach) -> Self {
        Self { private, learned: Mutex::default() }
    }

    fn learned(&self) -> MutexGuard<'_, Powers> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a power down; `false` if there is none, or no room.
    fn learn(&self, missing: &Powers) -> bool {
        let mut learned = self.learned();
        if missing.is_empty() || learned.len() >= MAX_LEARNED {
            return false;
        }
        learned.extend(missing.clone());
        true
    }

    /// What was missing so far.
    pub(crate) fn powers(&self) -> Powers {
        self.learned().clone()
    }
}

/// How a power was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// An operator granted it.
    Granted,
    /// Nobody did; this run is only to find out what is needed.
    Learned,
}

/// A power that was denied, in words for the guest. They name the missing grant and the command that gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Denied(pub(crate) String);

/// A place in the line of a call's requests.
pub(crate) type Place = Pin<Box<dyn Future<Output = Result<Underway, EgressError>> + Send>>;

/// One of the requests a call has under way; its place is given back when this is dropped.
pub(crate) struct Underway(Arc<Reach>);

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.requests.add_permits(1);
    }
}

/// What a [`Reach`] is made of.
pub(crate) struct ReachParts {
    pub(crate) ports: Arc<Ports>,
    pub(crate) serving: Arc<Serving>,
    pub(crate) trace: TraceId,
    /// The grant, if there is a valid one.
    pub(crate) grant: Option<Arc<Grant>>,
    pub(crate) learning: Option<Arc<Learning>>,
    pub(crate) deadline: Instant,
    pub(crate) egress_bytes: u64,
    pub(crate) kv_quota: KvQuota,
    pub(crate) progress: ProgressSink,
}

/// What one call may reach. It outlives the call's store as long as a request of it is on its way.
pub(crate) struct Reach {
    pub(crate) ports: Arc<Ports>,
    pub(crate) serving: Arc<Serving>,
    pub(crate) trace: TraceId,
    pub(crate) deadline: Instant,
    pub(crate) kv_quota: KvQuota,
    pub(crate) progress: ProgressSink,
    /// Reports of progress that were passed on.
    pub(crate) reports: AtomicU32,
    /// Events that were emitted.
    pub(crate) events: Emitted,
    grant: Option<Arc<Grant>>,
    learning: Option<Arc<Learning>>,
    egress_limit: u64,
    egress_used: AtomicU64,
    requests: Semaphore,
    denials: Mutex<Vec<Denial>>,
}

impl Reach {
    pub(crate) fn new(parts: ReachParts) -> Self {
        Self {
            ports: parts.ports,
            serving: parts.serving,
            trace: parts.trace,
            deadline: parts.deadline,
            kv_quota: parts.kv_quota,
            progress: parts.progress,
            reports: AtomicU32::new(0),
            events: Emitted::default(),
            grant: parts.grant,
            learning: parts.learning,
            egress_limit: parts.egress_bytes,
            egress_used: AtomicU64::new(0),
            requests: Semaphore::new(MAX_REQUESTS),
            denials: Mutex::default(),
        }
    }

    /// The grant as it holds now, or why it holds no more.
    fn grant(&self) -> Result<Option<&Arc<Grant>>, String> {
        match &self.grant {
            Some(grant) => match grant.expires.filter(|end| *end <= self.ports.clock.now()) {
                Some(end) => Err(format!("the grant expired at {end}")),
                None => Ok(Some(grant)),
            },
            None => Ok(None),
        }
    }

    /// What the operator granted, at this moment.
    pub(crate) fn granted(&self) -> Powers {
        self.grant().ok().flatten().map(|grant| grant.powers.clone()).unwrap_or_default()
    }

    /// The run's own purpose, if it is to find out what is needed.
    pub(crate) const fn learning(&self) -> Option<&Arc<Learning>> {
        self.learning.as_ref()
    }

    /// Whether this power may be used: `is_granted` looks for it in the grant, `wanted` says it in words and `missing`
    /// is the least that would allow it, empty if no grant could.
    pub(crate) fn require(
        &self,
        capability: Capability,
        is_granted: impl Fn(&Powers) -> bool,
        wanted: impl FnOnce() -> String,
        missing: impl FnOnce() -> Powers,
    ) -> Result<Allowed, Denied> {
        let reason = match self.grant() {
            Ok(Some(grant)) if is_granted(&grant.powers) => return Ok(Allowed::Granted),
            Ok(_) => None,
            Err(expired) => Some(expired),
        };
        let missing = missing();
        if let Some(learning) = &self.learning
            && learning.learn(&missing)
        {
            return Ok(Allowed::Learned);
        }
        Err(self.deny(Denial { capability, wanted: wanted(), missing, reason }))
    }

    /// Records a denial and tells of it; the words are for the guest.
    pub(crate) fn deny(&self, mut denial: Denial) -> Denied {
        let (tenant, skill) = (&self.serving.tenant, &self.serving.name);
        // A guest chose it, at any length; it is kept, told and shown.
        denial.wanted = shown(&denial.wanted);
        let known = self.denials().len();
        if let Some(learning) = &self.learning {
            learning.learn(&denial.missing);
        } else if known < MAX_DENIALS {
            // A guest that goes on trying has been told of often enough; alerts are everybody's.
            self.ports.alerts.denied(tenant, skill, self.trace, &denial);
        }
        let mut text = format!("denied: {denial}");
        if !denial.missing.is_empty() {
            text.push_str(&format!("; an operator allows it with `{}`", grant_command(tenant, skill, &denial.missing)));
        }
        let mut denials = self.denials();
        if denials.len() < MAX_DENIALS {
            denials.push(denial);
        }
        Denied(text)
    }

    /// Whether the grant expired since the call began; then that is recorded as a denial.
    pub(crate) fn has_expired(&self, capability: Capability) -> bool {
        let Err(expired) = self.grant() else { return false };
        let missing = self.grant.as_ref().map(|grant| grant.powers.clone()).unwrap_or_default();
        self.deny(Denial { capability, wanted: "to go on".to_owned(), missing, reason: Some(expired) });
        true
    }

    /// Records that a function was called whose whole interface is not granted. What the author asks for of it is what
    /// is missing.
    pub(crate) fn deny_import(&self, capability: Capability, function: &str) {
        let asked = self.serving.requests.iter().filter(|request| request.capability == capability);
        let mut missing = Powers::default();
        asked.for_each(|request| missing.extend(request.wants.clone()));
        self.deny(Denial {
            capability,
            wanted: function.to_owned(),
            missing,
            reason: Some(format!("nothing of `{capability}` is granted")),
        });
    }

    /// Whether this call's instance is linked with `wasi:http`.
    pub(crate) fn may_send(&self) -> bool {
        self.serving.needs.contains(&Capability::Http)
    }

    fn denials(&self) -> MutexGuard<'_, Vec<Denial>> {
        self.denials.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first power that was denied.
    pub(crate) fn first_denial(&self) -> Option<Denial> {
        self.denials().first().cloned()
    }

    /// Stands in line until the call has few enough requests under way for one more: the call waits, and not its tenant.
    /// The line has the order of these calls, however the tasks that send are scheduled: a guest that begins many and
    /// reads them in their order would wait for the first behind the last.
    ///
    /// Cancel safety: a place that was not yet had is not taken.
    pub(crate) fn line_up(self: &Arc<Self>) -> Place {
        let reach = Arc::clone(self);
        let mut place: Place = Box::pin(async move {
            reach.requests.acquire().await.map_err(|_| EgressError::Internal)?.forget();
            Ok(Underway(Arc::clone(&reach)))
        });
        match place.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(had) => Box::pin(ready(had)),
            Poll::Pending => place,
        }
    }

    /// Bytes this call may still send and receive.
    pub(crate) fn egress_left(&self) -> u64 {
        self.egress_limit.saturating_sub(self.egress_used.load(Ordering::Relaxed))
    }

    /// The bound of bytes sent and received, for refusals that name it.
    pub(crate) const fn egress_limit(&self) -> u64 {
        self.egress_limit
    }

    /// Counts bytes that were sent or received; `false` once they are more than the call may.
    pub(crate) fn spend_egress(&self, bytes: u64) -> bool {
        self.serving.count_egress(bytes);
        self.egress_used.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) <= self.egress_limit
    }

    /// Does work where I/O is done, within the call's deadline; it ends when the call does.
    pub(crate) async fn aside<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Refusal> {
        let work = AbortOnDropHandle::new(self.ports.runtime.spawn(work));
        work.await.map_err(Refusal::internal)
    }
}
