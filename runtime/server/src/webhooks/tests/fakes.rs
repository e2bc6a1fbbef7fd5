//! What stands at the ports in these tests. Each fake keeps what it was given; some can be told to hold on.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use openclaw_domain::ports::{
    Accepted, AuditEntry, Guests, INVOKE, Inbox, InboxEntry, InboxRecord, Journal, OwedCall, TraceEntry,
};
use openclaw_domain::{
    Content, Digest, EgressCall, EgressReply, Event, IngressCall, IngressOutcome, IngressReply, Installed,
    InvocationId, NewEvent, Refusal, TenantId, Timestamp, ToolCall, ToolOutput, ToolReply, ToolResult, WebhookId,
};
use serde_json::Value;
use tokio::sync::Semaphore;

type Decide = dyn Fn(&IngressCall) -> Result<IngressOutcome, Refusal> + Send + Sync;

/// Runs a closure as transform; its tools say `done`, or trap.
pub(super) struct FakeGuests {
    decide: Box<Decide>,
    transforms: Mutex<Vec<IngressCall>>,
    calls: Mutex<Vec<ToolCall>>,
    /// Calls need a permit of it to end.
    pub(super) may_finish: Semaphore,
}

impl FakeGuests {
    pub(super) fn new(
        decide: impl Fn(&IngressCall) -> Result<IngressOutcome, Refusal> + Send + Sync + 'static,
    ) -> Self {
        let may_finish = Semaphore::new(Semaphore::MAX_PERMITS);
        Self { decide: Box::new(decide), transforms: Mutex::default(), calls: Mutex::default(), may_finish }
    }

    pub(super) fn transforms(&self) -> Vec<IngressCall> {
        self.transforms.lock().unwrap().clone()
    }

    pub(super) fn calls(&self) -> Vec<ToolCall> {
        self.calls.lock().unwrap().clone()
    }
}

#[async_trait]
impl Guests for FakeGuests {
    fn installed(&self, _: &TenantId) -> Vec<Installed> {
        Vec::new()
    }

    async fn call_tool(&self, call: ToolCall) -> Result<ToolReply, Refusal> {
        self.calls.lock().unwrap().push(call.clone());
        self.may_finish.acquire().await.unwrap().forget();
        let guest = call.target.skill.to_string();
        if guest == "busy-at-first" && self.calls().len() < 3 || guest == "busy" {
            return Err(Refusal::Busy("all instances are in use".to_owned()));
        }
        if guest == "cancelled" {
            return Err(Refusal::Cancelled);
        }
        if guest == "trapping" {
            return Err(Refusal::Trapped { guest, reason: "unreachable".to_owned() });
        }
        let content = vec![Content::Text("done".to_owned())];
        Ok(ToolReply {
            invocation: InvocationId::new(),
            skill: call.target.skill,
            tool: call.target.tool.unwrap_or_else(|| "run".parse().unwrap()),
            output: ToolOutput::Complete(ToolResult { content, structured: None }),
            duration: Duration::from_millis(5),
        })
    }

    async fn transform_ingress(&self, call: IngressCall) -> Result<IngressReply, Refusal> {
        let outcome = (self.decide)(&call);
        self.transforms.lock().unwrap().push(call);
        Ok(IngressReply { outcome: outcome?, digest: Digest::from_bytes([7; 32]), duration: Duration::from_micros(9) })
    }

    async fn transform_egress(&self, _: EgressCall) -> Result<EgressReply, Refusal> {
        Err(Refusal::SkillNotFound("no transform here".to_owned()))
    }
}

/// Fills `{{body.field}}` in from a JSON or form body, enough for these tests.
pub(super) fn fill_template(call: &IngressCall) -> Result<IngressOutcome, Refusal> {
    let failed = |reason: String| Refusal::TransformFailed { transform: "template".to_owned(), reason };
    let body: Value = match call.request.content_type.as_deref() {
        Some("application/x-www-form-urlencoded") => {
            let pairs = form_urlencoded::parse(&call.request.body).into_owned();
            pairs.map(|(name, value)| (name, Value::from(value))).collect()
        }
        _ => serde_json::from_slice(&call.request.body).map_err(|error| failed(error.to_string()))?,
    };
    let settings: Value = serde_json::from_str(&call.request.settings).unwrap();
    let mut pieces = settings["message"].as_str().unwrap().split("{{body.");
    let mut text = pieces.next().unwrap().to_owned();
    let mut missing = 0;
    for piece in pieces {
        let (field, rest) = piece.split_once("}}").unwrap();
        match body[field].as_str() {
            Some(value) => text.push_str(value),
            None => missing += 1,
        }
        text.push_str(rest);
    }
    Ok(IngressOutcome::Message { text, conversation: None, missing })
}

