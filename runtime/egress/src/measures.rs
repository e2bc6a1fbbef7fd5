//! Counts requests by outcome and bytes by direction, under the names that `/metrics` shows.
//!
//! Invariant: a label is one of a few words of ours; no host, path or tenant makes a series of its own.

use openclaw_domain::EgressError;

const REQUESTS: &str = "openclaw_egress_requests_total";
const BYTES: &str = "openclaw_egress_body_bytes_total";

/// Says what the counters mean.
pub(crate) fn describe() {
    metrics::describe_counter!(REQUESTS, "Outgoing requests by outcome");
    metrics::describe_counter!(BYTES, "Bytes of bodies of outgoing requests and their responses");
}

fn count(outcome: &'static str) {
    metrics::counter!(REQUESTS, "outcome" => outcome).increment(1);
}

pub(crate) fn done() {
    count("done");
}

pub(crate) fn abandoned() {
    count("abandoned");
}

pub(crate) fn failed(error: &EgressError) {
    count(match error {
        EgressError::NameDenied { .. } => "name_denied",
        EgressError::AddressDenied { .. } => "address_denied",
        EgressError::BadRequest { .. } => "bad_request",
        EgressError::SecretMissing { .. } => "secret_missing",
        EgressError::Dns { .. } => "dns",
        EgressError::Connect { .. } => "connect",
        EgressError::Tls { .. } => "tls",
        EgressError::TimedOut => "timed_out",
        EgressError::TooSlow(_) => "too_slow",
        EgressError::TooLarge { .. } => "too_large",
        EgressError::Protocol(_) => "protocol",
        EgressError::Internal => "internal",
    });
}

pub(crate) fn sent(bytes: u64) {
    metrics::counter!(BYTES, "direction" => "sent").increment(bytes);
}

pub(crate) fn received(bytes: u64) {
    metrics::counter!(BYTES, "direction" => "received").increment(bytes);
}
