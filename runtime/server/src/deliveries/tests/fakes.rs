//! What stands at the ports in these tests: an outbox in memory, a way out that answers as it is told, and guests that
//! transform with a closure.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use openclaw_domain::ports::{AuditEntry, Egress, Guests, Journal, Leased, Outbox, Paused, Policy, Route, TraceEntry};
use openclaw_domain::{
    Backlog, BodyStream, DeliveryBody, DeliveryDetail, DeliveryId, DeliveryQuery, DeliveryRecord, DeliveryState,
    Digest, EgressCall, EgressError, EgressOutcome, EgressReply, EndpointHealth, EndpointKey, Event, Incoming,
    IngressCall, IngressReply, Installed, Lease, NewEvent, Outgoing, OutgoingBody, Refusal, Settlement, SkillName,
    TenantId, TenantLimits, Timestamp, ToolCall, ToolReply,
};
use tokio::sync::{Notify, Semaphore};

use crate::deliveries::DeliveryRoute;

/// A delivery as the fake keeps it.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) id: DeliveryId,
    pub(super) key: EndpointKey,
    pub(super) event: Event,
    pub(super) state: DeliveryState,
    pub(super) next_at: Timestamp,
    pub(super) attempts: u32,
    pub(super) first_attempt_at: Option<Timestamp>,
    pub(super) body: Option<DeliveryBody>,
    pub(super) reason: Option<String>,
    pub(super) excerpts: Vec<String>,
}

/// Keeps deliveries in memory, and brings them in as storage does: by asking the route.
#[derive(Default)]
pub(super) struct FakeOutbox {
    rows: Mutex<Vec<Row>>,
    health: Mutex<HashMap<EndpointKey, EndpointHealth>>,
    pub(super) recorded: Mutex<Vec<NewEvent>>,
}

impl FakeOutbox {
    /// Records an event, as the journal does.
    pub(super) fn happen(&self, route: &DeliveryRoute, fact: NewEvent) {
        let mut rows = self.rows.lock().unwrap();
        let event = Event { seq: rows.len() as i64 + 1, id: format!("evt_{:032x}", rows.len() + 1), fact };
        for name in route.owed_to(&event.fact) {
            rows.push(Row {
                id: DeliveryId::new(),
                key: EndpointKey { tenant: event.fact.tenant.clone(), name },
                state: DeliveryState::Pending,
                next_at: event.fact.at,
                event: event.clone(),
                attempts: 0,
                first_attempt_at: None,
                body: None,
                reason: None,
                excerpts: Vec::new(),
            });
        }
        drop(rows);
        route.committed(&[event]);
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        self.rows.lock().unwrap().clone()
    }

    pub(super) fn states(&self) -> Vec<DeliveryState> {
        self.rows().iter().map(|row| row.state).collect()
    }

    pub(super) fn kept_health(&self, key: &EndpointKey) -> EndpointHealth {
        self.health.lock().unwrap().get(key).cloned().unwrap_or_default()
    }

    fn take(&self, key: &EndpointKey, chosen: &[DeliveryId], until: Timestamp) -> Leased {
        let mut rows = self.rows.lock().unwrap();
        let mut leases = Vec::new();
        for row in rows.iter_mut().filter(|row| chosen.contains(&row.id)) {
            (row.state, row.next_at) = (DeliveryState::Leased, until);
            leases.push(Lease {
                id: row.id,
                endpoint: row.key.clone(),
                event: row.event.clone(),
                attempts: row.attempts,
                first_attempt_at: row.first_attempt_at,
                body: row.body.clone(),
                until,
            });
        }
        let open = rows.iter().filter(|row| row.key == *key && !row.state.is_settled());
        Leased { leases, next_at: open.map(|row| row.next_at).min() }
    }

    fn held<T>(&self, lease: &Lease, run: impl FnOnce(&mut Row) -> T) -> Option<T> {
        let mut rows = self.rows.lock().unwrap();
        let is_held =
            |row: &&mut Row| row.id == lease.id && row.state == DeliveryState::Leased && row.next_at == lease.until;
        rows.iter_mut().find(is_held).map(run)
    }
}

