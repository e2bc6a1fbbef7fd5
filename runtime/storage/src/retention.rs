//! How long things are remembered, and forgetting what is older.
//!
//! Batches are small and each is a write of its own, so that nobody waits long behind one.
//! Invariant: what somebody is still owed stays, however old: skill calls, requests that wait for a pause to end, events
//! of which a delivery is remembered. So does the newest event of each tenant: numbering is told from it.

use std::time::Duration;

use openclaw_domain::{Refusal, Timestamp};
use rusqlite::{Connection, params};

use crate::Storage;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Rows looked at in one transaction: a body may have a mebibyte, and each of its pages is given back one by one.
const BATCH: i64 = 200;

/// How long what happened is remembered. What skills keep (`kv`), secrets, tokens and grants have no age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Accepted webhook requests, and with them the memory of their ids: one that is resent later runs again.
    /// Default 30 days.
    pub inbox: Duration,
    /// Events. Default 30 days.
    pub events: Duration,
    /// The audit record. Default 365 days.
    pub audit: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self { inbox: 30 * DAY, events: 30 * DAY, audit: 365 * DAY }
    }
}

/// How much was forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Webhook requests.
    pub inbox: u64,
    /// Events.
    pub events: u64,
    /// Audit entries.
    pub audit: u64,
}

/// How one table is gone through, oldest first.
struct Rule {
    /// The next ?2 rows behind number ?1: the last one's number, and the moment of the oldest.
    next: &'static str,
    /// Forgets those behind ?1 and up to ?2 that are older than ?3.
    forget: &'static str,
}

const INBOX: Rule = Rule {
    next: "SELECT max(number), min(at) FROM (
               SELECT number, received_at AS at FROM inbox WHERE number > ?1 ORDER BY number LIMIT ?2
           )",
    forget: "DELETE FROM inbox
             WHERE number > ?1 AND number <= ?2 AND received_at < ?3 AND owed = 0 AND outcome <> 'queued'",
};

const EVENTS: Rule = Rule {
    next: "SELECT max(seq), min(at) FROM (SELECT seq, at FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2)",
    forget: "DELETE FROM events
             WHERE seq > ?1 AND seq <= ?2 AND at < ?3
                 AND NOT EXISTS (SELECT 1 FROM deliveries WHERE deliveries.seq = events.seq)
                 AND seq < (SELECT max(newest.seq) FROM events AS newest WHERE newest.tenant = events.tenant)",
};

const AUDIT: Rule = Rule {
    next: "SELECT max(number), min(at) FROM (SELECT number, at FROM audit WHERE number > ?1 ORDER BY number LIMIT ?2)",
    forget: "DELETE FROM audit WHERE number > ?1 AND number <= ?2 AND at < ?3",
};

impl Storage {
    /// Forgets what is older than it should get. Meant to be called every hour or so.
    ///
    /// It begins with what was written first and ends where a batch holds nothing old enough: a clock that once stood
    /// wrong may keep rows a while longer.
    /// Cancel safety: dropped half-way, what was forgotten so far is; the next call goes on.
    pub async fn prune(&self, now: Timestamp, retention: &Retention) -> Result<Pruned, Refusal> {
        let Retention { inbox, events, audit } = *retention;
        Ok(Pruned {
            inbox: self.prune_by(&INBOX, before(now, inbox)).await?,
            events: self.prune_by(&EVENTS, before(now, events)).await?,
            audit: self.prune_by(&AUDIT, before(now, audit)).await?,
        })
    }

    async fn prune_by(&self, rule: &'static Rule, oldest: Timestamp) -> Result<u64, Refusal> {
        let (mut from, mut forgotten) = (i64::MIN, 0);
        loop {
            // Found by a reader: the writer is asked only when there is something to forget.
            let next = self.inner.readers.read(move |conn| {
                conn.prepare_cached(rule.next)?.query_row(params![from, BATCH], |row| {
                    Ok(row.get::<_, Option<i64>>(0)?.zip(row.get::<_, Option<i64>>(1)?))
                })
            });
            let to = match next.await? {
                Some((to, at)) if at < oldest.as_millis() => to,
                _ => return Ok(forgotten),
            };
            let forget = move |conn: &Connection| {
                conn.prepare_cached(rule.forget)?.execute(params![from, to, oldest.as_millis()])
            };
            forgotten += self.write(forget).await? as u64;
            from = to;
        }
    }
}

/// The moment that long before another.
fn before(now: Timestamp, age: Duration) -> Timestamp {
    let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now.as_millis().saturating_sub(age))
}
