//! What the configuration says of endpoints, validated.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName};
use openclaw_domain::{EndpointKey, EventKind, Origin, Secret, SkillName};

use super::fill::Slot;
use super::filter::Filter;
use super::schedule::Schedule;
use super::signing::DeliveryKey;

/// One endpoint that events are posted to.
#[derive(Clone, Debug)]
pub struct OutgoingEndpoint {
    /// Whose, and its name.
    pub key: EndpointKey,
    /// Where it stands in the configuration, such as `webhooks.outgoing[0]`.
    pub at: String,
    /// The kinds of events it is sent.
    pub events: Vec<EventPattern>,
    /// Which of them.
    pub filter: Filter,
    /// Where it is.
    pub origin: Origin,
    /// Path and query. Many services put a credential there, so it is not printed.
    pub path_and_query: Secret<String>,
    /// Headers of every attempt; their values may be credentials.
    pub headers: Secret<HeaderMap>,
    /// What makes the body.
    pub transform: Transform,
    /// What signs it; several while one replaces another.
    pub keys: Vec<DeliveryKey>,
    /// Whether private and loopback addresses are allowed.
    pub allow_private: bool,
    /// Whether anything is sent.
    pub enabled: bool,
    /// How long one attempt may take. Default 15 s.
    pub timeout: Duration,
    /// Attempts under way at one time. Default 8.
    pub concurrency: usize,
    /// Attempts a minute; `None` for as many as there are.
    pub rate_per_minute: Option<u32>,
    /// When a failed delivery is tried again.
    pub schedule: Schedule,
    /// Whether deliveries go one after the other in the order of their events, and how long one may hold up the others.
    pub ordered: Option<Duration>,
}

/// Longest time that an ordered endpoint waits for one delivery, unless the configuration says otherwise.
pub const DEFAULT_MAX_BLOCK: Duration = Duration::from_secs(3600);

/// What makes a delivery's body.
#[derive(Clone, Debug)]
pub enum Transform {
    /// `{"id","type","timestamp","data"}`.
    Default,
    /// A component.
    Component {
        /// Its name.
        name: SkillName,
        /// A JSON object as text, each `${VAR}` as it was written.
        settings: Arc<str>,
        /// Where the values of `${VAR}` go.
        slots: Arc<[Slot]>,
    },
}

impl Transform {
    /// Where values go into its body.
    pub(super) fn slots(&self) -> &[Slot] {
        match self {
            Self::Default => &[],
            Self::Component { slots, .. } => slots,
        }
    }
}

/// A pattern of event names: `*`, a prefix such as `agent.*`, or a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventPattern(String);

impl EventPattern {
    /// Reads a pattern; `None` if no event has such a name.
    pub fn read(text: &str) -> Option<Self> {
        let pattern = Self(text.to_owned());
        EventKind::ALL.into_iter().any(|kind| pattern.matches(kind)).then_some(pattern)
    }

    /// Whether an event of this kind is meant.
    pub fn matches(&self, kind: EventKind) -> bool {
        match self.0.strip_suffix('*') {
            Some("") => true,
            Some(prefix) => prefix.ends_with('.') && kind.as_str().starts_with(prefix),
            None => self.0 == kind.as_str(),
        }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a header belongs to the connection or to the signature, and so can be set by nobody but the gateway.
pub fn is_reserved_header(name: &HeaderName) -> bool {
    let name = name.as_str();
    matches!(
        name,
        "host"
            | "connection"
            | "content-length"
            | "transfer-encoding"
            | "te"
            | "trailer"
            | "upgrade"
            | "keep-alive"
            | "expect"
            | "proxy-connection"
            | "traceparent"
    ) || name.starts_with("webhook-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_everything_a_dotted_prefix_or_a_name_some_event_has() {
        for (pattern, matched) in
            [("*", EventKind::ALL.len()), ("agent.*", 2), ("channel.*", 2), ("agent.error", 1), ("agent.task.*", 1)]
        {
            let read = EventPattern::read(pattern).unwrap();
            assert_eq!(EventKind::ALL.into_iter().filter(|kind| read.matches(*kind)).count(), matched, "{pattern}");
        }
        for none in ["", "agent", "agent*", "agents.*", "agent.eror", "*.error"] {
            assert_eq!(EventPattern::read(none), None, "{none}");
        }
    }
}
