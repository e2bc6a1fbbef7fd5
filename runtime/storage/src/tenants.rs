//! Tenants an operator added, what is paused, and the two things a tenant may ask for: all that is kept of it, and that
//! it be forgotten.
//!
//! Invariant: no table with a `tenant` column is left out of either; [`TABLES`] names each, and a test compares it with
//! the schema.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openclaw_domain::ports::{Paused, TenantRecord, Tenants};
use openclaw_domain::{Digest, Refusal, TenantId, Timestamp};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, params};
use serde_json::{Map, Value, json};

use crate::Storage;
use crate::rows::{parsed, text, unfit};

/// Rows of one table that belong to a tenant.
pub(crate) struct TenantTable {
    /// Its name.
    pub(crate) name: &'static str,
    /// Which of its rows are tenant `?1`'s.
    pub(crate) rows: &'static str,
    /// Columns nobody is given: hashes of tokens, sealed values.
    pub(crate) hidden: &'static [&'static str],
    /// Whether its rows have numbers of their own and may be many; others go all at once.
    pub(crate) is_numbered: bool,
}

impl TenantTable {
    const fn few(name: &'static str) -> Self {
        Self { name, rows: "tenant = ?1", hidden: &[], is_numbered: false }
    }

    const fn many(name: &'static str) -> Self {
        Self { is_numbered: true, ..Self::few(name) }
    }
}

/// Every table that holds something of tenants, in the order in which a tenant is forgotten: what refers to other rows
/// before those, and the tenant itself last, so that an interrupted erasure can be done again.
pub(crate) const TABLES: [TenantTable; 16] = [
    TenantTable {
        rows: "delivery IN (SELECT number FROM deliveries WHERE tenant = ?1)",
        ..TenantTable::many("attempts")
    },
    TenantTable::many("deliveries"),
    TenantTable::few("endpoint_health"),
    TenantTable::many("inbox"),
    TenantTable::many("events"),
    TenantTable::many("audit"),
    TenantTable::many("conversations"),
    TenantTable::few("model_use"),
    TenantTable::many("kv"),
    TenantTable::few("kv_use"),
    TenantTable { hidden: &["key_id", "nonce", "sealed"], ..TenantTable::few("secrets") },
    TenantTable::few("held"),
    TenantTable::few("installed"),
    TenantTable { hidden: &["hash"], ..TenantTable::few("tokens") },
    TenantTable::few("pauses"),
    TenantTable::few("tenants"),
];

/// Rows that are deleted in one transaction: each may hold a body of a mebibyte, whose pages are wiped.
const BATCH: usize = 200;
/// How long a checkpoint waits for reads that run. Whatever is written meanwhile waits, too.
const CHECKPOINT_WAIT: Duration = Duration::from_millis(200);
/// What a connection waits otherwise, which is what `rusqlite` sets.
const USUAL_WAIT: Duration = Duration::from_secs(5);

#[async_trait]
impl Tenants for Storage {
    async fn add(&self, record: TenantRecord) -> Result<bool, Refusal> {
        self.write(move |conn| {
            let added = conn
                .prepare_cached("INSERT INTO tenants (tenant, created_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
                .execute(params![record.name.as_str(), record.created_at.as_millis()])?;
            Ok(added > 0)
        })
        .await
    }

    async fn list(&self) -> Result<Vec<TenantRecord>, Refusal> {
        self.inner
            .readers
            .read(|conn| {
                conn.prepare_cached("SELECT tenant, created_at FROM tenants ORDER BY tenant")?
                    .query_map([], |row| {
                        Ok(TenantRecord { name: parsed(row, 0)?, created_at: Timestamp::from_millis(row.get(1)?) })
                    })?
                    .collect()
            })
            .await
    }

    async fn export(&self, tenant: &TenantId) -> Result<Vec<String>, Refusal> {
        let (of, grants) = (tenant.clone(), self.inner.grants.clone());
        self.inner
            .readers
            .read(move |conn| {
                // One snapshot: rows that refer to each other are there together.
                let snapshot = conn.unchecked_transaction()?;
                let mut lines = Vec::new();
                for table in &TABLES {
                    export_table(&snapshot, table, &of, &mut lines)?;
                }
                let files = grants.texts().into_iter().filter(|(owner, ..)| *owner == of);
                lines.extend(files.map(|(tenant, skill, text)| {
                    json!({ "table": "grants", "tenant": tenant.as_str(), "skill": skill.as_str(), "file": text })
                        .to_string()
                }));
                Ok(lines)
            })
            .await
    }

    async fn erase(&self, tenant: &TenantId) -> Result<u64, Refusal> {
        // Grants first: from here on its skills can do nothing.
        let (grants, of) = (self.inner.grants.clone(), tenant.clone());
        tokio::task::spawn_blocking(move || grants.remove_tenant(&of))
            .await
            .map_err(Refusal::internal)?
            .map_err(Refusal::internal)?;
        let components = self.components_of(tenant).await?;
        let mut erased = 0;
        for table in &TABLES {
            erased += self.erase_table(table, tenant).await?;
        }
        let folder = Arc::clone(&self.inner.components);
        self.write_then(
            |_| Ok(()),
            move |conn, ()| {
                for digest in components {
                    folder.remove_if_unused(conn, digest);
                }
                fold_log(conn);
            },
        )
        .await?;
        Ok(erased)
    }

    async fn paused(&self) -> Result<BTreeSet<Paused>, Refusal> {
        self.inner
            .readers
            .read(|conn| {
                conn.prepare_cached("SELECT tenant, skill FROM pauses")?
                    .query_map([], |row| {
                        Ok(match (text(row, 0)?, text(row, 1)?) {
                            ("", _) => Paused::Everything,
                            (_, "") => Paused::Tenant(parsed(row, 0)?),
                            _ => Paused::Skill(parsed(row, 0)?, parsed(row, 1)?),
                        })
                    })?
                    .collect()
            })
            .await
    }

    async fn set_paused(&self, what: Paused, paused: bool) -> Result<bool, Refusal> {
        let (tenant, skill) = match &what {
            Paused::Everything => (String::new(), String::new()),
            Paused::Tenant(tenant) => (tenant.to_string(), String::new()),
            Paused::Skill(tenant, skill) => (tenant.to_string(), skill.to_string()),
        };
        let sql = match paused {
            true => "INSERT INTO pauses (tenant, skill) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            false => "DELETE FROM pauses WHERE tenant = ?1 AND skill = ?2",
        };
        self.write(move |conn| Ok(conn.prepare_cached(sql)?.execute([&tenant, &skill])? > 0)).await
    }
}

impl Storage {
    /// The components whose files a tenant's rows name.
    async fn components_of(&self, tenant: &TenantId) -> Result<Vec<Digest>, Refusal> {
        let tenant = tenant.clone();
        self.inner
            .readers
            .read(move |conn| {
                conn.prepare_cached(
                    "SELECT digest FROM installed WHERE tenant = ?1 UNION SELECT digest FROM held WHERE tenant = ?1",
                )?
                .query_map([tenant.as_str()], |row| parsed(row, 0))?
                .collect()
            })
            .await
    }

