//! What is installed for whom: the rows that name component files.
//!
//! Invariant: a row belongs to one tenant; the file it names is shared, and goes when no row names it, be it of what is
//! installed or of an upgrade that waits.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use openclaw_domain::ports::Packages;
use openclaw_domain::{
    CapabilityRequest, Digest, HeldUpgrade, Installed, Refusal, SkillName, TenantId, Timestamp, ToolSpec, World,
};
use rusqlite::{Connection, OptionalExtension, Row, ToSql};
use serde::de::DeserializeOwned;

use crate::Storage;
use crate::package_columns::{RequestColumn, ToolColumn};
use crate::rows::{named, parsed, text, unfit};

/// The columns of `installed` and `held`, in the order in which [`Columns::execute`] binds and [`installed`] reads them.
const COLUMNS: &str = "tenant, name, digest, version, description, world, imports, tools, enabled, bundled, size, \
                       installed_at, requests, settings";

/// Their places in an `INSERT`, still open at the end.
const VALUES: &str = "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14";

/// One row of `installed`, or the first part of one of `held`, ready to be bound.
struct Columns {
    installed: Installed,
    imports: String,
    tools: String,
    requests: String,
}

impl Columns {
    fn of(installed: Installed) -> serde_json::Result<Self> {
        let tools: Vec<ToolColumn> = installed.tools.iter().map(ToolColumn::from).collect();
        let requests: Vec<RequestColumn> = installed.requests.iter().map(RequestColumn::from).collect();
        Ok(Self {
            imports: serde_json::to_string(&installed.imports)?,
            tools: serde_json::to_string(&tools)?,
            requests: serde_json::to_string(&requests)?,
            installed,
        })
    }

    /// Runs an `INSERT` whose first 14 parameters are [`COLUMNS`], and `more`.
    fn execute(&self, conn: &Connection, sql: &str, more: &[&dyn ToSql]) -> rusqlite::Result<()> {
        let Self { installed, imports, tools, requests } = self;
        let columns: &[&dyn ToSql] = &[
            &installed.tenant.as_str(),
            &installed.name.as_str(),
            &installed.digest.to_hex(),
            &installed.version,
            &installed.description,
            &installed.world.as_str(),
            imports,
            tools,
            &installed.enabled,
            &installed.bundled,
            &i64::try_from(installed.size).unwrap_or(i64::MAX),
            &installed.installed_at.as_millis(),
            requests,
            &installed.settings,
        ];
        conn.prepare_cached(sql)?.execute(&[columns, more].concat()[..]).map(drop)
    }
}

#[async_trait]
impl Packages for Storage {
    async fn put_component(&self, digest: Digest, bytes: Bytes) -> Result<(), Refusal> {
        let components = Arc::clone(&self.inner.components);
        tokio::task::spawn_blocking(move || components.put(digest, &bytes))
            .await
            .map_err(Refusal::internal)?
            .map_err(Refusal::internal)
    }

    async fn component(&self, digest: Digest) -> Result<Bytes, Refusal> {
        let components = Arc::clone(&self.inner.components);
        tokio::task::spawn_blocking(move || components.read(digest))
            .await
            .map_err(Refusal::internal)?
            .map_err(Refusal::internal)
    }

    async fn list(&self) -> Result<Vec<Installed>, Refusal> {
        self.inner
            .readers
            .read(|conn| {
                conn.prepare_cached(&format!("SELECT {COLUMNS} FROM installed ORDER BY tenant, name"))?
                    .query_map([], installed)?
                    .collect()
            })
            .await
    }

    async fn put(&self, installed: Installed) -> Result<(), Refusal> {
        let digest = installed.digest;
        let columns = Columns::of(installed).map_err(Refusal::internal)?;
        let components = Arc::clone(&self.inner.components);
        self.write_then(
            // What the row named before stays until the next start: calls of the old version may be in flight.
            move |conn| columns.execute(conn, &format!("INSERT OR REPLACE INTO installed ({COLUMNS}) {VALUES})"), &[]),
            move |_, ()| components.claim(digest),
        )
        .await
    }