#[async_trait]
impl Outbox for FakeOutbox {
    async fn lease(
        &self,
        key: &EndpointKey,
        limit: usize,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Leased, Refusal> {
        let mut due: Vec<_> = self.rows();
        due.retain(|row| row.key == *key && !row.state.is_settled() && row.next_at <= now);
        due.sort_by_key(|row| row.next_at);
        let chosen: Vec<_> = due.iter().take(limit).map(|row| row.id).collect();
        Ok(self.take(key, &chosen, until))
    }

    async fn lease_oldest(&self, key: &EndpointKey, now: Timestamp, until: Timestamp) -> Result<Leased, Refusal> {
        let head = self.rows().into_iter().find(|row| row.key == *key && !row.state.is_settled());
        Ok(match head {
            Some(head) if head.next_at <= now => self.take(key, &[head.id], until),
            Some(head) => Leased { leases: Vec::new(), next_at: Some(head.next_at) },
            None => Leased::default(),
        })
    }

    async fn fix(&self, lease: &Lease, body: DeliveryBody) -> Result<bool, Refusal> {
        Ok(self.held(lease, |row| row.body = Some(body)).is_some())
    }

    async fn settle(&self, lease: &Lease, settlement: Settlement) -> Result<bool, Refusal> {
        let settled = self.held(lease, |row| {
            let attempt = match settlement {
                Settlement::Done { state, at, reason, attempt } => {
                    (row.state, row.next_at, row.reason) = (state, at, reason);
                    attempt
                }
                Settlement::Again { next_at, attempt, reason } => {
                    (row.state, row.next_at, row.reason) = (DeliveryState::Pending, next_at, Some(reason));
                    attempt
                }
            };
            if let Some(attempt) = attempt {
                row.attempts += 1;
                row.first_attempt_at.get_or_insert(attempt.at);
                row.excerpts.push(attempt.excerpt);
            }
        });
        Ok(settled.is_some())
    }

    async fn end_leases(&self) -> Result<u64, Refusal> {
        let mut rows = self.rows.lock().unwrap();
        let mut ended = 0;
        for row in rows.iter_mut().filter(|row| row.state == DeliveryState::Leased) {
            (row.state, row.next_at) = (DeliveryState::Pending, row.event.fact.at);
            ended += 1;
        }
        Ok(ended)
    }

    async fn backlog(&self) -> Result<Vec<Backlog>, Refusal> {
        Ok(Vec::new())
    }

    async fn health(&self) -> Result<Vec<(EndpointKey, EndpointHealth)>, Refusal> {
        Ok(self.health.lock().unwrap().clone().into_iter().collect())
    }

    async fn set_health(&self, key: &EndpointKey, health: EndpointHealth) -> Result<(), Refusal> {
        self.health.lock().unwrap().insert(key.clone(), health);
        Ok(())
    }

    async fn set_failing(&self, key: &EndpointKey, since: Option<Timestamp>) -> Result<(), Refusal> {
        self.health.lock().unwrap().entry(key.clone()).or_default().failing_since = since;
        Ok(())
    }

    async fn disable(&self, key: &EndpointKey, at: Timestamp, reason: &str) -> Result<bool, Refusal> {
        let mut health = self.health.lock().unwrap();
        let kept = &mut health.entry(key.clone()).or_default().disabled;
        let is_new = kept.is_none();
        kept.get_or_insert_with(|| (at, reason.to_owned()));
        Ok(is_new)
    }

    async fn deliveries(&self, _: DeliveryQuery) -> Result<Vec<DeliveryRecord>, Refusal> {
        Ok(Vec::new())
    }

    async fn delivery(&self, _: DeliveryId) -> Result<Option<DeliveryDetail>, Refusal> {
        Ok(None)
    }

    async fn replay(&self, _: Vec<DeliveryId>, _: Timestamp) -> Result<u64, Refusal> {
        Ok(0)
    }

    async fn forget(&self, _: Timestamp, _: usize) -> Result<u64, Refusal> {
        Ok(0)
    }
}

#[async_trait]
impl Journal for FakeOutbox {
    fn record(&self, event: NewEvent) {
        self.recorded.lock().unwrap().push(event);
    }

    async fn events_since(&self, _: &TenantId, _: i64, _: usize) -> Result<Vec<Event>, Refusal> {
        Ok(Vec::new())
    }

    async fn last_seq(&self, _: &TenantId) -> Result<i64, Refusal> {
        Ok(0)
    }

    async fn audit(&self, _: AuditEntry) -> Result<(), Refusal> {
        Ok(())
    }

    async fn trace(&self, _: &TenantId, _: &str) -> Result<Vec<TraceEntry>, Refusal> {
        Ok(Vec::new())
    }
}

/// What one host answers.
#[derive(Clone)]
pub(super) enum Answer {
    Status(u16),
    RetryAfter(u16, &'static str),
    Body(u16, &'static str),
    Endless(u16),
    /// These, one for each request.
    InTurn(Arc<[u16]>),
    Fails(EgressError),
    /// Nothing, until the gate lets somebody through.
    Hangs,
}

/// A request that was sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) host: String,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) allow_private: bool,
}

/// Answers for each host as it was told.
pub(super) struct FakeEgress {
    answers: Mutex<HashMap<String, Answer>>,
    sent: Mutex<Vec<Sent>>,
    pub(super) heard: Notify,
    pub(super) gate: Semaphore,
    under_way: Mutex<HashMap<String, (usize, usize)>>,
}

impl Default for FakeEgress {
    fn default() -> Self {
        Self {
            answers: Mutex::default(),
            sent: Mutex::default(),
            heard: Notify::new(),
            gate: Semaphore::new(0),
            under_way: Mutex::default(),
        }
    }
}

impl FakeEgress {
    pub(super) fn answers(&self, host: &str, answer: Answer) {
        self.answers.lock().unwrap().insert(host.to_owned(), answer);
    }

