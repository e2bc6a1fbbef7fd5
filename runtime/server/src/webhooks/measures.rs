//! What is counted about webhooks. The handles are made once: looking a metric up by name costs more than counting.

use std::time::Duration;

use metrics::{Counter, Histogram};
use openclaw_domain::Code;

/// How a webhook ended, apart from refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Message,
    Invoke,
    Respond,
    Discard,
    Queued,
    Failed,
    Duplicate,
    Handshake,
}

impl Ending {
    const ALL: [Self; 8] = [
        Self::Message,
        Self::Invoke,
        Self::Respond,
        Self::Discard,
        Self::Queued,
        Self::Failed,
        Self::Duplicate,
        Self::Handshake,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Invoke => "invoke",
            Self::Respond => "respond",
            Self::Discard => "discard",
            Self::Queued => "queued",
            Self::Failed => "failed",
            Self::Duplicate => "duplicate",
            Self::Handshake => "handshake",
        }
    }
}

/// The counters.
pub(super) struct Measures {
    endings: Vec<Counter>,
    refusals: Vec<Counter>,
    duration: Histogram,
    missing_placeholders: Counter,
}

impl Measures {
    /// Registers all of them.
    pub(super) fn new() -> Self {
        metrics::describe_counter!("openclaw_webhooks_total", "Webhook requests by outcome, or by code when refused");
        metrics::describe_histogram!(
            "openclaw_webhook_duration_seconds",
            metrics::Unit::Seconds,
            "Time from a webhook's head to its answer"
        );
        metrics::describe_counter!(
            "openclaw_webhook_missing_placeholders_total",
            "Placeholders of templates that found no value"
        );
        let counter = |result: &'static str| metrics::counter!("openclaw_webhooks_total", "result" => result);
        Self {
            endings: Ending::ALL.iter().map(|ending| counter(ending.as_str())).collect(),
            refusals: Code::ALL.iter().map(|code| counter(code.as_str())).collect(),
            duration: metrics::histogram!("openclaw_webhook_duration_seconds"),
            missing_placeholders: metrics::counter!("openclaw_webhook_missing_placeholders_total"),
        }
    }

    /// Counts a webhook that was accepted, now or before.
    pub(super) fn ended(&self, ending: Ending) {
        self.endings[ending as usize].increment(1);
    }

    /// Counts one that was refused.
    pub(super) fn refused(&self, code: Code) {
        if let Some(position) = Code::ALL.iter().position(|known| *known == code) {
            self.refusals[position].increment(1);
        }
    }

    /// Counts placeholders that found no value.
    pub(super) fn missing(&self, placeholders: u32) {
        if placeholders > 0 {
            self.missing_placeholders.increment(placeholders.into());
        }
    }

    /// Notes how long one took.
    pub(super) fn took(&self, duration: Duration) {
        self.duration.record(duration);
    }
}
