//! Webhook requests that were accepted: on disk before the sender hears so.

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Event, NewEvent, Refusal, TenantId, Timestamp, TraceId, WebhookId};

/// The outcome of a request whose transform asked for a skill call; such a request owes the call until it is settled.
pub const INVOKE: &str = "invoke";

/// The outcome of a request that was accepted while its tenant was paused; no transform has seen it yet.
pub const QUEUED: &str = "queued";

/// Everything about one webhook request that must be durable before it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxEntry {
    /// Its id.
    pub id: WebhookId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The endpoint's path.
    pub path: String,
    /// The sender's own id for it (`Idempotency-Key` or a provider's delivery id): the same one is taken once.
    pub key: Option<String>,
    /// HTTP method.
    pub method: String,
    /// The query, without credentials, as `application/x-www-form-urlencoded` text.
    pub query: String,
    /// Headers without credentials, as JSON text: an array of `[name, value]`.
    pub headers: String,
    /// The raw body.
    pub body: Bytes,
    /// When it came.
    pub received_at: Timestamp,
    /// The trace it began.
    pub trace: TraceId,
    /// What was decided about it.
    pub verdict: Verdict,
    /// The events it causes, recorded in the same transaction.
    pub events: Vec<NewEvent>,
}

/// What was decided about a webhook request: its outcome and the receipt of the transform that decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// `message`, `invoke`, `respond`, `discard`, `failed` or `queued`.
    pub outcome: String,
    /// The outcome's content as JSON text: the message, the invocation, the reason, the error.
    pub detail: String,
    /// The transform that decided, and the digest of its component (`name@sha256:…`).
    pub transform: String,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// The HTTP status the sender is answered.
    pub status: u16,
    /// The body the sender is answered, if the transform chose it; else the gateway's own.
    pub response: Option<(String, Bytes)>,
}

/// The answer of the inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It is on disk. The recorded events, in order.
    New(Vec<Event>),
    /// One with the same key was accepted before; nothing was written.
    Duplicate(InboxRecord),
}

/// An accepted request as far as a duplicate needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxRecord {
    /// Its id.
    pub id: String,
    /// The status it was answered.
    pub status: u16,
    /// The body it was answered, if the transform chose it.
    pub response: Option<(String, Bytes)>,
}

/// A skill call that an accepted request still owes: the process that accepted it ended before the call had run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwedCall {
    /// The request's id; the same at each try.
    pub id: WebhookId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The endpoint's path.
    pub path: String,
    /// The trace the request began.
    pub trace: TraceId,
    /// The verdict's detail as it was accepted: which skill, with which arguments.
    pub detail: String,
}

/// A request that was accepted while its tenant was paused, with all that its transform needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedRequest {
    /// Its id.
    pub id: WebhookId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The endpoint's path.
    pub path: String,
    /// The sender's own id for it.
    pub key: Option<String>,
    /// HTTP method.
    pub method: String,
    /// The query, as it was accepted.
    pub query: String,
    /// Headers, as they were accepted.
    pub headers: String,
    /// The raw body.
    pub body: Bytes,
    /// When it came.
    pub received_at: Timestamp,
    /// The trace it began.
    pub trace: TraceId,
}

/// Whatever remembers accepted webhook requests.
#[async_trait]
pub trait Inbox: Send + Sync {
    /// The request accepted earlier under this key, if there is one.
    async fn find(&self, tenant: &TenantId, path: &str, key: &str) -> Result<Option<InboxRecord>, Refusal>;

    /// Writes the request, its verdict and its events in one transaction, synced to disk when this returns.
    ///
    /// The recorded events are also handed to the journal's listener, in order of `seq`.
    /// Cancel safety: once polled, the write happens whether or not the answer is awaited.
    /// An entry whose outcome is [`INVOKE`] owes its skill call from this transaction on.
    async fn accept(&self, entry: InboxEntry) -> Result<Accepted, Refusal>;

    /// The skill calls that are owed, of all tenants, in the order their requests were accepted.
    async fn owed(&self) -> Result<Vec<OwedCall>, Refusal>;

    /// Notes durably that an owed call has run, whatever came of it. One that owes nothing is left as it is.
    async fn settle(&self, tenant: &TenantId, id: WebhookId, at: Timestamp) -> Result<(), Refusal>;

    /// The requests of a tenant whose outcome is [`QUEUED`], oldest first, at most `limit`. By default there are none.
    async fn queued(&self, tenant: &TenantId, limit: usize) -> Result<Vec<QueuedRequest>, Refusal> {
        let _ = (tenant, limit);
        Ok(Vec::new())
    }

    /// The tenants that have such requests, by name, and how many. By default there are none.
    async fn queues(&self) -> Result<Vec<(TenantId, u64)>, Refusal> {
        Ok(Vec::new())
    }

    /// Gives a queued request its verdict and records the events it causes, in one transaction, synced to disk when
    /// this returns. The recorded events; `None`, and nothing is written, if it is not queued.
    ///
    /// What the sender was answered stays as it is. A verdict of [`INVOKE`] owes its skill call from here on.
    /// Cancel safety: once polled, the write happens whether or not the answer is awaited.
    async fn decide(
        &self,
        tenant: &TenantId,
        id: WebhookId,
        verdict: Verdict,
        events: Vec<NewEvent>,
    ) -> Result<Option<Vec<Event>>, Refusal> {
        let _ = (tenant, id, verdict, events);
        Ok(None)
    }
}
