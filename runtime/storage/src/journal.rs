//! The journal: events in their one order, the audit record, and everything that happened under one trace.
//!
//! Invariant: every read is by tenant; no query here can see two tenants' rows.

use async_trait::async_trait;
use openclaw_domain::ports::{AuditEntry, Journal, TraceEntry};
use openclaw_domain::{Event, EventKind, NewEvent, Refusal, TenantId, Timestamp};
use rusqlite::{Connection, Row, params};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::Storage;
use crate::inbox::unnumbered;
use crate::job::{Job, Numbers};
use crate::rows::{named, parsed, unfit};

/// Gives an event its place and writes it.
pub(crate) fn insert_event(conn: &Connection, event: &mut Event, numbers: &mut Numbers) -> rusqlite::Result<()> {
    numbers.assign(event);
    let NewEvent { tenant, kind, data, trace, at, session } = &event.fact;
    conn.prepare_cached(
        "INSERT INTO events (seq, id, tenant, kind, data, trace, at, session)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        event.seq,
        event.id,
        tenant.as_str(),
        kind.as_str(),
        data,
        trace.to_string(),
        at.as_millis(),
        session.map(u64::cast_signed),
    ])
    .map(drop)
}

/// An event from the columns `seq, id, kind, data, trace, at, session`, which stand first in the row.
pub(crate) fn event_of(row: &Row<'_>, tenant: &TenantId) -> rusqlite::Result<Event> {
    let fact = NewEvent {
        tenant: tenant.clone(),
        kind: named(row, 2, EventKind::from_name)?,
        data: row.get(3)?,
        trace: parsed(row, 4)?,
        at: Timestamp::from_millis(row.get(5)?),
        session: row.get::<_, Option<i64>>(6)?.map(i64::cast_unsigned),
    };
    Ok(Event { seq: row.get(0)?, id: row.get(1)?, fact })
}

#[async_trait]
impl Journal for Storage {
    fn record(&self, event: NewEvent) {
        let owed_to = self.owed_to(&event);
        if let Err(Job::Record(event, _)) = self.push_unawaited(Job::Record(unnumbered(event), owed_to)) {
            tracing::error!(kind = event.fact.kind.as_str(), "an event came after the storage was closed");
        }
    }

    async fn events_since(&self, tenant: &TenantId, seq: i64, limit: usize) -> Result<Vec<Event>, Refusal> {
        let tenant = tenant.clone();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.inner
            .readers
            .read(move |conn| {
                let mut statement = conn.prepare_cached(
                    "SELECT seq, id, kind, data, trace, at, session FROM events
                     WHERE tenant = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
                )?;
                statement.query_map(params![tenant.as_str(), seq, limit], |row| event_of(row, &tenant))?.collect()
            })
            .await
    }

    async fn last_seq(&self, tenant: &TenantId) -> Result<i64, Refusal> {
        let tenant = tenant.clone();
        self.inner
            .readers
            .read(move |conn| {
                let newest: Option<i64> = conn
                    .prepare_cached("SELECT max(seq) FROM events WHERE tenant = ?1")?
                    .query_row([tenant.as_str()], |row| row.get(0))?;
                Ok(newest.unwrap_or(0))
            })
            .await
    }

    async fn audit(&self, entry: AuditEntry) -> Result<(), Refusal> {
        self.write(move |conn| {
            let AuditEntry { at, tenant, actor, action, subject, detail } = &entry;
            conn.prepare_cached(
                "INSERT INTO audit (at, tenant, actor, action, subject, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![at.as_millis(), tenant.as_str(), actor, action, subject, detail])
            .map(drop)
        })
        .await
    }

    async fn trace(&self, tenant: &TenantId, trace: &str) -> Result<Vec<TraceEntry>, Refusal> {
        let (tenant, trace) = (tenant.clone(), trace.to_owned());
        self.inner.readers.read(move |conn| read_trace(conn, &tenant, &trace)).await
    }
}

fn read_trace(conn: &Connection, tenant: &TenantId, trace: &str) -> rusqlite::Result<Vec<TraceEntry>> {
    let mut entries: Vec<TraceEntry> = conn
        .prepare_cached(
            "SELECT id, method, path, outcome, detail, transform, duration_us, status, received_at FROM inbox
             WHERE tenant = ?1 AND trace = ?2 ORDER BY number",
        )?
        .query_map([tenant.as_str(), trace], webhook_entry)?
        .collect::<Result<_, _>>()?;
    let mut statement =
        conn.prepare_cached("SELECT kind, data, at FROM events WHERE tenant = ?1 AND trace = ?2 ORDER BY seq")?;
    let events = statement.query_map([tenant.as_str(), trace], |row| {
        Ok(TraceEntry {
            at: Timestamp::from_millis(row.get(2)?),
            source: "event".to_owned(),
            what: row.get(0)?,
            detail: row.get(1)?,
        })
    })?;
    for entry in events {
        entries.push(entry?);
    }
    // Stable: of the same millisecond, the request stands before what it caused.
    entries.sort_by_key(|entry| entry.at);
    Ok(entries)
}

/// What a trace says of a webhook request.
#[derive(Serialize)]
struct WebhookDetail {
    id: String,
    method: String,
    path: String,
    status: u16,
    transform: String,
    duration_us: i64,
    detail: Box<RawValue>,
}

fn webhook_entry(row: &Row<'_>) -> rusqlite::Result<TraceEntry> {
    let detail: String = row.get(4)?;
    // The detail is JSON by contract; text that is not stands there as a string rather than hiding the entry.
    let detail = RawValue::from_string(detail.clone())
        .or_else(|_| serde_json::value::to_raw_value(&detail))
        .map_err(|error| unfit(4, error))?;
    let (outcome, path): (String, String) = (row.get(3)?, row.get(2)?);
    let what = format!("{outcome} {path}");
    let detail = WebhookDetail {
        id: row.get(0)?,
        method: row.get(1)?,
        path,
        status: row.get(7)?,
        transform: row.get(5)?,
        duration_us: row.get(6)?,
        detail,
    };
    Ok(TraceEntry {
        at: Timestamp::from_millis(row.get(8)?),
        source: "webhook".to_owned(),
        what,
        detail: serde_json::to_string(&detail).map_err(|error| unfit(4, error))?,
    })
}
