//! The worker with a clock that is moved by hand and a way out that answers as it is told. No test waits for time.

mod bodies;
mod fakes;
mod health;
mod routing;
mod schedule;

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use openclaw_domain::{EndpointKey, EventKind, ManualClock, NewEvent, Origin, Secret, TenantId, Timestamp, TraceId};
use serde_json::{Value, json};

use super::worker::Worker;
use super::{
    Deliveries, DeliveryKey, DeliveryParts, DeliveryRoute, EventPattern, Filter, OutgoingEndpoint, Schedule, Transform,
};
use fakes::{Answer, FakeEgress, FakeGuests, FakeOutbox, FakePolicy};

const START: Timestamp = Timestamp::from_millis(1_780_920_000_000);

/// A gateway's deliveries with everything around them in hand.
struct Bench {
    clock: Arc<ManualClock>,
    outbox: Arc<FakeOutbox>,
    egress: Arc<FakeEgress>,
    guests: Arc<FakeGuests>,
    policy: Arc<FakePolicy>,
    route: Arc<DeliveryRoute>,
    deliveries: Deliveries,
    worker: Worker,
}

impl Bench {
    fn new(endpoints: Vec<OutgoingEndpoint>) -> Self {
        let clock = Arc::new(ManualClock::new(START));
        let (outbox, egress) = (Arc::new(FakeOutbox::default()), Arc::new(FakeEgress::default()));
        let (guests, route) = (Arc::new(FakeGuests::default()), Arc::new(DeliveryRoute::default()));
        let policy = Arc::new(FakePolicy::default());
        let parts = DeliveryParts {
            outbox: outbox.clone(),
            journal: outbox.clone(),
            guests: guests.clone(),
            egress: egress.clone(),
            policy: policy.clone(),
            clock: clock.clone(),
            route: Arc::clone(&route),
            version: "1.2.3".into(),
        };
        let deliveries = Deliveries::new(parts, endpoints);
        let worker = Worker::new(Arc::clone(&deliveries.shared));
        Self { clock, outbox, egress, guests, policy, route, deliveries, worker }
    }

    /// Another process on the same outbox.
    async fn restart(&mut self, endpoints: Vec<OutgoingEndpoint>) {
        self.route = Arc::new(DeliveryRoute::default());
        let parts = DeliveryParts {
            outbox: self.outbox.clone(),
            journal: self.outbox.clone(),
            guests: self.guests.clone(),
            egress: self.egress.clone(),
            policy: self.policy.clone(),
            clock: self.clock.clone(),
            route: Arc::clone(&self.route),
            version: "1.2.3".into(),
        };
        self.deliveries = Deliveries::new(parts, endpoints);
        self.deliveries.restore().await.unwrap();
        self.worker = Worker::new(Arc::clone(&self.deliveries.shared));
    }

    /// A task of tenant `default` is done.
    fn complete(&self, number: u32) {
        self.happen(EventKind::TaskCompleted, &json!({ "task_name": "t", "number": number }));
    }

    fn happen(&self, kind: EventKind, data: &Value) {
        self.outbox.happen(&self.route, event("default", kind, data));
    }

    async fn after(&mut self, wait: Duration) {
        self.clock.advance(wait);
        self.worker.turn().await;
    }
}

fn event(tenant: &str, kind: EventKind, data: &Value) -> NewEvent {
    NewEvent {
        tenant: tenant.parse().unwrap(),
        kind,
        data: data.to_string(),
        trace: TraceId::new(),
        at: START,
        session: None,
    }
}

fn key(name: &str) -> EndpointKey {
    EndpointKey { tenant: TenantId::default(), name: name.parse().unwrap() }
}

/// An endpoint at `https://<name>.test/hook` that is sent everything.
fn endpoint(name: &str) -> OutgoingEndpoint {
    OutgoingEndpoint {
        key: key(name),
        at: "webhooks.outgoing[0]".to_owned(),
        events: vec![EventPattern::read("*").unwrap()],
        filter: Filter::default(),
        origin: format!("https://{name}.test").parse::<Origin>().unwrap(),
        path_and_query: Secret::new("/hook".to_owned()),
        headers: Secret::new(HeaderMap::new()),
        transform: Transform::Default,
        keys: vec![DeliveryKey::read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap()],
        allow_private: false,
        enabled: true,
        timeout: Duration::from_secs(15),
        concurrency: 8,
        rate_per_minute: None,
        schedule: Schedule::default(),
        ordered: None,
    }
}

fn host(name: &str) -> String {
    format!("{name}.test")
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const DAY: Duration = seconds(86_400);