    /// Deletes a tenant's rows of one table, and wipes their pages; says how many there were.
    async fn erase_table(&self, table: &'static TenantTable, tenant: &TenantId) -> Result<u64, Refusal> {
        let TenantTable { name, rows, is_numbered, .. } = *table;
        if !is_numbered {
            let (tenant, sql) = (tenant.clone(), format!("DELETE FROM {name} WHERE {rows}"));
            return self.write(move |conn| wiped(conn, || conn.execute(&sql, [tenant.as_str()]))).await.map(as_u64);
        }
        let mut erased = 0;
        loop {
            // Found where nobody waits for it; more may come while these are deleted.
            let (of, sql) = (tenant.clone(), format!("SELECT rowid FROM {name} WHERE {rows}"));
            let found: Vec<i64> = self
                .inner
                .readers
                .read(move |conn| conn.prepare(&sql)?.query_map([of.as_str()], |row| row.get(0))?.collect())
                .await?;
            let mut erased_now = 0;
            for batch in found.chunks(BATCH) {
                // Its owner is asked again: a number may have been given to another row since.
                let (of, sql) = (tenant.clone(), format!("DELETE FROM {name} WHERE rowid = ?2 AND {rows}"));
                let batch = batch.to_vec();
                let delete = move |conn: &Connection| {
                    wiped(conn, || {
                        let mut statement = conn.prepare_cached(&sql)?;
                        batch
                            .iter()
                            .try_fold(0, |sum, number| Ok(sum + statement.execute(params![of.as_str(), number])?))
                    })
                };
                erased_now += as_u64(self.write(delete).await?);
            }
            erased += erased_now;
            if erased_now == 0 {
                return Ok(erased);
            }
        }
    }
}

fn as_u64(count: usize) -> u64 {
    count as u64
}

/// Deletes so that what was there is overwritten, not only given back.
pub(crate) fn wiped<T>(conn: &Connection, delete: impl FnOnce() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    let set = |sql| conn.query_row(sql, [], |_| Ok(()));
    set("PRAGMA secure_delete = ON")?;
    let result = delete();
    set("PRAGMA secure_delete = OFF")?;
    result
}

/// Moves what the write-ahead log holds into the database and empties it: it held what was deleted, too.
pub(crate) fn fold_log(conn: &Connection) {
    let folded = conn
        .busy_timeout(CHECKPOINT_WAIT)
        .and_then(|()| conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0)))
        .and_then(|is_busy| conn.busy_timeout(USUAL_WAIT).map(|()| is_busy != 0));
    match folded {
        Ok(false) => {}
        Ok(true) => tracing::info!("the write-ahead log is emptied later: it was being read"),
        Err(error) => tracing::warn!(%error, "the write-ahead log could not be emptied"),
    }
}

/// Writes a tenant's rows of one table as lines of JSON. Text and numbers as they are; bytes in Base64, under the
/// column's name and `_base64`.
fn export_table(
    conn: &Connection,
    table: &TenantTable,
    tenant: &TenantId,
    lines: &mut Vec<String>,
) -> rusqlite::Result<()> {
    let mut statement = conn.prepare(&format!("SELECT * FROM {} WHERE {}", table.name, table.rows))?;
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut rows = statement.query([tenant.as_str()])?;
    while let Some(row) = rows.next()? {
        let mut line = Map::new();
        line.insert("table".to_owned(), table.name.into());
        for (number, column) in columns.iter().enumerate() {
            if table.hidden.contains(&column.as_str()) {
                continue;
            }
            let (key, value) = match row.get_ref(number)? {
                ValueRef::Null => (column.clone(), Value::Null),
                ValueRef::Integer(value) => (column.clone(), value.into()),
                ValueRef::Real(value) => (column.clone(), value.into()),
                ValueRef::Text(text) => {
                    let text = std::str::from_utf8(text).map_err(|error| unfit(number, error))?;
                    (column.clone(), text.into())
                }
                ValueRef::Blob(bytes) => (format!("{column}_base64"), STANDARD.encode(bytes).into()),
            };
            line.insert(key, value);
        }
        lines.push(Value::Object(line).to_string());
    }
    Ok(())
}
