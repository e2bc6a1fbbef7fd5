//! What skills remember: keys and values in buckets, each skill's within its quota.
//!
//! Triggers keep how much a skill has in the same statement that changes it, so a quota costs one look at one row.
//! Invariant: a change is checked against the quota in the transaction that writes it, and every change goes through
//! the one writer: parallel changes add up, and none passes the quota together with another.

use std::collections::HashMap;

use async_trait::async_trait;
use bytes::Bytes;
use openclaw_domain::ports::{Bucket, KV_ANSWER_BYTES, Kv, KvChange, KvError, KvQuota, KvUse, Swapped};
use openclaw_domain::{Refusal, SkillName, TenantId};
use rusqlite::{Connection, OptionalExtension, params};

use crate::Storage;
use crate::tenants::{fold_log, wiped};

const GET: &str = "SELECT value FROM kv WHERE tenant = ?1 AND skill = ?2 AND bucket = ?3 AND key = ?4";

const SET: &str = "INSERT INTO kv (tenant, skill, bucket, key, value) VALUES (?1, ?2, ?3, ?4, ?5)
                   ON CONFLICT (tenant, skill, bucket, key) DO UPDATE SET value = excluded.value";

const DELETE: &str = "DELETE FROM kv WHERE tenant = ?1 AND skill = ?2 AND bucket = ?3 AND key = ?4";

const USED: &str = "SELECT bytes, keys FROM kv_use WHERE tenant = ?1 AND skill = ?2";

const KEYS: &str = "SELECT key FROM kv WHERE tenant = ?1 AND skill = ?2 AND bucket = ?3 AND key >= ?4
                    ORDER BY key LIMIT ?5";

const KEYS_AFTER: &str = "SELECT key FROM kv WHERE tenant = ?1 AND skill = ?2 AND bucket = ?3 AND key > ?4
                          ORDER BY key LIMIT ?5";

#[async_trait]
impl Kv for Storage {
    async fn get(&self, bucket: &Bucket, keys: Vec<String>) -> Result<Vec<Option<Bytes>>, KvError> {
        let bucket = bucket.clone();
        let read = self.inner.readers.read(move |conn| {
            // One snapshot for all keys: what one change wrote together is read together.
            let snapshot = conn.unchecked_transaction()?;
            get_all(&snapshot, &bucket, &keys)
        });
        read.await?
    }

    async fn change(&self, bucket: &Bucket, changes: Vec<KvChange>, quota: KvQuota) -> Result<(), KvError> {
        for change in &changes {
            match change {
                KvChange::Set(key, value) => fits_alone(key, value.len(), &quota)?,
                KvChange::Delete(_) => {}
            }
        }
        let bucket = bucket.clone();
        let run = move |conn: &Connection| {
            within(conn, &bucket, &quota, |conn| {
                for change in &changes {
                    match change {
                        KvChange::Set(key, value) => set(conn, &bucket, key, value)?,
                        KvChange::Delete(key) => {
                            let Bucket { tenant, skill, name } = &bucket;
                            conn.prepare_cached(DELETE)?.execute(params![
                                tenant.as_str(),
                                skill.as_str(),
                                name,
                                key
                            ])?;
                        }
                    }
                }
                Ok(Ok(()))
            })
        };
        self.write(run).await?
    }

    async fn keys(&self, bucket: &Bucket, after: Option<String>, limit: usize) -> Result<Vec<String>, KvError> {
        let bucket = bucket.clone();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let read = self.inner.readers.read(move |conn| {
            let Bucket { tenant, skill, name } = &bucket;
            // The empty text is a key, too, and comes before every other.
            let (sql, from) = match &after {
                Some(after) => (KEYS_AFTER, after.as_str()),
                None => (KEYS, ""),
            };
            conn.prepare_cached(sql)?
                .query_map(params![tenant.as_str(), skill.as_str(), name, from, limit], |row| row.get(0))?
                .collect()
        });
        Ok(read.await?)
    }

    async fn increment(&self, bucket: &Bucket, key: String, by: i64, quota: KvQuota) -> Result<i64, KvError> {
        fits_alone(&key, size_of::<i64>(), &quota)?;
        let bucket = bucket.clone();
        let run = move |conn: &Connection| {
            within(conn, &bucket, &quota, |conn| {
                let sum = match get(conn, &bucket, &key)? {
                    None => Some(by),
                    Some(value) => {
                        <[u8; 8]>::try_from(&value[..]).ok().and_then(|value| i64::from_le_bytes(value).checked_add(by))
                    }
                };
                let Some(sum) = sum else { return Ok(Err(KvError::NotANumber(key.clone()))) };
                set(conn, &bucket, &key, &sum.to_le_bytes())?;
                Ok(Ok(sum))
            })
        };
        self.write(run).await?
    }

    async fn swap(
        &self,
        bucket: &Bucket,
        key: String,
        expected: Option<Bytes>,
        new: Bytes,
        quota: KvQuota,
    ) -> Result<Swapped, KvError> {
        fits_alone(&key, new.len(), &quota)?;
        let bucket = bucket.clone();
        let run = move |conn: &Connection| {
            within(conn, &bucket, &quota, |conn| {
                let found = get(conn, &bucket, &key)?;
                if found != expected {
                    return Ok(Ok(Swapped::Found(found)));
                }
                set(conn, &bucket, &key, &new)?;
                Ok(Ok(Swapped::Done))
            })
        };
        self.write(run).await?
    }

