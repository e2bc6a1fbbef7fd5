//! What is counted about deliveries, by endpoint. The handles are made when the configuration is put in force.

use metrics::{Counter, Gauge, counter, gauge};
use openclaw_domain::{DeliveryState, EndpointKey, Settlement};

/// The outcomes that are counted; `retried` is an attempt after which another follows.
const OUTCOMES: [&str; 5] = ["delivered", "refused", "dead", "skipped", "retried"];

/// One endpoint's.
pub(super) struct Measures {
    outcomes: [Counter; OUTCOMES.len()],
    missing_placeholders: Counter,
    /// Deliveries that are not settled.
    pub(super) open: Gauge,
    /// How old the oldest of them is, in seconds.
    pub(super) oldest: Gauge,
}

impl Measures {
    /// Registers all of them.
    pub(super) fn of(key: &EndpointKey) -> Self {
        metrics::describe_counter!("openclaw_deliveries_total", "Deliveries by endpoint and outcome");
        metrics::describe_gauge!("openclaw_deliveries_open", "Deliveries that are not settled");
        metrics::describe_gauge!("openclaw_deliveries_oldest_seconds", "Age of the oldest unsettled delivery");
        let name = key.to_string();
        Self {
            outcomes: OUTCOMES
                .map(|outcome| counter!("openclaw_deliveries_total", "endpoint" => name.clone(), "outcome" => outcome)),
            missing_placeholders: counter!(
                "openclaw_delivery_missing_placeholders_total", "endpoint" => name.clone()
            ),
            open: gauge!("openclaw_deliveries_open", "endpoint" => name.clone()),
            oldest: gauge!("openclaw_deliveries_oldest_seconds", "endpoint" => name),
        }
    }

    /// Counts what became of a lease.
    pub(super) fn settled(&self, settlement: &Settlement) {
        let outcome = match settlement {
            Settlement::Done { state: DeliveryState::Delivered, .. } => 0,
            Settlement::Done { state: DeliveryState::Refused, .. } => 1,
            Settlement::Done { state: DeliveryState::Skipped, .. } => 3,
            Settlement::Done { .. } => 2,
            Settlement::Again { .. } => 4,
        };
        self.outcomes[outcome].increment(1);
    }

    /// Counts placeholders that found no value.
    pub(super) fn missing(&self, placeholders: u32) {
        if placeholders > 0 {
            self.missing_placeholders.increment(placeholders.into());
        }
    }
}
