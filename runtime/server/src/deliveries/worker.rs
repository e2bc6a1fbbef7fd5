//! The worker: takes what is due, endpoint by endpoint, makes attempts side by side, and learns from how they end.
//!
//! Invariants: every delivery that was taken is settled, or its lease ends and it is taken again; endpoints take turns,
//! each within its own bounds; whatever is decided about an endpoint's health is kept before the next turn.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use openclaw_domain::{
    DeliveryState, EndpointKey, EventKind, Lease, NewEvent, Refusal, Settlement, Severity, Timestamp, TraceId,
};
use serde_json::json;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use super::attempt::Sender;
use super::failing::{Change, FAILED_FOR, Failing};
use super::lane::{Lane, Turn};
use super::message::{Made, make};
use super::route::{Entry, Table};
use super::verdict::{Signal, judge};
use super::{ALERT_DISABLED, Shared};

/// What a lease lasts beyond the attempt's own timeout: for the transform, and the writes before and after.
const LEASE_MARGIN: Duration = Duration::from_secs(60);
/// Deliveries taken of one endpoint at one time: bounds the bodies in memory.
const BATCH: usize = 64;
/// How long a delivery waits that the gateway itself had no room for.
const NO_ROOM: Duration = Duration::from_secs(5);
/// How long the worker waits when storage fails.
const STORAGE_REST: Duration = Duration::from_secs(1);
/// How often waiting deliveries are counted and old ones forgotten.
const HOUSEKEEPING: Duration = Duration::from_secs(15);
/// How long settled deliveries are kept.
const KEPT_FOR: Duration = Duration::from_secs(30 * 24 * 3600);
/// Old deliveries forgotten at one time: one write must not hold up those who wait for the disk.
const FORGET_AT_ONCE: usize = 500;
/// How long attempts under way may go on once the gateway stops.
const DRAIN: Duration = Duration::from_secs(5);

/// The worker's own state.
pub(super) struct Worker {
    shared: Arc<Shared>,
    table: Arc<Table>,
    /// Whose turn is first, moved on each time so that none always is.
    first: usize,
    tasks: JoinSet<Finished>,
    keys: HashMap<Id, EndpointKey>,
    housekeeping_at: Timestamp,
}