    async fn used(&self, tenant: &TenantId, skill: &SkillName) -> Result<KvUse, Refusal> {
        let (tenant, skill) = (tenant.clone(), skill.clone());
        self.inner.readers.read(move |conn| used(conn, &tenant, &skill)).await
    }

    async fn erase(&self, tenant: &TenantId, skill: &SkillName) -> Result<(), Refusal> {
        let (tenant, skill) = (tenant.clone(), skill.clone());
        // Whoever asks for this wants it gone, not only unlisted: the pages are overwritten, and the log holds no copy.
        let delete = move |conn: &Connection| {
            let of = [tenant.as_str(), skill.as_str()];
            wiped(conn, || {
                conn.prepare_cached("DELETE FROM kv WHERE tenant = ?1 AND skill = ?2")?.execute(of)?;
                conn.prepare_cached("DELETE FROM kv_use WHERE tenant = ?1 AND skill = ?2")?.execute(of).map(drop)
            })
        };
        self.write_then(delete, |conn, ()| fold_log(conn)).await
    }
}

fn get(conn: &Connection, bucket: &Bucket, key: &str) -> rusqlite::Result<Option<Bytes>> {
    let Bucket { tenant, skill, name } = bucket;
    conn.prepare_cached(GET)?
        .query_row(params![tenant.as_str(), skill.as_str(), name, key], |row| row.get::<_, Vec<u8>>(0).map(Bytes::from))
        .optional()
}

/// The values of keys, each read once however often it is named, and no more of them than one answer may hold: a guest
/// chose the list, and nothing of its own limits counts before it has the answer.
fn get_all(
    conn: &Connection,
    bucket: &Bucket,
    keys: &[String],
) -> rusqlite::Result<Result<Vec<Option<Bytes>>, KvError>> {
    let mut known: HashMap<&str, Option<Bytes>> = HashMap::with_capacity(keys.len());
    let (mut values, mut bytes) = (Vec::with_capacity(keys.len()), 0);
    for key in keys {
        let value = match known.get(key.as_str()) {
            Some(value) => value.clone(),
            None => get(conn, bucket, key)?,
        };
        bytes += value.as_ref().map_or(0, Bytes::len) as u64;
        if bytes > KV_ANSWER_BYTES {
            return Ok(Err(KvError::TooMuchAtOnce));
        }
        known.insert(key, value.clone());
        values.push(value);
    }
    Ok(Ok(values))
}

fn set(conn: &Connection, bucket: &Bucket, key: &str, value: &[u8]) -> rusqlite::Result<()> {
    let Bucket { tenant, skill, name } = bucket;
    conn.prepare_cached(SET)?.execute(params![tenant.as_str(), skill.as_str(), name, key, value]).map(drop)
}

fn used(conn: &Connection, tenant: &TenantId, skill: &SkillName) -> rusqlite::Result<KvUse> {
    let found = conn
        .prepare_cached(USED)?
        .query_row([tenant.as_str(), skill.as_str()], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
        .optional()?;
    let (bytes, keys) = found.unwrap_or((0, 0));
    Ok(KvUse { bytes: u64::try_from(bytes).unwrap_or(0), keys: u64::try_from(keys).unwrap_or(0) })
}

/// Whether a key and its value are within what one key and one value may be.
fn fits_alone(key: &str, value_bytes: usize, quota: &KvQuota) -> Result<(), KvError> {
    at_most("key bytes", key.len() as u64, quota.key_bytes as u64)?;
    at_most("value bytes", value_bytes as u64, quota.value_bytes as u64)
}

fn at_most(what: &'static str, wanted: u64, limit: u64) -> Result<(), KvError> {
    match wanted > limit {
        true => Err(KvError::OverQuota { what, wanted, limit }),
        false => Ok(()),
    }
}

/// Makes a change, and takes it back wholly if it fails or ends over the quota.
///
/// What is over the quota already, because that was lowered, may shrink but not grow.
fn within<T>(
    conn: &Connection,
    bucket: &Bucket,
    quota: &KvQuota,
    change: impl FnOnce(&Connection) -> rusqlite::Result<Result<T, KvError>>,
) -> rusqlite::Result<Result<T, KvError>> {
    let Bucket { tenant, skill, .. } = bucket;
    let step = |sql: &str| conn.prepare_cached(sql)?.execute([]).map(drop);
    let before = used(conn, tenant, skill)?;
    step("SAVEPOINT kv")?;
    let changed = change(conn)?;
    let after = used(conn, tenant, skill)?;
    let result = changed.and_then(|value| {
        if after.bytes > before.bytes {
            at_most("bytes", after.bytes, quota.bytes)?;
        }
        if after.keys > before.keys {
            at_most("keys", after.keys, quota.keys)?;
        }
        Ok(value)
    });
    if result.is_err() {
        step("ROLLBACK TO kv")?;
    }
    step("RELEASE kv")?;
    Ok(result)
}
