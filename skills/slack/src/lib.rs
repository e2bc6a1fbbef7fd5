//! The `slack` transform: events as Slack messages, and what Slack sends as messages or skill calls.
//!
//! Invariant: a stranger's text never becomes a mention, a link or a channel in Slack, and Slack's own markup never
//! reaches the agent: each direction goes through [`markup`].

mod incoming;
mod markup;
mod outgoing;

use openclaw_guest::{egress_transform, ingress_transform};

/// Posts an event as a message of an incoming webhook.
#[egress_transform]
fn post(event: &egress_transform::Event) -> Result<egress_transform::Outcome, egress_transform::Failure> {
    outgoing::message(event)
}

/// Takes a slash command, an outgoing webhook or a mention.
#[ingress_transform]
fn take(request: &ingress_transform::Request) -> Result<ingress_transform::Outcome, ingress_transform::Failure> {
    incoming::take(request)
}
