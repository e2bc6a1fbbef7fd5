//! The `template` transform: what the configuration writes, with its placeholders filled.
//!
//! Coming in it is an endpoint's `message`, filled from the body; going out a `transform` object, filled from the event.
//! It runs on every webhook whose endpoint names no other transform, so it reads in place and allocates little more
//! than what it says.

pub mod fill;
pub mod output;
mod path;
pub mod placeholder;
pub mod refusal;
pub mod render;

use openclaw_guest::{egress_transform, ingress_transform};

use openclaw_guest::egress_transform as egress;
use openclaw_guest::ingress_transform as ingress;

use fill::Envelope;
use refusal::{Kind, Refusal};

/// Says the endpoint's `message`, its placeholders filled from the body.
#[ingress_transform]
fn say(request: &ingress::Request) -> Result<ingress::Outcome, ingress::Failure> {
    match render::render(&request.settings, request.content_type.as_deref(), &request.body) {
        Ok(rendered) => Ok(ingress::Outcome::Message(ingress::Message {
            text: rendered.text,
            conversation: None,
            missing: rendered.missing,
        })),
        Err(Refusal { kind, message }) => Err(match kind {
            Kind::BadSettings => ingress::Failure::bad_settings(message),
            Kind::UnsupportedBody => ingress::Failure::unsupported_body(message),
            Kind::UnsupportedEvent | Kind::TooLong => ingress::Failure::failed(message),
        }),
    }
}

/// Sends the endpoint's `transform` object, its placeholders filled from the event.
#[egress_transform]
fn send(event: &egress::Event) -> Result<egress::Outcome, egress::Failure> {
    let envelope = Envelope {
        id: &event.id,
        kind: &event.kind,
        timestamp: &event.timestamp,
        tenant: &event.tenant,
        trace_id: &event.trace_id,
        endpoint: &event.endpoint,
        data: &event.data,
    };
    match fill::fill(&event.settings, envelope) {
        Ok(rendered) => Ok(egress::Outcome::Deliver(egress::Payload {
            content_type: "application/json".to_owned(),
            headers: Vec::new(),
            body: rendered.text.into_bytes(),
            missing: rendered.missing,
        })),
        Err(Refusal { kind, message }) => Err(match kind {
            Kind::BadSettings => egress::Failure::bad_settings(message),
            Kind::UnsupportedEvent => egress::Failure::unsupported_event(message),
            Kind::UnsupportedBody | Kind::TooLong => egress::Failure::failed(message),
        }),
    }
}
