//! Tests of storage against real SQLite in a temporary folder, and what they share: values, and a writer that stands
//! still until it is told to go on.

mod backup;
mod conversations;
mod grants;
mod inbox;
mod inbox_queue;
mod journal;
mod kv;
mod opening;
mod packages;
mod retention;
mod secrets;
mod tenants;
mod tokens;
mod writer;

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use openclaw_domain::ports::{Accepted, InboxEntry, Journal, Verdict};
use openclaw_domain::{Event, EventKind, NewEvent, TenantId, Timestamp, TraceId, WebhookId};
use tempfile::TempDir;

use crate::{Storage, StorageOptions};

/// A home that goes with the test.
pub(crate) fn home() -> TempDir {
    tempfile::tempdir().unwrap()
}

pub(crate) fn open(home: &Path) -> Storage {
    Storage::open(home, StorageOptions::default()).unwrap()
}

pub(crate) fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

pub(crate) fn event(owner: &str, data: &str) -> NewEvent {
    NewEvent {
        tenant: tenant(owner),
        kind: EventKind::TaskCompleted,
        data: data.to_owned(),
        trace: TraceId::new(),
        at: Timestamp::from_millis(1_780_920_000_000),
        session: Some(u64::MAX),
    }
}

/// A request of `owner` with one event whose data is the body.
pub(crate) fn entry(owner: &str, path: &str, key: Option<&str>, body: &str) -> InboxEntry {
    let trace = TraceId::new();
    InboxEntry {
        id: WebhookId::new(),
        tenant: tenant(owner),
        path: path.to_owned(),
        key: key.map(str::to_owned),
        method: "POST".to_owned(),
        query: String::new(),
        headers: "[]".to_owned(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        received_at: Timestamp::from_millis(1_780_920_000_000),
        trace,
        verdict: Verdict {
            outcome: "message".to_owned(),
            detail: r#"{"text":"hello"}"#.to_owned(),
            transform: "template@sha256:00".to_owned(),
            duration_us: 12,
            status: 202,
            response: Some(("text/plain".to_owned(), Bytes::from_static(b"thanks"))),
        },
        events: vec![NewEvent { trace, ..event(owner, body) }],
    }
}

fn new_events(accepted: Accepted) -> Vec<Event> {
    match accepted {
        Accepted::New(events) => events,
        Accepted::Duplicate(record) => panic!("a duplicate of {}", record.id),
    }
}

/// Remembers what its listener heard.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<Event>>>);

impl Heard {
    fn listener(&self) -> crate::Listener {
        let heard = self.clone();
        Box::new(move |events| heard.0.lock().unwrap().extend_from_slice(events))
    }

    fn seqs(&self) -> Vec<i64> {
        self.0.lock().unwrap().iter().map(|event| event.seq).collect()
    }

    fn data(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|event| event.fact.data.clone()).collect()
    }
}

/// A storage whose writer stands still in its listener until [`Stalled::go_on`]; what is queued meanwhile is one group.
struct Stalled {
    // Dropped first: a storage that is dropped waits for its writer, which waits for the gate.
    gate: Sender<()>,
    storage: Storage,
}

impl Stalled {
    fn open(home: &Path, options: StorageOptions) -> Self {
        let storage = Storage::open(home, options).unwrap();
        let (gate, wait): (Sender<()>, Receiver<()>) = channel();
        let (arrived_tx, arrived) = channel();
        let wait = Mutex::new(wait);
        storage.set_listener(Box::new(move |_| {
            arrived_tx.send(()).unwrap();
            // An error means that the gate is open for good.
            let _ = wait.lock().unwrap().recv();
        }));
        storage.record(event("stall", "{}"));
        arrived.recv().unwrap();
        Self { gate, storage }
    }

    /// Waits until `count` jobs are queued behind the writer.
    async fn queued(&self, count: usize) {
        while self.storage.stats().queued < count {
            tokio::task::yield_now().await;
        }
    }

    fn go_on(self) -> Storage {
        drop(self.gate);
        self.storage
    }
}
