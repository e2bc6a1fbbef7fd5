//! The way out seen from its callers: what is refused, and that each refusal is the only thing in the way.
//!
//! Invariant: every row that is refused is also sent by an egress whose guard is open ([`network::Open`] exists only
//! here), and then arrives; so a refusal never passes for another failure.

#![expect(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test with a line number")]

mod bounds;
mod dns;
mod formats;
mod framing;
mod kept;
mod network;
mod proxy;
mod secrets;
mod server;
mod speed;
mod ssrf;
mod switch;
mod tls;
