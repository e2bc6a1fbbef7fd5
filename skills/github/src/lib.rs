//! The `github` transform: every webhook of GitHub as one readable sentence, or discarded with a reason.
//!
//! A payload is tens of KiB of JSON of which a sentence needs a dozen values, so it is read in place.

pub mod event;
pub mod events;
pub mod text;
pub mod transform;

#[cfg(test)]
mod hostile_payloads;
#[cfg(test)]
mod octokit_payloads;

use openclaw_guest::ingress_transform;
use openclaw_guest::ingress_transform::{Failure, Message, Outcome, Request};

use events::Report;
use transform::Refusal;

/// Says what happened on GitHub in one sentence, in a conversation for each repository.
#[ingress_transform]
fn github(request: &Request) -> Result<Outcome, Failure> {
    match transform::report(request.header("x-github-event"), request.content_type.as_deref(), &request.body) {
        Ok(Report::Say { sentence, conversation }) => {
            Ok(Outcome::Message(Message { text: sentence, conversation, missing: 0 }))
        }
        Ok(Report::Discard(reason)) => Ok(Outcome::discard(reason)),
        Err(Refusal::NoEvent(reason)) => Err(Failure::failed(reason)),
        Err(Refusal::UnsupportedBody(reason)) => Err(Failure::unsupported_body(reason)),
    }
}