    pub(super) fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }

    pub(super) fn sent_to(&self, host: &str) -> usize {
        self.sent().iter().filter(|sent| sent.host == host).count()
    }

    /// The most that were under way to a host at one time.
    pub(super) fn most(&self, host: &str) -> usize {
        self.under_way.lock().unwrap().get(host).map_or(0, |(_, most)| *most)
    }
}

fn stream(chunks: impl Iterator<Item = &'static str> + Send + 'static) -> BodyStream {
    Box::pin(futures_util::stream::iter(chunks.map(|chunk| Ok(Bytes::from_static(chunk.as_bytes())))))
}

#[async_trait]
impl Egress for FakeEgress {
    async fn send(&self, request: Outgoing) -> Result<Incoming, EgressError> {
        let host = request.origin.host.clone();
        let OutgoingBody::Full(body) = request.body else { panic!("a delivery has a whole body") };
        let number = self.sent_to(&host);
        self.sent.lock().unwrap().push(Sent {
            host: host.clone(),
            path: request.path_and_query,
            headers: request.headers,
            body,
            allow_private: request.allow_private,
        });
        {
            let mut under_way = self.under_way.lock().unwrap();
            let (now, most) = under_way.entry(host.clone()).or_default();
            *now += 1;
            *most = (*most).max(*now);
        }
        self.heard.notify_waiters();
        let answer = self.answers.lock().unwrap().get(&host).cloned().unwrap_or(Answer::Status(200));
        if matches!(answer, Answer::Hangs) {
            self.gate.acquire().await.unwrap().forget();
        } else {
            tokio::task::yield_now().await;
        }
        self.under_way.lock().unwrap().entry(host).or_default().0 -= 1;
        let mut headers = HeaderMap::new();
        let (status, body) = match answer {
            Answer::Status(status) => (status, stream(std::iter::empty())),
            Answer::RetryAfter(status, after) => {
                headers.insert("retry-after", after.parse().unwrap());
                (status, stream(std::iter::empty()))
            }
            Answer::Body(status, body) => (status, stream(std::iter::once(body))),
            Answer::InTurn(statuses) => (statuses[number], stream(std::iter::empty())),
            Answer::Endless(status) => (status, stream(std::iter::repeat("0123456789abcdef"))),
            Answer::Fails(error) => return Err(error),
            Answer::Hangs => (200, stream(std::iter::empty())),
        };
        Ok(Incoming { status: StatusCode::from_u16(status).unwrap(), headers, body })
    }
}

/// Pauses everything, or nothing.
#[derive(Default)]
pub(super) struct FakePolicy(pub(super) std::sync::atomic::AtomicBool);

impl Policy for FakePolicy {
    fn limits(&self, _: &TenantId) -> TenantLimits {
        TenantLimits::default()
    }

    fn settings(&self, _: &TenantId, _: &SkillName) -> std::collections::BTreeMap<String, String> {
        std::collections::BTreeMap::new()
    }

    fn paused(&self, _: &TenantId, _: Option<&SkillName>) -> Option<Paused> {
        self.0.load(std::sync::atomic::Ordering::SeqCst).then_some(Paused::Everything)
    }
}

type Decide = dyn Fn(&EgressCall) -> Result<EgressOutcome, Refusal> + Send + Sync;

/// Transforms with a closure.
pub(super) struct FakeGuests(pub(super) Mutex<Arc<Decide>>, pub(super) Mutex<Vec<EgressCall>>);

impl Default for FakeGuests {
    fn default() -> Self {
        Self(Mutex::new(Arc::new(|_| Ok(EgressOutcome::Skip { reason: "nobody said".to_owned() }))), Mutex::default())
    }
}

impl FakeGuests {
    pub(super) fn decide(
        &self,
        decide: impl Fn(&EgressCall) -> Result<EgressOutcome, Refusal> + Send + Sync + 'static,
    ) {
        *self.0.lock().unwrap() = Arc::new(decide);
    }
}

#[async_trait]
impl Guests for FakeGuests {
    fn installed(&self, _: &TenantId) -> Vec<Installed> {
        Vec::new()
    }

    async fn call_tool(&self, _: ToolCall) -> Result<ToolReply, Refusal> {
        Err(Refusal::Cancelled)
    }

    async fn transform_ingress(&self, _: IngressCall) -> Result<IngressReply, Refusal> {
        Err(Refusal::Cancelled)
    }

    async fn transform_egress(&self, call: EgressCall) -> Result<EgressReply, Refusal> {
        let decide = Arc::clone(&self.0.lock().unwrap());
        let outcome = decide(&call);
        self.1.lock().unwrap().push(call);
        Ok(EgressReply { outcome: outcome?, digest: Digest::from_bytes([7; 32]), duration: Duration::from_micros(9) })
    }
}
