//! Conversations, what models used, and what happened lately.
//!
//! Invariant: messages of one turn are written together, and the transaction that writes them forgets what is over the
//! conversation's bound; so a conversation is never larger than it may be, and never ends with half a turn.

use async_trait::async_trait;
use openclaw_domain::ports::{Conversations, ModelUse, Records, Usage};
use openclaw_domain::{ConversationKey, ConversationSummary, Door, Event, Refusal, Said, Speaker, TenantId, Timestamp};
use rusqlite::{Connection, params};

use crate::Storage;
use crate::journal::event_of;
use crate::rows::named;

/// The newest first; the caller stops at its bound.
const NEWEST: &str = "SELECT speaker, text, at FROM conversations
                      WHERE tenant = ?1 AND door = ?2 AND channel = ?3 AND user = ?4 ORDER BY number DESC";

const ADD: &str = "INSERT INTO conversations (tenant, door, channel, user, speaker, text, at)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

/// All but the newest messages that together have at most ?5 bytes, and never the newest one.
const TRIM: &str = "DELETE FROM conversations WHERE number IN (
                        SELECT number FROM (
                            SELECT number, sum(octet_length(text)) OVER (ORDER BY number DESC) AS bytes,
                                   row_number() OVER (ORDER BY number DESC) AS place
                            FROM conversations
                            WHERE tenant = ?1 AND door = ?2 AND channel = ?3 AND user = ?4
                        ) WHERE bytes > ?5 AND place > 1
                    )";

const FORGET: &str = "DELETE FROM conversations WHERE tenant = ?1 AND door = ?2 AND channel = ?3 AND user = ?4";

const LIST: &str = "SELECT door, channel, user, count(*), sum(octet_length(text)), max(at) FROM conversations
                    WHERE tenant = ?1 GROUP BY door, channel, user ORDER BY max(number) DESC";

const ADD_USE: &str = "INSERT INTO model_use (tenant, day, model, requests, input_tokens, output_tokens)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                       ON CONFLICT (tenant, day, model) DO UPDATE SET
                           requests = requests + excluded.requests,
                           input_tokens = input_tokens + excluded.input_tokens,
                           output_tokens = output_tokens + excluded.output_tokens";

#[async_trait]
impl Conversations for Storage {
    async fn load(&self, key: &ConversationKey, bytes: usize) -> Result<Vec<Said>, Refusal> {
        let key = key.clone();
        self.inner
            .readers
            .read(move |conn| {
                let mut statement = conn.prepare_cached(NEWEST)?;
                let mut rows = statement.query(of(&key))?;
                let (mut said, mut used) = (Vec::new(), 0);
                while let Some(row) = rows.next()? {
                    let text: String = row.get(1)?;
                    used += text.len();
                    if used > bytes {
                        break;
                    }
                    let speaker = named(row, 0, Speaker::from_name)?;
                    said.push(Said { speaker, text, at: Timestamp::from_millis(row.get(2)?) });
                }
                said.reverse();
                Ok(said)
            })
            .await
    }

    async fn append(&self, key: &ConversationKey, said: Vec<Said>, keep_bytes: usize) -> Result<(), Refusal> {
        let key = key.clone();
        self.write(move |conn| {
            let [tenant, door, channel, user] = of(&key);
            let mut add = conn.prepare_cached(ADD)?;
            for Said { speaker, text, at } in &said {
                add.execute(params![tenant, door, channel, user, speaker.as_str(), text, at.as_millis()])?;
            }
            trim(conn, &key, keep_bytes).map(drop)
        })
        .await
    }

    async fn trim(&self, key: &ConversationKey, keep_bytes: usize) -> Result<u64, Refusal> {
        let key = key.clone();
        self.write(move |conn| trim(conn, &key, keep_bytes)).await
    }

    async fn forget(&self, key: &ConversationKey) -> Result<u64, Refusal> {
        let key = key.clone();
        self.write(move |conn| Ok(conn.prepare_cached(FORGET)?.execute(of(&key))? as u64)).await
    }

