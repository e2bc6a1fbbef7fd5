//! The inbox: accepted webhook requests, each written once with its verdict and its events.
//!
//! Invariant: of requests with the same tenant, path and key one is written, whatever their interleaving: the unique
//! index decides inside the writer's transaction, and every other gets the first one's answer. A request whose outcome
//! is `invoke` owes a call from the transaction that accepts it until the one that settles it.

use async_trait::async_trait;
use bytes::Bytes;
use openclaw_domain::ports::{Accepted, INVOKE, Inbox, InboxEntry, InboxRecord, OwedCall, QueuedRequest, Verdict};
use openclaw_domain::{EndpointName, Event, NewEvent, Refusal, TenantId, Timestamp, WebhookId};
use rusqlite::{Connection, OptionalExtension, Row, params};
use tokio::sync::oneshot;

use crate::job::{Job, Numbers};
use crate::journal::insert_event;
use crate::outbox::insert_deliveries;
use crate::rows::parsed;
use crate::{Storage, StorageError};

const INSERT: &str = "INSERT INTO inbox (
    id, tenant, path, key, method, query, headers, body, received_at, trace,
    outcome, detail, transform, duration_us, status, response_type, response_body, owed
) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)
ON CONFLICT (tenant, path, key) WHERE key IS NOT NULL DO NOTHING";

const FIND: &str =
    "SELECT id, status, response_type, response_body FROM inbox WHERE tenant = ?1 AND path = ?2 AND key = ?3";

const OWED: &str = "SELECT id, tenant, path, trace, detail FROM inbox WHERE owed = 1 ORDER BY number";

const SETTLE: &str = "UPDATE inbox SET owed = 0, settled_at = ?2 WHERE id = ?1 AND tenant = ?3 AND owed = 1";

/// A request on its way to the disk.
pub(crate) struct Acceptance {
    entry: InboxEntry,
    /// The events it causes; they have their places once it was run.
    events: Vec<Event>,
    /// The endpoints each of them is owed to, in their order.
    owed_to: Vec<Vec<EndpointName>>,
    duplicate_of: Option<InboxRecord>,
    answer: oneshot::Sender<Result<Accepted, Refusal>>,
}

impl Acceptance {
    /// Whether the last run wrote it.
    const fn is_new(&self) -> bool {
        self.duplicate_of.is_none()
    }

    /// How many events it may write.
    pub(crate) const fn most_events(&self) -> usize {
        self.events.len()
    }

    /// The events the last run wrote.
    pub(crate) fn written(&self) -> &[Event] {
        if self.is_new() { &self.events } else { &[] }
    }

    /// Writes it and its events, unless one with its key is there.
    pub(crate) fn run(&mut self, conn: &Connection, numbers: &mut Numbers) -> rusqlite::Result<()> {
        let InboxEntry { id, tenant, path, key, method, query, headers, body, received_at, trace, verdict, .. } =
            &self.entry;
        let (response_type, response_body) = match &verdict.response {
            Some((media_type, body)) => (Some(media_type.as_str()), Some(body.as_ref())),
            None => (None, None),
        };
        let written = conn.prepare_cached(INSERT)?.execute(params![
            id.to_string(),
            tenant.as_str(),
            path,
            key,
            method,
            query,
            headers,
            body.as_ref(),
            received_at.as_millis(),
            trace.to_string(),
            verdict.outcome,
            verdict.detail,
            verdict.transform,
            i64::try_from(verdict.duration_us).unwrap_or(i64::MAX),
            verdict.status,
            response_type,
            response_body,
            verdict.outcome == INVOKE,
        ])?;
        // Only a key can stand in the way, so a request without one was written.
        self.duplicate_of = match key {
            Some(key) if written == 0 => {
                Some(conn.prepare_cached(FIND)?.query_row(params![tenant.as_str(), path, key], record)?)
            }
            _ => None,
        };
        if self.is_new() {
            for (event, owed_to) in self.events.iter_mut().zip(&self.owed_to) {
                insert_event(conn, event, numbers)?;
                insert_deliveries(conn, event, owed_to)?;
            }
        }
        Ok(())
    }

    /// Tells whoever waits.
    pub(crate) fn answer(self, result: Result<(), StorageError>) {
        let answer = match (result, self.duplicate_of) {
            (Err(error), _) => Err(Refusal::internal(error)),
            (Ok(()), Some(record)) => Ok(Accepted::Duplicate(record)),
            (Ok(()), None) => Ok(Accepted::New(self.events)),
        };
        // The sender may have hung up; its request is kept all the same.
        let _ = self.answer.send(answer);
    }
}

fn owed(row: &Row<'_>) -> rusqlite::Result<OwedCall> {
    Ok(OwedCall {
        id: parsed(row, 0)?,
        tenant: parsed(row, 1)?,
        path: row.get(2)?,
        trace: parsed(row, 3)?,
        detail: row.get(4)?,
    })
}

fn record(row: &Row<'_>) -> rusqlite::Result<InboxRecord> {
    let media_type: Option<String> = row.get(2)?;
    let body: Option<Vec<u8>> = row.get(3)?;
    Ok(InboxRecord { id: row.get(0)?, status: row.get(1)?, response: media_type.zip(body.map(Bytes::from)) })
}

#[async_trait]
impl Inbox for Storage {
    async fn find(&self, tenant: &TenantId, path: &str, key: &str) -> Result<Option<InboxRecord>, Refusal> {
        let (tenant, path, key) = (tenant.clone(), path.to_owned(), key.to_owned());
        self.inner
            .readers
            .read(move |conn| {
                conn.prepare_cached(FIND)?.query_row(params![tenant.as_str(), path, key], record).optional()
            })
            .await
    }

    async fn accept(&self, mut entry: InboxEntry) -> Result<Accepted, Refusal> {
        let events = std::mem::take(&mut entry.events);
        let owed_to = events.iter().map(|event| self.owed_to(event)).collect();
        let events = events.into_iter().map(unnumbered).collect();
        let (tx, rx) = oneshot::channel();
        let acceptance = Acceptance { entry, events, owed_to, duplicate_of: None, answer: tx };
        self.push_awaited("inbox", Job::Accept(Box::new(acceptance)), rx).await
    }

    async fn owed(&self) -> Result<Vec<OwedCall>, Refusal> {
        self.inner.readers.read(|conn| conn.prepare_cached(OWED)?.query_map([], owed)?.collect()).await
    }

    async fn settle(&self, tenant: &TenantId, id: WebhookId, at: Timestamp) -> Result<(), Refusal> {
        let (tenant, id) = (tenant.clone(), id.to_string());
        self.write(move |conn| {
            conn.prepare_cached(SETTLE)?.execute(params![id, at.as_millis(), tenant.as_str()]).map(drop)
        })
        .await
    }

    async fn queued(&self, tenant: &TenantId, limit: usize) -> Result<Vec<QueuedRequest>, Refusal> {
        self.queued_requests(tenant, limit).await
    }

    async fn queues(&self) -> Result<Vec<(TenantId, u64)>, Refusal> {
        self.inbox_queues().await
    }

    async fn decide(
        &self,
        tenant: &TenantId,
        id: WebhookId,
        verdict: Verdict,
        events: Vec<NewEvent>,
    ) -> Result<Option<Vec<Event>>, Refusal> {
        self.decide_queued(tenant, id, verdict, events).await
    }
}

/// An event that has no place yet.
pub(crate) const fn unnumbered(fact: NewEvent) -> Event {
    Event { seq: 0, id: String::new(), fact }
}
