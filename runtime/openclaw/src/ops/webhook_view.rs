//! What is asked and answered about webhooks, as JSON: shapes that scripts rely on. They are only ever extended.
//!
//! Invariant: of an endpoint's URL only scheme, host and port are told, and of a body only what lies in the outbox, in
//! which no value of `${VAR}` stands.

use openclaw_domain::{Attempt, DeliveryBody, DeliveryRecord, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A command about webhooks.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum WebhookRequest {
    /// The endpoints.
    List {
        /// Whose; all tenants' without it.
        tenant: Option<String>,
    },
    /// One attempt with an example event, now.
    Test {
        /// Whose.
        tenant: String,
        /// Which.
        endpoint: String,
        /// The kind of event; the first the endpoint is sent without it.
        event: Option<String>,
    },
    /// Deliveries, the newest first.
    Deliveries(DeliveryChoice),
    /// One delivery (`msg_…`) or one accepted request (`wh_…`).
    Show {
        /// Whose request.
        tenant: String,
        /// Its id.
        id: String,
    },
    /// Makes settled deliveries again.
    Replay {
        /// Their ids.
        ids: Vec<String>,
        /// Whether they are only named.
        dry_run: bool,
    },
    /// The same, of all that are chosen.
    ReplayChosen {
        /// Which.
        choice: DeliveryChoice,
        /// Whether they are only named.
        dry_run: bool,
    },
    /// Shows an accepted request to the transform of today.
    ReplayRequest {
        /// Whose.
        tenant: String,
        /// `wh_…`.
        id: String,
        /// Whether only the difference is told.
        dry_run: bool,
    },
    /// Switches an endpoint on or off.
    SetEnabled {
        /// Whose.
        tenant: String,
        /// Which.
        endpoint: String,
        /// On or off.
        enabled: bool,
    },
}

/// Which deliveries are meant.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct DeliveryChoice {
    /// Of this tenant only.
    pub(crate) tenant: Option<String>,
    /// To this endpoint only.
    pub(crate) endpoint: Option<String>,
    /// In this state only.
    pub(crate) state: Option<String>,
    /// Owed within the last so many milliseconds only.
    pub(crate) since_ms: Option<u64>,
    /// At most so many.
    pub(crate) limit: usize,
}

/// An endpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EndpointView {
    /// What it is called.
    pub(crate) name: String,
    /// Whose it is.
    pub(crate) tenant: String,
    /// Scheme, host and port.
    pub(crate) url: String,
    /// The events it is sent.
    pub(crate) events: Vec<String>,
    /// `ok`, `failing`, `disabled`, or `off` if the configuration says so.
    pub(crate) state: String,
    /// Why it is disabled.
    pub(crate) reason: Option<String>,
    /// Since when it fails or is disabled.
    pub(crate) since: Option<String>,
    /// Deliveries that are not settled.
    pub(crate) open: u64,
    /// When the oldest of them was owed.
    pub(crate) oldest: Option<String>,
    /// `closed`, `open` or `half-open`; `None` if no gateway runs.
    pub(crate) breaker: Option<String>,
}

/// A delivery.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DeliveryView {
    /// `msg_` and 32 hex digits: the `webhook-id`.
    pub(crate) id: String,
    /// Whose.
    pub(crate) tenant: String,
    /// Where it goes.
    pub(crate) endpoint: String,
    /// The event's id.
    pub(crate) event: String,
    /// What kind of event.
    pub(crate) kind: String,
    /// `pending`, `leased`, `delivered`, `refused`, `dead` or `skipped`.
    pub(crate) state: String,
    /// Attempts made.
    pub(crate) attempts: u32,
    /// When it was owed.
    pub(crate) created_at: String,
    /// When it is tried next.
    pub(crate) next_at: Option<String>,
    /// When it was settled.
    pub(crate) settled_at: Option<String>,
    /// The last status.
    pub(crate) last_status: Option<u16>,
    /// Why it is not delivered.
    pub(crate) last_error: Option<String>,
}