/// A lease that was worked on.
struct Finished {
    key: EndpointKey,
    signal: Signal,
    /// When to look at the endpoint next because of it.
    look_at: Option<Timestamp>,
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let table = Arc::new(Table::default());
        let housekeeping_at = Timestamp::from_millis(0);
        Self { shared, table, first: 0, tasks: JoinSet::new(), keys: HashMap::new(), housekeeping_at }
    }

    /// Works until the stop; attempts under way then have a few seconds, and are made again after the next start if
    /// those are not enough.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let next = self.dispatch().await;
            self.keep_house().await;
            let now = self.shared.clock.now();
            let rest = next.map_or(HOUSEKEEPING, |at| at.since(now)).min(HOUSEKEEPING);
            tokio::select! {
                Some(ended) = self.tasks.join_next_with_id(), if !self.tasks.is_empty() => {
                    self.finish(ended).await;
                    // Those that ended at the same time share the next look.
                    while let Some(ended) = self.tasks.try_join_next_with_id() {
                        self.finish(ended).await;
                    }
                }
                () = self.shared.route.wake.notified() => {}
                () = tokio::time::sleep(rest) => {}
                () = stop.cancelled() => {}
            }
        }
        let drained = tokio::time::timeout(DRAIN, async {
            while let Some(ended) = self.tasks.join_next_with_id().await {
                self.finish(ended).await;
            }
        });
        if drained.await.is_err() {
            tracing::warn!("deliveries under way are cut and made again after the next start");
        }
        self.tasks.shutdown().await;
    }

    /// Does everything that can be done at this moment of the clock.
    #[cfg(test)]
    pub(super) async fn turn(&mut self) {
        loop {
            self.dispatch().await;
            match self.tasks.join_next_with_id().await {
                Some(ended) => self.finish(ended).await,
                None => return,
            }
        }
    }

    /// Takes what may be taken, each endpoint in its turn; says when to come again.
    async fn dispatch(&mut self) -> Option<Timestamp> {
        self.follow_table();
        let mut next: Option<Timestamp> = None;
        let count = self.table.endpoints.len();
        self.first = (self.first + 1) % count.max(1);
        for index in 0..count {
            let entry = Arc::clone(&self.table.endpoints[(self.first + index) % count]);
            let now = self.shared.clock.now();
            let turn = match self.is_held(&entry.settings.key) {
                true => Turn::Idle,
                false => self.lane(&entry.settings.key, |lane| lane.turn(now, self.tasks.len())).unwrap_or(Turn::Idle),
            };
            let at = match turn {
                Turn::Idle => continue,
                Turn::At(at) => Some(at),
                Turn::Probe => self.take(&entry, 1, turn, now).await,
                Turn::Take(limit) => self.take(&entry, limit.min(BATCH), turn, now).await,
            };
            next = at.map(|at| next.map_or(at, |next| next.min(at))).or(next);
        }
        next
    }

    /// Whether nothing may be sent there: it is disabled, or its tenant is paused. What ends a pause wakes nobody, so a
    /// delivery may wait until the next look, which housekeeping brings.
    fn is_held(&self, key: &EndpointKey) -> bool {
        self.shared.route.is_disabled(key) || self.shared.policy.paused(&key.tenant, None).is_some()
    }

    /// Takes deliveries of one endpoint and begins to work on them; says when there are more.
    async fn take(&mut self, entry: &Arc<Entry>, limit: usize, turn: Turn, now: Timestamp) -> Option<Timestamp> {
        let settings = &entry.settings;
        let until = now.plus(settings.timeout + LEASE_MARGIN);
        let outbox = &self.shared.outbox;
        let leased = match settings.ordered {
            Some(_) => outbox.lease_oldest(&settings.key, now, until).await,
            None => outbox.lease(&settings.key, limit, now, until).await,
        };
        let leased = match leased {
            Ok(leased) => leased,
            Err(error) => {
                tracing::error!(endpoint = %settings.key, %error, "the outbox cannot be read");
                let at = now.plus(STORAGE_REST);
                self.lane(&settings.key, |lane| lane.look_at(at));
                return Some(at);
            }
        };
        self.lane(&settings.key, |lane| lane.took(leased.leases.len(), turn, leased.next_at, now));
        for lease in leased.leases {
            let work = work(Arc::clone(&self.shared), Arc::clone(entry), lease);
            let handle = self.tasks.spawn(work);
            self.keys.insert(handle.id(), settings.key.clone());
        }
        // If more is due already, it is taken when one of these has ended; that wakes the worker by itself.
        leased.next_at.filter(|at| *at > now)
    }

    /// Lanes for the endpoints in force; those that were there before keep what they have learned.
    fn follow_table(&mut self) {
        let table = self.shared.route.table();
        if Arc::ptr_eq(&table, &self.table) {
            return;
        }
        let now = self.shared.clock.now();
        let mut lanes = self.shared.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut old = std::mem::take(&mut *lanes);
        for entry in &table.endpoints {
            let key = entry.settings.key.clone();
            let lane = match old.remove(&key) {
                Some(lane) => lane.with(Arc::clone(entry), now),
                None => {
                    let mut lane = Lane::new(Arc::clone(entry), now);
                    lane.failing = Failing::since(self.shared.failing_at_start(&key));
                    lane
                }
            };
            lanes.insert(key, lane);
        }
        drop(lanes);
        self.table = table;
    }

    fn lane<T>(&self, key: &EndpointKey, run: impl FnOnce(&mut Lane) -> T) -> Option<T> {
        self.shared.lanes.lock().unwrap_or_else(PoisonError::into_inner).get_mut(key).map(run)
    }

    async fn finish(&mut self, ended: Result<(Id, Finished), tokio::task::JoinError>) {
        let now = self.shared.clock.now();
        let finished = match ended {
            Ok((id, finished)) => {
                self.keys.remove(&id);
                finished
            }
            Err(error) => {
                let Some(key) = self.keys.remove(&error.id()) else { return };
                tracing::error!(endpoint = %key, %error, "an attempt broke off; it is made again when its lease ends");
                Finished { key, signal: Signal::Nothing, look_at: None }
            }
        };
        let Finished { key, signal, look_at } = finished;
        let change = self.lane(&key, |lane| {
            lane.under_way = lane.under_way.saturating_sub(1);
            lane.heard(signal, now);
            if let Some(at) = look_at {
                lane.look_at(at);
            }
            learned(lane, signal, now)
        });
        let kept = match change.flatten() {
            None => Ok(()),
            Some(Learned::Failing(since)) => self.shared.outbox.set_failing(&key, since).await,
            Some(Learned::Disabled(reason)) => self.disable(&key, &reason, now).await,
        };
        if let Err(error) = kept {
            tracing::error!(endpoint = %key, %error, "the endpoint's health is not kept");
        }
    }

    /// Owes an endpoint nothing any more, and tells those who watch: once, however many attempts under way say so, and
    /// not when an operator was first.
    async fn disable(&self, key: &EndpointKey, reason: &str, now: Timestamp) -> Result<(), Refusal> {
        let is_new = self.shared.route.set_disabled(key, true);
        let kept = self.shared.outbox.disable(key, now, reason).await;
        // What cannot be kept is told all the same: it is in force until this process ends.
        if is_new && *kept.as_ref().unwrap_or(&true) {
            self.alert_disabled(key, reason, now);
        }
        kept.map(drop)
    }

    fn alert_disabled(&self, key: &EndpointKey, reason: &str, now: Timestamp) {
        tracing::warn!(endpoint = %key, reason, "the endpoint is disabled");
        let data = json!({
            "type": ALERT_DISABLED,
            "severity": Severity::High.as_str(),
            "details": {
                "endpoint": key.name.as_str(),
                "reason": reason,
                "hint": format!("mend it, then run `openclaw webhooks enable {} --tenant {}`", key.name, key.tenant),
            },
        });
        self.shared.journal.record(NewEvent {
            tenant: key.tenant.clone(),
            kind: EventKind::SecurityAlert,
            data: data.to_string(),
            trace: TraceId::new(),
            at: now,
            session: None,
        });
    }

    /// Counts what waits and forgets what is old, every now and then.
    async fn keep_house(&mut self) {
        let now = self.shared.clock.now();
        if now < self.housekeeping_at || self.table.endpoints.is_empty() {
            return;
        }
        self.housekeeping_at = now.plus(HOUSEKEEPING);
        match self.shared.outbox.backlog().await {
            Ok(backlog) => {
                for entry in &self.table.endpoints {
                    let waiting = backlog.iter().find(|backlog| backlog.endpoint == entry.settings.key);
                    let (open, age) =
                        waiting.map_or((0, 0.0), |waiting| (waiting.open, now.since(waiting.oldest).as_secs_f64()));
                    #[expect(clippy::cast_precision_loss, reason = "a gauge; fewer wait than a double counts")]
                    entry.measures.open.set(open as f64);
                    entry.measures.oldest.set(age);
                }
            }
            Err(error) => tracing::warn!(%error, "waiting deliveries are not counted"),
        }
        let before = Timestamp::from_millis(now.as_millis().saturating_sub(millis(KEPT_FOR)));
        match self.shared.outbox.forget(before, FORGET_AT_ONCE).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "old deliveries are forgotten"),
            Err(error) => tracing::warn!(%error, "old deliveries are not forgotten"),
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// What one attempt changes of an endpoint's health. An attempt may have been under way when the endpoint was disabled,
/// so none of this enables it again.
enum Learned {
    /// It fails since then, or no longer.
    Failing(Option<Timestamp>),
    /// Nothing is to be sent there any more, for this reason.
    Disabled(String),
}

