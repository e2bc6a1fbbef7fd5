//! The `home-assistant` transform: tells a home what happened, and says what its automations report.
//!
//! Invariant: what an automation sends becomes one line, so that the name of a device cannot pass for a second report.

mod incoming;
mod outgoing;

use openclaw_guest::{egress_transform, ingress_transform};

/// Tells Home Assistant about an event.
#[egress_transform]
fn tell(event: &egress_transform::Event) -> Result<egress_transform::Outcome, egress_transform::Failure> {
    outgoing::body(event)
}

/// Says what an automation reports, or runs a skill for it.
#[ingress_transform]
fn take(request: &ingress_transform::Request) -> Result<ingress_transform::Outcome, ingress_transform::Failure> {
    incoming::take(request)
}
