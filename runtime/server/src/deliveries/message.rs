//! What an event looks like to one endpoint: the default body, or what a component makes of it.
//!
//! Invariant: the same event, settings and component give the same bytes; nothing here reads a clock or a variable.

use std::sync::Arc;

use bytes::Bytes;
use openclaw_domain::ports::Guests;
use openclaw_domain::{DeliveryBody, EgressCall, EgressEvent, EgressOutcome, Event, Refusal};
use serde::Serialize;
use serde_json::value::RawValue;

use super::marks::Marks;
use super::settings::{OutgoingEndpoint, Transform};

/// What was decided about an event.
#[derive(Debug)]
pub(super) enum Made {
    /// Send this.
    Body {
        /// It.
        body: DeliveryBody,
        /// Placeholders that found no value.
        missing: u32,
    },
    /// Send nothing, for this reason.
    Skip(String),
    /// The component could not, and would not another time: kept for replay.
    Failed(String),
    /// Nothing was decided: the gateway has no room, or is stopping.
    Later(String),
}

#[derive(Serialize)]
struct Default<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: String,
    data: &'a RawValue,
}

/// The body without a transform: `{"id","type","timestamp","data"}`, the data as they were recorded.
pub(super) fn default_body(event: &Event) -> DeliveryBody {
    let fact = &event.fact;
    let kind = fact.kind.as_str();
    let printed = serde_json::from_str::<&RawValue>(&fact.data).ok().and_then(|data| {
        serde_json::to_vec(&Default { id: &event.id, kind, timestamp: fact.at.to_string(), data }).ok()
    });
    DeliveryBody {
        content_type: "application/json".to_owned(),
        headers: Vec::new(),
        // An event's data are an object by contract.
        body: Bytes::from(printed.unwrap_or_default()),
        transform: String::new(),
        slots: Vec::new(),
    }
}

/// Decides what an endpoint is sent of an event.
///
/// Cancel safety: dropping it ends the guest.
pub(super) async fn make(guests: &dyn Guests, endpoint: &OutgoingEndpoint, event: &Event) -> Made {
    let Transform::Component { name, settings, slots } = &endpoint.transform else {
        return Made::Body { body: default_body(event), missing: 0 };
    };
    let fact = &event.fact;
    let marks = Marks::new();
    let settings = if slots.is_empty() { Arc::clone(settings) } else { marks.put(settings).into() };
    let call = EgressCall {
        tenant: fact.tenant.clone(),
        transform: name.clone(),
        event: EgressEvent {
            id: event.id.clone(),
            kind: fact.kind.as_str().to_owned(),
            timestamp: fact.at,
            data: fact.data.as_str().into(),
            endpoint: endpoint.key.name.as_str().into(),
            settings,
        },
        trace: fact.trace,
    };
    match guests.transform_egress(call).await {
        Ok(reply) => match reply.outcome {
            EgressOutcome::Deliver { content_type, headers, body, missing } => {
                let transform = format!("{name}@{}", reply.digest);
                let (slots, body) = marks.read(slots, body);
                let content_type = marks.take_out(&content_type);
                let headers =
                    headers.into_iter().map(|(name, value)| (name, marks.take_out(&value))).collect::<Vec<_>>();
                Made::Body { body: DeliveryBody { content_type, headers, body, transform, slots }, missing }
            }
            EgressOutcome::Skip { reason } => Made::Skip(marks.take_out(&reason)),
        },
        Err(refusal) if may_pass(&refusal) => Made::Later(marks.take_out(&refusal.to_string())),
        Err(refusal) => Made::Failed(marks.take_out(&refusal.to_string())),
    }
}

/// Whether the same event may succeed a moment later.
const fn may_pass(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::Busy(_)
            | Refusal::QueueFull(_)
            | Refusal::RateLimited { .. }
            | Refusal::Paused { .. }
            | Refusal::Cancelled
            | Refusal::Internal(_)
    )
}