impl From<&DeliveryRecord> for DeliveryView {
    fn from(record: &DeliveryRecord) -> Self {
        let text = |moment: Option<Timestamp>| moment.map(|moment| moment.to_string());
        Self {
            id: record.id.to_string(),
            tenant: record.endpoint.tenant.to_string(),
            endpoint: record.endpoint.name.to_string(),
            event: record.event_id.clone(),
            kind: record.kind.as_str().to_owned(),
            state: record.state.as_str().to_owned(),
            attempts: record.attempts,
            created_at: record.created_at.to_string(),
            next_at: text(record.next_at),
            settled_at: text(record.settled_at),
            last_status: record.last_status,
            last_error: record.last_error.clone(),
        }
    }
}

/// What a delivery sends.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BodyView {
    /// Media type.
    pub(crate) content_type: String,
    /// Headers the transform added.
    pub(crate) headers: Vec<(String, String)>,
    /// The body as text.
    pub(crate) body: String,
    /// What made it.
    pub(crate) transform: String,
}

impl From<&DeliveryBody> for BodyView {
    fn from(body: &DeliveryBody) -> Self {
        Self {
            content_type: body.content_type.clone(),
            headers: body.headers.clone(),
            body: String::from_utf8_lossy(&body.body).into_owned(),
            transform: body.transform.clone(),
        }
    }
}

/// One attempt.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AttemptView {
    /// When it began.
    pub(crate) at: String,
    /// How long it took.
    pub(crate) duration_ms: u64,
    /// The status.
    pub(crate) status: Option<u16>,
    /// What went wrong.
    pub(crate) error: Option<String>,
    /// How the answer begins.
    pub(crate) excerpt: String,
}

impl From<&Attempt> for AttemptView {
    fn from(attempt: &Attempt) -> Self {
        Self {
            at: attempt.at.to_string(),
            duration_ms: u64::try_from(attempt.duration.as_millis()).unwrap_or(u64::MAX),
            status: attempt.status,
            error: attempt.error.clone(),
            excerpt: attempt.excerpt.clone(),
        }
    }
}

/// Everything about a delivery.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DeliveryDetailView {
    /// As it is listed.
    #[serde(flatten)]
    pub(crate) delivery: DeliveryView,
    /// The trace it belongs to.
    pub(crate) trace_id: String,
    /// The event's data.
    pub(crate) data: Value,
    /// What is sent, once that is decided.
    pub(crate) body: Option<BodyView>,
    /// The attempts.
    pub(crate) tries: Vec<AttemptView>,
}

/// What came of a test.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TestView {
    /// Whether the endpoint took it.
    pub(crate) ok: bool,
    /// The status.
    pub(crate) status: Option<u16>,
    /// What went wrong.
    pub(crate) error: Option<String>,
    /// How long the attempt took.
    pub(crate) duration_ms: u64,
    /// How the answer begins.
    pub(crate) excerpt: String,
    /// What was sent.
    pub(crate) body: Option<BodyView>,
}

/// Deliveries that were, or would be, made again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ReplayedView {
    /// How many are pending again; 0 on a dry run.
    pub(crate) replayed: u64,
    /// Those that are meant.
    pub(crate) deliveries: Vec<DeliveryView>,
}

/// What was, or would be, decided about a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DecisionView {
    /// `message`, `invoke`, `respond`, `discard` or `failed`.
    pub(crate) outcome: String,
    /// Its content.
    pub(crate) detail: Value,
    /// What decided (`name@sha256:…`).
    pub(crate) transform: String,
}

/// An accepted request and what was decided about it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RequestView {
    /// `wh_` and 32 hex digits.
    pub(crate) id: String,
    /// Whose.
    pub(crate) tenant: String,
    /// The endpoint's path.
    pub(crate) path: String,
    /// HTTP method.
    pub(crate) method: String,
    /// When it came.
    pub(crate) received_at: String,
    /// The trace it began.
    pub(crate) trace_id: String,
    /// Headers without credentials.
    pub(crate) headers: Vec<(String, String)>,
    /// The body as text.
    pub(crate) body: String,
    /// What the sender was answered.
    pub(crate) status: u16,
    /// What was decided.
    pub(crate) decision: DecisionView,
}

/// A request shown to the transform of today.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RequestReplayView {
    /// The request's id.
    pub(crate) id: String,
    /// What was decided then.
    pub(crate) before: DecisionView,
    /// What is decided now.
    pub(crate) after: DecisionView,
    /// Whether outcome or detail differ.
    pub(crate) differs: bool,
    /// Whether what was decided now was also done.
    pub(crate) applied: bool,
}
