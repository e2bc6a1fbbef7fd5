//! Requests that were accepted while their tenant was paused: kept whole, and decided about when the pause is over.
//!
//! Invariant: a request is decided about once. Its verdict, the events it causes and their deliveries are one
//! transaction, and only the first of several that decide writes anything.

use openclaw_domain::ports::{INVOKE, QUEUED, QueuedRequest, Verdict};
use openclaw_domain::{EndpointName, Event, NewEvent, Refusal, TenantId, Timestamp, WebhookId};
use rusqlite::{Connection, Row, params};
use tokio::sync::oneshot;

use crate::inbox::unnumbered;
use crate::job::{Job, Numbers};
use crate::journal::insert_event;
use crate::outbox::insert_deliveries;
use crate::rows::parsed;
use crate::{Storage, StorageError};

const QUEUED_OF: &str = "SELECT id, path, key, method, query, headers, body, received_at, trace FROM inbox
                         WHERE tenant = ?1 AND outcome = 'queued' ORDER BY id LIMIT ?2";

const QUEUES: &str = "SELECT tenant, count(*) FROM inbox WHERE outcome = 'queued' GROUP BY tenant ORDER BY tenant";

// What the sender was answered stays: a duplicate gets that answer again.
const DECIDE: &str = "UPDATE inbox SET outcome = ?3, detail = ?4, transform = ?5, duration_us = ?6, owed = ?7
                      WHERE tenant = ?1 AND id = ?2 AND outcome = 'queued'";

/// What was decided about a queued request, on its way to the disk.
pub(crate) struct Decision {
    tenant: TenantId,
    id: String,
    verdict: Verdict,
    events: Vec<Event>,
    /// The endpoints each of them is owed to, in their order.
    owed_to: Vec<Vec<EndpointName>>,
    was_queued: bool,
    answer: oneshot::Sender<Result<Option<Vec<Event>>, Refusal>>,
}

impl Decision {
    /// How many events it may write.
    pub(crate) const fn most_events(&self) -> usize {
        self.events.len()
    }

    /// The events the last run wrote.
    pub(crate) fn written(&self) -> &[Event] {
        if self.was_queued { &self.events } else { &[] }
    }

    /// Writes it, unless somebody decided before.
    pub(crate) fn run(&mut self, conn: &Connection, numbers: &mut Numbers) -> rusqlite::Result<()> {
        let Verdict { outcome, detail, transform, duration_us, .. } = &self.verdict;
        let changed = conn.prepare_cached(DECIDE)?.execute(params![
            self.tenant.as_str(),
            self.id,
            outcome,
            detail,
            transform,
            i64::try_from(*duration_us).unwrap_or(i64::MAX),
            outcome == INVOKE,
        ])?;
        self.was_queued = changed > 0;
        if self.was_queued {
            for (event, owed_to) in self.events.iter_mut().zip(&self.owed_to) {
                insert_event(conn, event, numbers)?;
                insert_deliveries(conn, event, owed_to)?;
            }
        }
        Ok(())
    }

    /// Tells whoever waits.
    pub(crate) fn answer(self, result: Result<(), StorageError>) {
        let answer = match result {
            Ok(()) => Ok(self.was_queued.then_some(self.events)),
            Err(error) => Err(Refusal::internal(error)),
        };
        // Whoever asked may have gone: the decision is kept all the same.
        let _ = self.answer.send(answer);
    }
}

impl Storage {
    /// The port's `queued`.
    pub(crate) async fn queued_requests(&self, tenant: &TenantId, limit: usize) -> Result<Vec<QueuedRequest>, Refusal> {
        let tenant = tenant.clone();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.inner
            .readers
            .read(move |conn| {
                conn.prepare_cached(QUEUED_OF)?
                    .query_map(params![tenant.as_str(), limit], |row| queued(row, &tenant))?
                    .collect()
            })
            .await
    }

    /// The port's `queues`.
    pub(crate) async fn inbox_queues(&self) -> Result<Vec<(TenantId, u64)>, Refusal> {
        self.inner
            .readers
            .read(|conn| {
                conn.prepare_cached(QUEUES)?
                    .query_map([], |row| Ok((parsed(row, 0)?, row.get::<_, i64>(1)?.cast_unsigned())))?
                    .collect()
            })
            .await
    }

    /// The port's `decide`.
    pub(crate) async fn decide_queued(
        &self,
        tenant: &TenantId,
        id: WebhookId,
        verdict: Verdict,
        events: Vec<NewEvent>,
    ) -> Result<Option<Vec<Event>>, Refusal> {
        if verdict.outcome == QUEUED {
            return Err(Refusal::invalid("outcome", "is still `queued`: decide, or leave the request where it is"));
        }
        let owed_to = events.iter().map(|event| self.owed_to(event)).collect();
        let (tx, rx) = oneshot::channel();
        let decision = Decision {
            tenant: tenant.clone(),
            id: id.to_string(),
            verdict,
            events: events.into_iter().map(unnumbered).collect(),
            owed_to,
            was_queued: false,
            answer: tx,
        };
        self.push_awaited("inbox", Job::Decide(Box::new(decision)), rx).await
    }
}

fn queued(row: &Row<'_>, tenant: &TenantId) -> rusqlite::Result<QueuedRequest> {
    Ok(QueuedRequest {
        id: parsed(row, 0)?,
        tenant: tenant.clone(),
        path: row.get(1)?,
        key: row.get(2)?,
        method: row.get(3)?,
        query: row.get(4)?,
        headers: row.get(5)?,
        body: row.get::<_, Vec<u8>>(6)?.into(),
        received_at: Timestamp::from_millis(row.get(7)?),
        trace: parsed(row, 8)?,
    })
}
