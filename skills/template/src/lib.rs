//! The `template` transform: an endpoint's `message` with its placeholders filled from the body.
//!
//! It runs on every webhook whose endpoint names no other transform, so it reads bodies in place and
//! allocates little more than the message it says.

pub mod placeholder;
pub mod refusal;
pub mod render;

use openclaw_guest::ingress_transform;
use openclaw_guest::ingress_transform::{Failure, Message, Outcome, Request};

use refusal::Kind;

/// Says the endpoint's `message`, its placeholders filled from the body.
#[ingress_transform]
fn template(request: &Request) -> Result<Outcome, Failure> {
    match render::render(&request.settings, request.content_type.as_deref(), &request.body) {
        Ok(rendered) => {
            Ok(Outcome::Message(Message { text: rendered.text, conversation: None, missing: rendered.missing }))
        }
        Err(refusal) => Err(match refusal.kind {
            Kind::BadSettings => Failure::bad_settings(refusal.message),
            Kind::UnsupportedBody => Failure::unsupported_body(refusal.message),
            Kind::TooLong => Failure::failed(refusal.message),
        }),
    }
}
