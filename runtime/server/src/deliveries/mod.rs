//! Webhook egress: events posted to the endpoints they are owed to, at least once, signed, each endpoint by itself.
//!
//! An event and its deliveries are written in one transaction (the storage asks [`DeliveryRoute`]). The worker takes a
//! delivery under a lease, has its body made once and fixed, signs and attempts it, and settles what came of it.
//!
//! Invariants: a delivery that is owed is attempted until it is settled, across any crash, always with the same
//! `webhook-id` and body; a dead endpoint delays no other; no value of `${VAR}` and no configured header is logged,
//! stored or shown to a component.

mod attempt;
mod breaker;
mod failing;
mod fill;
mod filter;
mod handle;
mod lane;
mod marks;
mod measures;
mod message;
mod rate;
mod redact;
mod route;
mod schedule;
mod settings;
mod signing;
mod verdict;
mod worker;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderValue;
use openclaw_domain::ports::{Egress, Guests, Journal, Outbox, Policy};
use openclaw_domain::{Clock, EndpointKey, Timestamp};

pub use fill::{Slot, SlotError, slots};
pub use filter::{Filter, FilterError};
pub use handle::{Deliveries, DeliveryParts, EndpointStatus, TestReport};
pub use route::DeliveryRoute;
pub use schedule::Schedule;
pub use settings::{DEFAULT_MAX_BLOCK, EventPattern, OutgoingEndpoint, Transform, is_reserved_header};
pub use signing::DeliveryKey;

/// The `type` of the alert that an endpoint is disabled.
const ALERT_DISABLED: &str = "webhook_endpoint_disabled";

/// What the worker and its handle share.
struct Shared {
    outbox: Arc<dyn Outbox>,
    journal: Arc<dyn Journal>,
    guests: Arc<dyn Guests>,
    egress: Arc<dyn Egress>,
    policy: Arc<dyn Policy>,
    clock: Arc<dyn Clock>,
    route: Arc<DeliveryRoute>,
    user_agent: Arc<HeaderValue>,
    /// One for each endpoint in force.
    lanes: Mutex<HashMap<EndpointKey, lane::Lane>>,
    /// Since when endpoints were failing when this process started.
    failing: Mutex<HashMap<EndpointKey, Timestamp>>,
}

impl Shared {
    fn failing_at_start(&self, key: &EndpointKey) -> Option<Timestamp> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner).remove(key)
    }
}
