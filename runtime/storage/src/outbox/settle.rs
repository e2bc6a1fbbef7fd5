//! What happens to a delivery once somebody holds it: its body is fixed, it is settled or put back; and what operators
//! and time do to settled ones.

use openclaw_domain::{
    Attempt, DeliveryBody, DeliveryId, DeliveryState, EndpointHealth, EndpointKey, Settlement, Timestamp,
};
use rusqlite::{Connection, OptionalExtension, params};

use super::rows;
use crate::rows::unfit;

/// The delivery with this id while its lease ends at `?2`: both are the holder's proof.
const HELD: &str = "id = ?1 AND state = 'leased' AND next_at = ?2";

pub(super) fn fix(conn: &Connection, id: DeliveryId, until: Timestamp, body: &DeliveryBody) -> rusqlite::Result<bool> {
    let headers = serde_json::to_string(&body.headers).map_err(|error| unfit(0, error))?;
    let slots: Vec<_> = body.slots.iter().map(|slot| (&slot.pointer, &slot.head, &slot.tail)).collect();
    let slots = serde_json::to_string(&slots).map_err(|error| unfit(0, error))?;
    let sql = format!(
        "UPDATE deliveries SET content_type = ?3, headers = ?4, body = ?5, transform = ?6, slots = ?7 WHERE {HELD}"
    );
    let changed = conn.prepare_cached(&sql)?.execute(params![
        id.to_string(),
        until.as_millis(),
        body.content_type,
        headers,
        body.body.as_ref(),
        body.transform,
        slots,
    ])?;
    Ok(changed == 1)
}

pub(super) fn settle(
    conn: &Connection,
    id: DeliveryId,
    until: Timestamp,
    settlement: &Settlement,
) -> rusqlite::Result<bool> {
    let find = format!("SELECT number FROM deliveries WHERE {HELD}");
    let number: Option<i64> = conn
        .prepare_cached(&find)?
        .query_row(params![id.to_string(), until.as_millis()], |row| row.get(0))
        .optional()?;
    let Some(number) = number else { return Ok(false) };
    let (state, next_at, settled_at, error, attempt) = match settlement {
        Settlement::Done { state, at, reason, attempt } => (*state, *at, Some(*at), reason.as_deref(), attempt),
        Settlement::Again { next_at, attempt, reason } => {
            (DeliveryState::Pending, *next_at, None, Some(reason.as_str()), attempt)
        }
    };
    conn.prepare_cached(
        "UPDATE deliveries SET state = ?2, next_at = ?3, settled_at = ?4, last_error = ?5,
             attempts = attempts + ?6, first_attempt_at = coalesce(first_attempt_at, ?7),
             last_status = CASE WHEN ?6 = 1 THEN ?8 ELSE last_status END
         WHERE number = ?1",
    )?
    .execute(params![
        number,
        state.as_str(),
        next_at.as_millis(),
        settled_at.map(Timestamp::as_millis),
        error,
        i64::from(attempt.is_some()),
        attempt.as_ref().map(|attempt| attempt.at.as_millis()),
        attempt.as_ref().and_then(|attempt| attempt.status),
    ])?;
    if let Some(attempt) = attempt {
        insert_attempt(conn, number, attempt)?;
    }
    Ok(true)
}

fn insert_attempt(conn: &Connection, delivery: i64, attempt: &Attempt) -> rusqlite::Result<()> {
    let Attempt { at, duration, status, error, excerpt } = attempt;
    conn.prepare_cached(
        "INSERT INTO attempts (delivery, at, duration_us, status, error, excerpt) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        delivery,
        at.as_millis(),
        i64::try_from(duration.as_micros()).unwrap_or(i64::MAX),
        status,
        error,
        excerpt
    ])
    .map(drop)
}

pub(super) fn set_health(conn: &Connection, key: &EndpointKey, health: &EndpointHealth) -> rusqlite::Result<()> {
    let (tenant, name) = (key.tenant.as_str(), key.name.as_str());
    if *health == EndpointHealth::default() {
        return conn
            .prepare_cached("DELETE FROM endpoint_health WHERE tenant = ?1 AND endpoint = ?2")?
            .execute([tenant, name])
            .map(drop);
    }
    let (disabled_at, reason) = match &health.disabled {
        Some((at, reason)) => (Some(at.as_millis()), Some(reason.as_str())),
        None => (None, None),
    };
    conn.prepare_cached(
        "INSERT INTO endpoint_health (tenant, endpoint, failing_since, disabled_at, reason)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO UPDATE SET failing_since = ?3, disabled_at = ?4, reason = ?5",
    )?
    .execute(params![tenant, name, health.failing_since.map(Timestamp::as_millis), disabled_at, reason])
    .map(drop)
}

/// Writes one column: an attempt that was under way must not enable what was disabled meanwhile.
pub(super) fn set_failing(conn: &Connection, key: &EndpointKey, since: Option<Timestamp>) -> rusqlite::Result<()> {
    let (tenant, name) = (key.tenant.as_str(), key.name.as_str());
    let Some(since) = since else {
        conn.prepare_cached("UPDATE endpoint_health SET failing_since = NULL WHERE tenant = ?1 AND endpoint = ?2")?
            .execute([tenant, name])?;
        return conn
            .prepare_cached("DELETE FROM endpoint_health WHERE tenant = ?1 AND endpoint = ?2 AND disabled_at IS NULL")?
            .execute([tenant, name])
            .map(drop);
    };
    conn.prepare_cached(
        "INSERT INTO endpoint_health (tenant, endpoint, failing_since) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET failing_since = ?3",
    )?
    .execute(params![tenant, name, since.as_millis()])
    .map(drop)
}

/// The first reason stays: it is the one that was told.
pub(super) fn disable(conn: &Connection, key: &EndpointKey, at: Timestamp, reason: &str) -> rusqlite::Result<bool> {
    let changed = conn
        .prepare_cached(
            "INSERT INTO endpoint_health (tenant, endpoint, disabled_at, reason) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET disabled_at = ?3, reason = ?4 WHERE disabled_at IS NULL",
        )?
        .execute(params![key.tenant.as_str(), key.name.as_str(), at.as_millis(), reason])?;
    Ok(changed == 1)
}

pub(super) fn replay(conn: &Connection, ids: &[DeliveryId], now: Timestamp) -> rusqlite::Result<u64> {
    let mut replayed = 0;
    for id in ids {
        replayed += conn
            .prepare_cached(
                "UPDATE deliveries SET state = 'pending', next_at = ?2, attempts = 0, first_attempt_at = NULL,
                     settled_at = NULL
                 WHERE id = ?1 AND settled_at IS NOT NULL",
            )?
            .execute(params![id.to_string(), now.as_millis()])?;
    }
    Ok(replayed as u64)
}

pub(super) fn forget(conn: &Connection, settled_before: Timestamp, limit: usize) -> rusqlite::Result<u64> {
    let numbers: Vec<i64> = conn
        .prepare_cached(
            "SELECT number FROM deliveries WHERE settled_at IS NOT NULL AND settled_at < ?1
             ORDER BY settled_at LIMIT ?2",
        )?
        .query_map(params![settled_before.as_millis(), rows(limit)], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for number in &numbers {
        conn.prepare_cached("DELETE FROM attempts WHERE delivery = ?1")?.execute([number])?;
        conn.prepare_cached("DELETE FROM deliveries WHERE number = ?1")?.execute([number])?;
    }
    Ok(numbers.len() as u64)
}
