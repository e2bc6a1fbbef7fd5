//! An accepted webhook request as it was kept, for an operator who wants to run it again.

use bytes::Bytes;
use openclaw_domain::{Refusal, TenantId, Timestamp, TraceId, WebhookId};
use rusqlite::OptionalExtension;

use crate::Storage;
use crate::rows::{parsed, unfit};

/// A webhook request and what was decided about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptRequest {
    /// The endpoint's path.
    pub path: String,
    /// HTTP method.
    pub method: String,
    /// The query, without credentials, as `application/x-www-form-urlencoded` text.
    pub query: String,
    /// Headers without credentials.
    pub headers: Vec<(String, String)>,
    /// The body as it was received.
    pub body: Bytes,
    /// When it came.
    pub received_at: Timestamp,
    /// The trace it began.
    pub trace: TraceId,
    /// `message`, `invoke`, `respond`, `discard` or `failed`.
    pub outcome: String,
    /// The outcome's content as JSON text.
    pub detail: String,
    /// The transform that decided (`name@sha256:…`).
    pub transform: String,
    /// The status the sender was answered.
    pub status: u16,
}

impl Storage {
    /// The request accepted under this id, if the tenant has one.
    ///
    /// # Errors
    /// Storage cannot be read.
    pub async fn webhook_request(&self, tenant: &TenantId, id: WebhookId) -> Result<Option<KeptRequest>, Refusal> {
        let (tenant, id) = (tenant.clone(), id.to_string());
        self.inner
            .readers
            .read(move |conn| {
                conn.prepare_cached(
                    "SELECT path, method, query, headers, body, received_at, trace, outcome, detail, transform, status
                     FROM inbox WHERE tenant = ?1 AND id = ?2",
                )?
                .query_row([tenant.as_str(), id.as_str()], |row| {
                    let headers: String = row.get(3)?;
                    Ok(KeptRequest {
                        path: row.get(0)?,
                        method: row.get(1)?,
                        query: row.get(2)?,
                        headers: serde_json::from_str(&headers).map_err(|error| unfit(3, error))?,
                        body: row.get::<_, Vec<u8>>(4)?.into(),
                        received_at: Timestamp::from_millis(row.get(5)?),
                        trace: parsed(row, 6)?,
                        outcome: row.get(7)?,
                        detail: row.get(8)?,
                        transform: row.get(9)?,
                        status: row.get(10)?,
                    })
                })
                .optional()
            })
            .await
    }
}
