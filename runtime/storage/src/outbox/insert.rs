//! Writes the deliveries an event is owed in, within the event's own transaction.

use openclaw_domain::{DeliveryId, EndpointName, Event};
use rusqlite::{Connection, params};

/// One delivery to each endpoint. The event has its place already.
pub(crate) fn insert_deliveries(conn: &Connection, event: &Event, owed_to: &[EndpointName]) -> rusqlite::Result<()> {
    for endpoint in owed_to {
        conn.prepare_cached(
            "INSERT INTO deliveries (id, tenant, endpoint, seq, state, next_at, created_at)
             VALUES (?1, ?2, ?3, ?4, 'pending', ?5, ?5)",
        )?
        .execute(params![
            DeliveryId::new().to_string(),
            event.fact.tenant.as_str(),
            endpoint.as_str(),
            event.seq,
            event.fact.at.as_millis(),
        ])?;
    }
    Ok(())
}