    async fn remove(&self, tenant: &TenantId, name: &SkillName) -> Result<bool, Refusal> {
        let (tenant, name) = (tenant.clone(), name.clone());
        let components = Arc::clone(&self.inner.components);
        let removed = self
            .write_then(
                move |conn| {
                    conn.prepare_cached("DELETE FROM installed WHERE tenant = ?1 AND name = ?2 RETURNING digest")?
                        .query_row([tenant.as_str(), name.as_str()], |row| parsed::<Digest>(row, 0))
                        .optional()
                },
                move |conn, removed| {
                    if let Some(digest) = *removed {
                        components.remove_if_unused(conn, digest);
                    }
                },
            )
            .await?;
        Ok(removed.is_some())
    }

    async fn held(&self) -> Result<Vec<HeldUpgrade>, Refusal> {
        self.inner
            .readers
            .read(|conn| {
                let sql = format!("SELECT {COLUMNS}, new_imports, new_requests FROM held ORDER BY tenant, name");
                conn.prepare_cached(&sql)?.query_map([], held)?.collect()
            })
            .await
    }

    async fn hold(&self, held: HeldUpgrade) -> Result<(), Refusal> {
        let digest = held.upgrade.digest;
        let new_imports = serde_json::to_string(&held.new_imports).map_err(Refusal::internal)?;
        let new_requests = serde_json::to_string(&held.new_requests).map_err(Refusal::internal)?;
        let columns = Columns::of(held.upgrade).map_err(Refusal::internal)?;
        let components = Arc::clone(&self.inner.components);
        self.write_then(
            move |conn| {
                let Columns { installed: Installed { tenant, name, .. }, .. } = &columns;
                let replaced = release(conn, tenant, name)?;
                let sql = format!("INSERT INTO held ({COLUMNS}, new_imports, new_requests) {VALUES}, ?15, ?16)");
                columns.execute(conn, &sql, &[&new_imports, &new_requests])?;
                Ok(replaced)
            },
            move |conn, replaced| {
                components.claim(digest);
                if let Some(replaced) = *replaced {
                    components.remove_if_unused(conn, replaced);
                }
            },
        )
        .await
        .map(drop)
    }

    async fn release(&self, tenant: &TenantId, name: &SkillName) -> Result<bool, Refusal> {
        let (tenant, name) = (tenant.clone(), name.clone());
        let components = Arc::clone(&self.inner.components);
        let released = self
            .write_then(
                move |conn| release(conn, &tenant, &name),
                move |conn, released| {
                    if let Some(digest) = *released {
                        components.remove_if_unused(conn, digest);
                    }
                },
            )
            .await?;
        Ok(released.is_some())
    }
}

/// Removes the row of an upgrade that waits; says which component it named.
fn release(conn: &Connection, tenant: &TenantId, name: &SkillName) -> rusqlite::Result<Option<Digest>> {
    conn.prepare_cached("DELETE FROM held WHERE tenant = ?1 AND name = ?2 RETURNING digest")?
        .query_row([tenant.as_str(), name.as_str()], |row| parsed(row, 0))
        .optional()
}

fn held(row: &Row<'_>) -> rusqlite::Result<HeldUpgrade> {
    Ok(HeldUpgrade { upgrade: installed(row)?, new_imports: json(row, 14)?, new_requests: json(row, 15)? })
}

/// A column that holds JSON.
fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(text(row, column)?).map_err(|error| unfit(column, error))
}

fn installed(row: &Row<'_>) -> rusqlite::Result<Installed> {
    let tools = json::<Vec<ToolColumn>>(row, 7)?.into_iter().map(ToolSpec::try_from).collect::<Result<_, _>>();
    let requests = json::<Vec<RequestColumn>>(row, 12)?;
    let requests = requests.into_iter().map(CapabilityRequest::try_from).collect::<Result<_, _>>();
    Ok(Installed {
        tenant: parsed(row, 0)?,
        name: parsed(row, 1)?,
        digest: parsed(row, 2)?,
        version: row.get(3)?,
        description: row.get(4)?,
        world: named(row, 5, World::from_name)?,
        imports: json(row, 6)?,
        requests: requests.map_err(|error| unfit(12, error))?,
        settings: row.get(13)?,
        tools: tools.map_err(|error| unfit(7, error))?,
        enabled: row.get(8)?,
        bundled: row.get(9)?,
        size: u64::try_from(row.get::<_, i64>(10)?).map_err(|error| unfit(10, error))?,
        installed_at: Timestamp::from_millis(row.get(11)?),
    })
}