/// What is to be kept after an attempt, if anything changed.
fn learned(lane: &mut Lane, signal: Signal, now: Timestamp) -> Option<Learned> {
    match signal {
        Signal::Delivered => lane.failing.succeeded().then_some(Learned::Failing(None)),
        Signal::Nothing | Signal::Throttled(_) => None,
        Signal::Gone => Some(Learned::Disabled("it answered 410 (gone)".to_owned())),
        Signal::Refused | Signal::Failed => match lane.failing.failed(now) {
            Change::Nothing => None,
            Change::Begins => Some(Learned::Failing(Some(now))),
            Change::Enough => {
                let days = FAILED_FOR.as_secs() / 86_400;
                Some(Learned::Disabled(format!("every attempt has failed for {days} days")))
            }
        },
    }
}

/// Works on one lease: body, attempt, settlement.
///
/// Cancel safety: a lease that was dropped unsettled ends by itself, and the delivery is taken again.
async fn work(shared: Arc<Shared>, entry: Arc<Entry>, lease: Lease) -> Finished {
    let (settlement, signal) = decide(&shared, &entry, &lease).await;
    let key = entry.settings.key.clone();
    let Some(settlement) = settlement else {
        return Finished { key, signal, look_at: Some(lease.until) };
    };
    log(&entry, &lease, &settlement);
    let look_at = match &settlement {
        Settlement::Again { next_at, .. } => Some(*next_at),
        // Behind an ordered delivery the next one is free now.
        Settlement::Done { at, .. } => entry.settings.ordered.map(|_| *at),
    };
    entry.measures.settled(&settlement);
    match shared.outbox.settle(&lease, settlement).await {
        Ok(true) => {}
        Ok(false) => tracing::warn!(delivery = %lease.id, "the lease had ended; another attempt may follow"),
        Err(error) => {
            tracing::error!(delivery = %lease.id, %error, "the attempt is not kept; it is made again when its lease ends");
            return Finished { key, signal, look_at: Some(lease.until) };
        }
    }
    Finished { key, signal, look_at }
}