/// Keeps entries in memory.
pub(super) struct FakeInbox {
    entries: Mutex<Vec<InboxEntry>>,
    settled: Mutex<Vec<WebhookId>>,
    /// `accept` needs a permit of it to return.
    pub(super) may_accept: Semaphore,
    /// Whether `find` misses what is there, as it does when two requests race.
    pub(super) is_blind: std::sync::atomic::AtomicBool,
}

impl Default for FakeInbox {
    fn default() -> Self {
        let may_accept = Semaphore::new(Semaphore::MAX_PERMITS);
        Self { entries: Mutex::default(), settled: Mutex::default(), may_accept, is_blind: false.into() }
    }
}

impl FakeInbox {
    pub(super) fn entries(&self) -> Vec<InboxEntry> {
        self.entries.lock().unwrap().clone()
    }

    /// Requests whose owed call was settled.
    pub(super) fn settled(&self) -> Vec<WebhookId> {
        self.settled.lock().unwrap().clone()
    }

    /// From now on `accept` waits for permits.
    pub(super) fn hold(&self) {
        self.may_accept.forget_permits(Semaphore::MAX_PERMITS);
    }

    fn known(&self, tenant: &TenantId, path: &str, key: &str) -> Option<InboxRecord> {
        let entries = self.entries.lock().unwrap();
        let entry = entries
            .iter()
            .find(|entry| entry.tenant == *tenant && entry.path == path && entry.key.as_deref() == Some(key))?;
        let (status, response) = (entry.verdict.status, entry.verdict.response.clone());
        Some(InboxRecord { id: entry.id.to_string(), status, response })
    }
}

#[async_trait]
impl Inbox for FakeInbox {
    async fn find(&self, tenant: &TenantId, path: &str, key: &str) -> Result<Option<InboxRecord>, Refusal> {
        if self.is_blind.load(std::sync::atomic::Ordering::SeqCst) {
            return Ok(None);
        }
        Ok(self.known(tenant, path, key))
    }

    async fn accept(&self, entry: InboxEntry) -> Result<Accepted, Refusal> {
        if let Some(key) = &entry.key
            && let Some(record) = self.known(&entry.tenant, &entry.path, key)
        {
            return Ok(Accepted::Duplicate(record));
        }
        let events = entry.events.iter().cloned();
        let events = events.map(|fact| Event { seq: 1, id: "evt_1".to_owned(), fact }).collect();
        self.entries.lock().unwrap().push(entry);
        self.may_accept.acquire().await.unwrap().forget();
        Ok(Accepted::New(events))
    }

    async fn owed(&self) -> Result<Vec<OwedCall>, Refusal> {
        let settled = self.settled();
        let entries = self.entries();
        let owed = entries.into_iter().filter(|entry| entry.verdict.outcome == INVOKE && !settled.contains(&entry.id));
        Ok(owed
            .map(|entry| OwedCall {
                id: entry.id,
                tenant: entry.tenant,
                path: entry.path,
                trace: entry.trace,
                detail: entry.verdict.detail,
            })
            .collect())
    }

    async fn settle(&self, _: &TenantId, id: WebhookId, _: Timestamp) -> Result<(), Refusal> {
        self.settled.lock().unwrap().push(id);
        Ok(())
    }
}

/// Keeps events in memory.
#[derive(Default)]
pub(super) struct FakeJournal(Arc<Mutex<Vec<NewEvent>>>);

impl FakeJournal {
    pub(super) fn events(&self) -> Vec<NewEvent> {
        self.0.lock().unwrap().clone()
    }
}

#[async_trait]
impl Journal for FakeJournal {
    fn record(&self, event: NewEvent) {
        self.0.lock().unwrap().push(event);
    }

    async fn events_since(&self, _: &TenantId, _: i64, _: usize) -> Result<Vec<Event>, Refusal> {
        Ok(Vec::new())
    }

    async fn last_seq(&self, _: &TenantId) -> Result<i64, Refusal> {
        Ok(0)
    }

    async fn audit(&self, _: AuditEntry) -> Result<(), Refusal> {
        Ok(())
    }

    async fn trace(&self, _: &TenantId, _: &str) -> Result<Vec<TraceEntry>, Refusal> {
        Ok(Vec::new())
    }
}

/// A moment the tests' clock stands at.
pub(super) const NOW: Timestamp = Timestamp::from_millis(1_780_920_000_000);