    async fn conversations(&self, tenant: &TenantId) -> Result<Vec<ConversationSummary>, Refusal> {
        let tenant = tenant.clone();
        self.inner
            .readers
            .read(move |conn| {
                conn.prepare_cached(LIST)?
                    .query_map([tenant.as_str()], |row| {
                        let key = ConversationKey {
                            tenant: tenant.clone(),
                            door: named(row, 0, Door::from_name)?,
                            channel: row.get(1)?,
                            user: row.get(2)?,
                        };
                        Ok(ConversationSummary {
                            key,
                            messages: row.get::<_, i64>(3)?.cast_unsigned(),
                            bytes: row.get::<_, i64>(4)?.cast_unsigned(),
                            last_at: Timestamp::from_millis(row.get(5)?),
                        })
                    })?
                    .collect()
            })
            .await
    }
}

#[async_trait]
impl Usage for Storage {
    async fn add_use(&self, tenant: &TenantId, used: ModelUse) -> Result<(), Refusal> {
        let tenant = tenant.clone();
        self.write(move |conn| {
            let ModelUse { day, model, requests, input_tokens, output_tokens } = &used;
            let [requests, input, output] = [*requests, *input_tokens, *output_tokens].map(u64::cast_signed);
            conn.prepare_cached(ADD_USE)?
                .execute(params![tenant.as_str(), day, model, requests, input, output])
                .map(drop)
        })
        .await
    }

    async fn used_since(&self, tenant: &TenantId, day: i64) -> Result<Vec<ModelUse>, Refusal> {
        let tenant = tenant.clone();
        self.inner
            .readers
            .read(move |conn| {
                conn.prepare_cached(
                    "SELECT day, model, requests, input_tokens, output_tokens FROM model_use
                     WHERE tenant = ?1 AND day >= ?2 ORDER BY day, model",
                )?
                .query_map(params![tenant.as_str(), day], |row| {
                    Ok(ModelUse {
                        day: row.get(0)?,
                        model: row.get(1)?,
                        requests: row.get::<_, i64>(2)?.cast_unsigned(),
                        input_tokens: row.get::<_, i64>(3)?.cast_unsigned(),
                        output_tokens: row.get::<_, i64>(4)?.cast_unsigned(),
                    })
                })?
                .collect()
            })
            .await
    }
}

#[async_trait]
impl Records for Storage {
    async fn recent(&self, tenant: &TenantId, since: Timestamp, limit: usize) -> Result<Vec<Event>, Refusal> {
        let tenant = tenant.clone();
        self.inner
            .readers
            .read(move |conn| {
                let mut statement = conn.prepare_cached(
                    "SELECT seq, id, kind, data, trace, at, session FROM events
                     WHERE tenant = ?1 ORDER BY seq DESC LIMIT ?2",
                )?;
                let mut rows = statement.query(params![tenant.as_str(), i64::try_from(limit).unwrap_or(i64::MAX)])?;
                let mut events = Vec::new();
                while let Some(row) = rows.next()? {
                    let event = event_of(row, &tenant)?;
                    // In order of `seq` and not of time: what is older ends the search, or it would read every event.
                    if event.fact.at < since {
                        break;
                    }
                    events.push(event);
                }
                Ok(events)
            })
            .await
    }
}

/// The four columns that name a conversation.
fn of(key: &ConversationKey) -> [&str; 4] {
    [key.tenant.as_str(), key.door.as_str(), &key.channel, &key.user]
}

fn trim(conn: &Connection, key: &ConversationKey, keep_bytes: usize) -> rusqlite::Result<u64> {
    let [tenant, door, channel, user] = of(key);
    let bytes = i64::try_from(keep_bytes).unwrap_or(i64::MAX);
    Ok(conn.prepare_cached(TRIM)?.execute(params![tenant, door, channel, user, bytes])? as u64)
}