/// Decides the body if nobody has, and makes one attempt. No settlement: the lease is not ours any more.
async fn decide(shared: &Shared, entry: &Entry, lease: &Lease) -> (Option<Settlement>, Signal) {
    let endpoint = &entry.settings;
    let ended = |state, reason| {
        let at = shared.clock.now();
        (Some(Settlement::Done { state, at, reason: Some(reason), attempt: None }), Signal::Nothing)
    };
    let body = match &lease.body {
        Some(body) => body.clone(),
        None => match make(&*shared.guests, endpoint, &lease.event).await {
            Made::Body { body, missing } => {
                entry.measures.missing(missing);
                match shared.outbox.fix(lease, body.clone()).await {
                    Ok(true) => body,
                    Ok(false) => return (None, Signal::Nothing),
                    Err(error) => {
                        tracing::error!(delivery = %lease.id, %error, "the body is not kept, so it is not sent");
                        return (None, Signal::Nothing);
                    }
                }
            }
            Made::Skip(reason) => return ended(DeliveryState::Skipped, reason),
            Made::Failed(reason) => return ended(DeliveryState::Refused, reason),
            Made::Later(reason) => {
                let next_at = shared.clock.now().plus(NO_ROOM);
                return (Some(Settlement::Again { next_at, attempt: None, reason }), Signal::Nothing);
            }
        },
    };
    let sender = Sender { egress: &*shared.egress, clock: &*shared.clock, user_agent: &shared.user_agent };
    let (ending, attempt) = sender.attempt(endpoint, lease.id, &lease.event, &body).await;
    let (settlement, signal) = judge(&ending, lease, endpoint, attempt, shared.clock.now());
    (Some(settlement), signal)
}

fn log(entry: &Entry, lease: &Lease, settlement: &Settlement) {
    let (endpoint, origin) = (&entry.settings.key, &entry.settings.origin);
    let (delivery, event, trace) = (lease.id, &lease.event.id, lease.event.fact.trace);
    let (state, attempt, reason) = match settlement {
        Settlement::Done { state, attempt, reason, .. } => (*state, attempt, reason.as_deref()),
        Settlement::Again { attempt, reason, .. } => (DeliveryState::Pending, attempt, Some(reason.as_str())),
    };
    let number = lease.attempts + u32::from(attempt.is_some());
    let status = attempt.as_ref().and_then(|attempt| attempt.status);
    let ms = attempt.as_ref().map_or(0, |attempt| attempt.duration.as_millis());
    let state = state.as_str();
    match reason {
        None => {
            tracing::info!(%endpoint, %origin, %delivery, event, %trace, attempt = number, status, ms, state, "delivery");
        }
        Some(reason) => tracing::warn!(
            %endpoint, %origin, %delivery, event, %trace, attempt = number, status, ms, state, reason, "delivery"
        ),
    }
}
