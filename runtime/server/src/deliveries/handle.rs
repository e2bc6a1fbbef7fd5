//! What the rest of the gateway does with deliveries: start, reload, look, test, switch endpoints on and off.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openclaw_domain::ports::{Egress, Guests, Journal, Outbox, Policy};
use openclaw_domain::{
    Clock, DeliveryBody, DeliveryId, EndpointHealth, EndpointKey, Event, EventKind, NewEvent, Refusal, Timestamp,
    TraceId,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::attempt::{Sender, user_agent};
use super::message::{Made, make};
use super::route::DeliveryRoute;
use super::settings::OutgoingEndpoint;
use super::worker::Worker;

/// What deliveries are made of.
pub struct DeliveryParts {
    /// Remembers them.
    pub outbox: Arc<dyn Outbox>,
    /// Records alerts.
    pub journal: Arc<dyn Journal>,
    /// Runs transforms.
    pub guests: Arc<dyn Guests>,
    /// Dials.
    pub egress: Arc<dyn Egress>,
    /// Knows what is paused: while a tenant is, its deliveries wait.
    pub policy: Arc<dyn Policy>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Decides whom events are owed to: the one the storage asks.
    pub route: Arc<DeliveryRoute>,
    /// The gateway's version, for `user-agent`.
    pub version: Arc<str>,
}

/// Webhook egress. A handle: clones share one state.
#[derive(Clone)]
pub struct Deliveries {
    pub(super) shared: Arc<Shared>,
}

/// An endpoint as operators see it.
#[derive(Clone, Debug)]
pub struct EndpointStatus {
    /// Whose, and its name.
    pub key: EndpointKey,
    /// Its scheme, host and port; the path may be a credential.
    pub origin: String,
    /// The events it is sent.
    pub events: Vec<String>,
    /// Whether the configuration has it enabled.
    pub enabled: bool,
    /// Attempts under way.
    pub under_way: usize,
    /// `closed`, `open` or `half-open`.
    pub breaker: &'static str,
}

/// What came of a test.
#[derive(Clone, Debug)]
pub struct TestReport {
    /// What was sent, values of `${VAR}` not filled in; `None` if the transform sends nothing.
    pub body: Option<DeliveryBody>,
    /// Why nothing was sent or it was not taken; `None` if it was.
    pub error: Option<String>,
    /// The status that was answered.
    pub status: Option<u16>,
    /// How long the attempt took.
    pub duration: Duration,
    /// How the answer begins, if it was no success.
    pub excerpt: String,
}

impl Deliveries {
    /// Puts it together. Metrics are registered here: install the recorder first.
    pub fn new(parts: DeliveryParts, endpoints: Vec<OutgoingEndpoint>) -> Self {
        parts.route.replace(endpoints);
        let shared = Shared {
            outbox: parts.outbox,
            journal: parts.journal,
            guests: parts.guests,
            egress: parts.egress,
            policy: parts.policy,
            clock: parts.clock,
            route: parts.route,
            user_agent: user_agent(&parts.version),
            lanes: Mutex::default(),
            failing: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Takes over what the process before left: its leases end, and endpoints it disabled stay disabled.
    ///
    /// # Errors
    /// Storage cannot be read or written.
    pub async fn restore(&self) -> Result<(), Refusal> {
        let ended = self.shared.outbox.end_leases().await?;
        if ended > 0 {
            tracing::info!(count = ended, "deliveries that were under way are made again");
        }
        let mut failing = HashMap::new();
        for (key, health) in self.shared.outbox.health().await? {
            if let Some(since) = health.failing_since {
                failing.insert(key.clone(), since);
            }
            self.shared.route.set_disabled(&key, health.disabled.is_some());
        }
        *self.shared.failing.lock().unwrap_or_else(PoisonError::into_inner) = failing;
        Ok(())
    }

    /// Works until `stop`. Call [`Self::restore`] first.
    pub async fn run(self, stop: CancellationToken) {
        Worker::new(self.shared).run(stop).await;
    }

    /// Puts other endpoints in force. Deliveries to ones that are gone wait until they come back.
    pub fn replace(&self, endpoints: Vec<OutgoingEndpoint>) {
        self.shared.route.replace(endpoints);
    }

    /// Looks at everything again: deliveries were replayed.
    pub fn wake(&self) {
        self.shared.route.refresh();
    }

    /// The endpoints in force.
    pub fn endpoints(&self) -> Vec<EndpointStatus> {
        let lanes = self.shared.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let status = |settings: &OutgoingEndpoint| {
            let lane = lanes.get(&settings.key);
            EndpointStatus {
                key: settings.key.clone(),
                origin: settings.origin.to_string(),
                events: settings.events.iter().map(|pattern| pattern.as_str().to_owned()).collect(),
                enabled: settings.enabled,
                under_way: lane.map_or(0, |lane| lane.under_way),
                breaker: lane.map_or("closed", |lane| lane.breaker.state()),
            }
        };
        self.shared.route.table().endpoints.iter().map(|entry| status(&entry.settings)).collect()
    }

    /// Switches an endpoint off, or on again with its health forgiven.
    ///
    /// # Errors
    /// Storage cannot be written; nothing has changed then.
    pub async fn set_enabled(&self, key: &EndpointKey, enabled: bool) -> Result<(), Refusal> {
        let now = self.shared.clock.now();
        let disabled = (!enabled).then(|| (now, "an operator disabled it".to_owned()));
        self.shared.outbox.set_health(key, EndpointHealth { failing_since: None, disabled }).await?;
        self.shared.route.set_disabled(key, !enabled);
        if enabled && let Some(lane) = self.shared.lanes.lock().unwrap_or_else(PoisonError::into_inner).get_mut(key) {
            lane.forgive(now);
        }
        self.shared.route.refresh();
        Ok(())
    }

    /// Makes one attempt with an example event of this kind, now and whatever the endpoint's health. Nothing is kept of
    /// it, and the endpoint can tell it by `data.test` being `true`. `None` if there is no such endpoint.
    pub async fn test(&self, key: &EndpointKey, kind: Option<EventKind>) -> Option<TestReport> {
        let table = self.shared.route.table();
        let entry = table.endpoints.iter().find(|entry| entry.settings.key == *key)?;
        let endpoint = &entry.settings;
        let kind = kind.or_else(|| {
            EventKind::ALL.into_iter().find(|kind| endpoint.events.iter().any(|pattern| pattern.matches(*kind)))
        })?;
        let event = example(key, kind, self.shared.clock.now());
        let nothing = |error: String| TestReport {
            body: None,
            error: Some(error),
            status: None,
            duration: Duration::ZERO,
            excerpt: String::new(),
        };
        let body = match make(&*self.shared.guests, endpoint, &event).await {
            Made::Body { body, .. } => body,
            Made::Skip(reason) => return Some(nothing(format!("the transform sends nothing: {reason}"))),
            Made::Failed(reason) | Made::Later(reason) => return Some(nothing(reason)),
        };
        let shared = &self.shared;
        let sender = Sender { egress: &*shared.egress, clock: &*shared.clock, user_agent: &shared.user_agent };
        let (_, attempt) = sender.attempt(endpoint, DeliveryId::new(), &event, &body).await;
        Some(TestReport {
            body: Some(body),
            error: attempt.error,
            status: attempt.status,
            duration: attempt.duration,
            excerpt: attempt.excerpt,
        })
    }
}

fn example(key: &EndpointKey, kind: EventKind, at: Timestamp) -> Event {
    let mut data: Value = match kind {
        EventKind::TaskCompleted => json!({ "task_name": "example", "result": "It works.", "duration_ms": 12 }),
        EventKind::Error => json!({ "message": "an example of an error", "stack": "", "context": {} }),
        EventKind::MessageReceived => {
            json!({ "channel": "example", "sender": "example", "sender_name": "Example", "text": "Hello." })
        }
        EventKind::ChannelDisconnected => json!({ "channel": "example", "error": "an example" }),
        EventKind::SecurityAlert => json!({ "type": "example", "severity": "low", "details": {} }),
        EventKind::SkillEvent => json!({ "name": "example", "skill": "example", "data": {} }),
    };
    data["test"] = Value::Bool(true);
    let trace = TraceId::new();
    Event {
        seq: 0,
        id: format!("evt_{trace}"),
        fact: NewEvent { tenant: key.tenant.clone(), kind, data: data.to_string(), trace, at, session: None },
    }
}
