//! Takes deliveries for a worker: whoever reads them out has also marked them, in one transaction.

use openclaw_domain::ports::Leased;
use openclaw_domain::{BodySlot, DeliveryBody, EndpointKey, Lease, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::rows;
use crate::journal::event_of;
use crate::rows::{parsed, unfit};

/// Which deliveries are wanted.
#[derive(Clone, Copy)]
pub(super) enum Which {
    /// So many that may be tried, in the order they became so.
    Due(usize),
    /// The oldest, if it may be tried.
    Oldest,
}

/// The columns of a [`Lease`], with those of its event in front.
const COLUMNS: &str = "e.seq, e.id, e.kind, e.data, e.trace, e.at, e.session,
    d.id, d.attempts, d.first_attempt_at, d.content_type, d.headers, d.body, d.transform, d.slots";

/// Marks them as taken until `until` and reads them out.
pub(super) fn take(
    conn: &Connection,
    endpoint: &EndpointKey,
    which: Which,
    now: Timestamp,
    until: Timestamp,
) -> rusqlite::Result<Leased> {
    let (tenant, name) = (endpoint.tenant.as_str(), endpoint.name.as_str());
    let numbers: Vec<i64> = match which {
        Which::Due(limit) => conn
            .prepare_cached(
                "SELECT number FROM deliveries INDEXED BY deliveries_due
                 WHERE tenant = ?1 AND endpoint = ?2 AND settled_at IS NULL AND next_at <= ?3
                 ORDER BY next_at, number LIMIT ?4",
            )?
            .query_map(params![tenant, name, now.as_millis(), rows(limit)], |row| row.get(0))?
            .collect::<Result<_, _>>()?,
        Which::Oldest => {
            let oldest: Option<(i64, i64)> = conn
                .prepare_cached(
                    "SELECT number, next_at FROM deliveries INDEXED BY deliveries_open
                     WHERE tenant = ?1 AND endpoint = ?2 AND settled_at IS NULL ORDER BY number LIMIT 1",
                )?
                .query_row([tenant, name], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            match oldest {
                Some((number, at)) if at <= now.as_millis() => vec![number],
                Some((_, at)) => {
                    return Ok(Leased { leases: Vec::new(), next_at: Some(Timestamp::from_millis(at)) });
                }
                None => return Ok(Leased::default()),
            }
        }
    };
    let mut leases = Vec::with_capacity(numbers.len());
    for number in numbers {
        conn.prepare_cached("UPDATE deliveries SET state = 'leased', next_at = ?2 WHERE number = ?1")?
            .execute(params![number, until.as_millis()])?;
        let sql = format!("SELECT {COLUMNS} FROM deliveries d JOIN events e ON e.seq = d.seq WHERE d.number = ?1");
        leases.push(conn.prepare_cached(&sql)?.query_row([number], |row| lease(row, endpoint, until))?);
    }
    let next_at: Option<i64> = conn
        .prepare_cached(
            "SELECT min(next_at) FROM deliveries INDEXED BY deliveries_due
             WHERE tenant = ?1 AND endpoint = ?2 AND settled_at IS NULL",
        )?
        .query_row([tenant, name], |row| row.get(0))?;
    Ok(Leased { leases, next_at: next_at.map(Timestamp::from_millis) })
}

fn lease(row: &Row<'_>, endpoint: &EndpointKey, until: Timestamp) -> rusqlite::Result<Lease> {
    Ok(Lease {
        id: parsed(row, 7)?,
        endpoint: endpoint.clone(),
        event: event_of(row, &endpoint.tenant)?,
        attempts: row.get(8)?,
        first_attempt_at: row.get::<_, Option<i64>>(9)?.map(Timestamp::from_millis),
        body: body(row, 10)?,
        until,
    })
}

/// The five columns of a body from `first` on; nothing if it is not decided yet.
pub(super) fn body(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<DeliveryBody>> {
    let Some(content_type) = row.get::<_, Option<String>>(first)? else { return Ok(None) };
    let headers: String = row.get(first + 1)?;
    Ok(Some(DeliveryBody {
        content_type,
        headers: serde_json::from_str(&headers).map_err(|error| unfit(first + 1, error))?,
        body: row.get::<_, Vec<u8>>(first + 2)?.into(),
        transform: row.get(first + 3)?,
        slots: slots(row, first + 4)?,
    }))
}

fn slots(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<BodySlot>> {
    let Some(text) = row.get::<_, Option<String>>(column)? else { return Ok(Vec::new()) };
    let slots: Vec<(Vec<String>, String, Option<String>)> =
        serde_json::from_str(&text).map_err(|error| unfit(column, error))?;
    Ok(slots.into_iter().map(|(pointer, head, tail)| BodySlot { pointer, head, tail }).collect())
}

/// Frees everything that is taken, at once.
pub(super) fn end_all(conn: &Connection) -> rusqlite::Result<u64> {
    let ended = conn.execute(
        "UPDATE deliveries SET state = 'pending', next_at = created_at WHERE settled_at IS NULL AND state = 'leased'",
        [],
    )?;
    Ok(ended as u64)
}
