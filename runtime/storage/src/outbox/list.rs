//! What operators and metrics read of the outbox.

use openclaw_domain::{
    Attempt, Backlog, DeliveryDetail, DeliveryId, DeliveryQuery, DeliveryRecord, DeliveryState, EndpointHealth,
    EndpointKey, EventKind, TenantId, Timestamp,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::lease::body;
use super::rows;
use crate::journal::event_of;
use crate::rows::{named, parsed};

/// The columns of a [`DeliveryRecord`], those of its event in front.
const COLUMNS: &str = "e.seq, e.id, e.kind, e.data, e.trace, e.at, e.session,
    d.tenant, d.endpoint, d.id, d.state, d.attempts, d.created_at, d.next_at, d.settled_at, d.last_status, d.last_error";

fn key(row: &Row<'_>, first: usize) -> rusqlite::Result<EndpointKey> {
    Ok(EndpointKey { tenant: parsed(row, first)?, name: parsed(row, first + 1)? })
}

fn moment(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis))
}

fn record(row: &Row<'_>) -> rusqlite::Result<DeliveryRecord> {
    let state = named(row, 10, DeliveryState::from_name)?;
    Ok(DeliveryRecord {
        id: parsed(row, 9)?,
        endpoint: key(row, 7)?,
        event_id: row.get(1)?,
        kind: named(row, 2, EventKind::from_name)?,
        state,
        attempts: row.get(11)?,
        created_at: Timestamp::from_millis(row.get(12)?),
        next_at: if state == DeliveryState::Pending { moment(row, 13)? } else { None },
        settled_at: moment(row, 14)?,
        last_status: row.get(15)?,
        last_error: row.get(16)?,
    })
}

pub(super) fn records(conn: &Connection, query: &DeliveryQuery) -> rusqlite::Result<Vec<DeliveryRecord>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM deliveries d JOIN events e ON e.seq = d.seq
         WHERE (?1 IS NULL OR d.tenant = ?1) AND (?2 IS NULL OR d.endpoint = ?2)
           AND (?3 IS NULL OR d.state = ?3) AND (?4 IS NULL OR d.created_at >= ?4)
         ORDER BY d.number DESC LIMIT ?5"
    );
    conn.prepare_cached(&sql)?
        .query_map(
            params![
                query.tenant.as_ref().map(TenantId::as_str),
                query.endpoint.as_ref().map(openclaw_domain::EndpointName::as_str),
                query.state.map(DeliveryState::as_str),
                query.since.map(Timestamp::as_millis),
                rows(query.limit),
            ],
            record,
        )?
        .collect()
}

pub(super) fn detail(conn: &Connection, id: DeliveryId) -> rusqlite::Result<Option<DeliveryDetail>> {
    let sql = format!(
        "SELECT {COLUMNS}, d.content_type, d.headers, d.body, d.transform, d.slots, d.number
         FROM deliveries d JOIN events e ON e.seq = d.seq WHERE d.id = ?1"
    );
    let found = conn
        .prepare_cached(&sql)?
        .query_row([id.to_string()], |row| {
            let record = record(row)?;
            let event = event_of(row, &record.endpoint.tenant)?;
            Ok((DeliveryDetail { event, body: body(row, 17)?, attempts: Vec::new(), record }, row.get::<_, i64>(22)?))
        })
        .optional()?;
    let Some((mut detail, number)) = found else { return Ok(None) };
    detail.attempts = conn
        .prepare_cached(
            "SELECT at, duration_us, status, error, excerpt FROM attempts WHERE delivery = ?1 ORDER BY number",
        )?
        .query_map([number], attempt)?
        .collect::<Result<_, _>>()?;
    Ok(Some(detail))
}

fn attempt(row: &Row<'_>) -> rusqlite::Result<Attempt> {
    let micros: i64 = row.get(1)?;
    Ok(Attempt {
        at: Timestamp::from_millis(row.get(0)?),
        duration: std::time::Duration::from_micros(u64::try_from(micros).unwrap_or(0)),
        status: row.get(2)?,
        error: row.get(3)?,
        excerpt: row.get(4)?,
    })
}

pub(super) fn backlog(conn: &Connection) -> rusqlite::Result<Vec<Backlog>> {
    // The count is of the index alone; the oldest is the one with the least number, read once for each endpoint.
    conn.prepare_cached(
        "SELECT o.tenant, o.endpoint, o.open, d.created_at FROM
             (SELECT tenant, endpoint, count(*) AS open, min(number) AS oldest
              FROM deliveries INDEXED BY deliveries_open WHERE settled_at IS NULL GROUP BY tenant, endpoint) o
         JOIN deliveries d ON d.number = o.oldest",
    )?
    .query_map([], |row| {
        let open: i64 = row.get(2)?;
        Ok(Backlog {
            endpoint: key(row, 0)?,
            open: u64::try_from(open).unwrap_or(0),
            oldest: Timestamp::from_millis(row.get(3)?),
        })
    })?
    .collect()
}

pub(super) fn health(conn: &Connection) -> rusqlite::Result<Vec<(EndpointKey, EndpointHealth)>> {
    conn.prepare_cached("SELECT tenant, endpoint, failing_since, disabled_at, reason FROM endpoint_health")?
        .query_map([], |row| {
            let reason: Option<String> = row.get(4)?;
            let disabled = moment(row, 3)?.map(|at| (at, reason.unwrap_or_default()));
            Ok((key(row, 0)?, EndpointHealth { failing_since: moment(row, 2)?, disabled }))
        })?
        .collect()
}
