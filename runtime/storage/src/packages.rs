//! What is installed for whom: the rows that name component files.
//!
//! Invariant: a row belongs to one tenant; the file it names is shared, and goes when no row names it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use openclaw_domain::ports::Packages;
use openclaw_domain::{
    Digest, Installed, Refusal, SkillName, TenantId, Timestamp, ToolHints, ToolName, ToolSpec, World,
};
use rusqlite::{OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use crate::Storage;
use crate::rows::{named, parsed, text, unfit};

/// A tool as it stands in the `tools` column. Only ever extended, with defaults: old rows are read for ever.
#[derive(Serialize, Deserialize)]
struct ToolColumn {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    description: String,
    input_schema: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output_schema: Option<String>,
    #[serde(default)]
    read_only: bool,
    #[serde(default)]
    destructive: bool,
    #[serde(default)]
    idempotent: bool,
    #[serde(default)]
    open_world: bool,
}

impl From<&ToolSpec> for ToolColumn {
    fn from(tool: &ToolSpec) -> Self {
        let ToolHints { read_only, destructive, idempotent, open_world } = tool.hints;
        Self {
            name: tool.name.to_string(),
            title: tool.title.clone(),
            description: tool.description.clone(),
            input_schema: tool.input_schema.clone(),
            output_schema: tool.output_schema.clone(),
            read_only,
            destructive,
            idempotent,
            open_world,
        }
    }
}

impl TryFrom<ToolColumn> for ToolSpec {
    type Error = openclaw_domain::IdError;

    fn try_from(column: ToolColumn) -> Result<Self, Self::Error> {
        let ToolColumn { read_only, destructive, idempotent, open_world, .. } = column;
        Ok(Self {
            name: column.name.parse::<ToolName>()?,
            title: column.title,
            description: column.description,
            input_schema: column.input_schema,
            output_schema: column.output_schema,
            hints: ToolHints { read_only, destructive, idempotent, open_world },
        })
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
                conn.prepare_cached(
                    "SELECT tenant, name, digest, version, description, world, imports, tools, enabled, bundled, size,
                         installed_at
                     FROM installed ORDER BY tenant, name",
                )?
                .query_map([], installed)?
                .collect()
            })
            .await
    }

    async fn put(&self, installed: Installed) -> Result<(), Refusal> {
        let imports = serde_json::to_string(&installed.imports).map_err(Refusal::internal)?;
        let tools: Vec<ToolColumn> = installed.tools.iter().map(ToolColumn::from).collect();
        let tools = serde_json::to_string(&tools).map_err(Refusal::internal)?;
        let components = Arc::clone(&self.inner.components);
        let digest = installed.digest;
        self.write_then(
            move |conn| {
                // What the row named before stays until the next start: calls of the old version may be in flight.
                conn.prepare_cached(
                    "INSERT OR REPLACE INTO installed (tenant, name, digest, version, description, world, imports,
                         tools, enabled, bundled, size, installed_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
                )?
                .execute(params![
                    installed.tenant.as_str(),
                    installed.name.as_str(),
                    installed.digest.to_hex(),
                    installed.version,
                    installed.description,
                    installed.world.as_str(),
                    imports,
                    tools,
                    installed.enabled,
                    installed.bundled,
                    i64::try_from(installed.size).unwrap_or(i64::MAX),
                    installed.installed_at.as_millis(),
                ])
                .map(drop)
            },
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

    async fn held(&self) -> Result<Vec<openclaw_domain::HeldUpgrade>, Refusal> {
        Ok(Vec::new())
    }

    async fn hold(&self, _: openclaw_domain::HeldUpgrade) -> Result<(), Refusal> {
        Err(Refusal::internal("not kept yet"))
    }

    async fn release(&self, _: &TenantId, _: &SkillName) -> Result<bool, Refusal> {
        Ok(false)
    }
}

fn installed(row: &Row<'_>) -> rusqlite::Result<Installed> {
    let imports = serde_json::from_str(text(row, 6)?).map_err(|error| unfit(6, error))?;
    let tools: Vec<ToolColumn> = serde_json::from_str(text(row, 7)?).map_err(|error| unfit(7, error))?;
    let tools = tools.into_iter().map(ToolSpec::try_from).collect::<Result<_, _>>();
    Ok(Installed {
        tenant: parsed(row, 0)?,
        name: parsed(row, 1)?,
        digest: parsed(row, 2)?,
        version: row.get(3)?,
        description: row.get(4)?,
        world: named(row, 5, World::from_name)?,
        imports,
        requests: Vec::new(),
        settings: "{}".to_owned(),
        tools: tools.map_err(|error| unfit(7, error))?,
        enabled: row.get(8)?,
        bundled: row.get(9)?,
        size: u64::try_from(row.get::<_, i64>(10)?).map_err(|error| unfit(10, error))?,
        installed_at: Timestamp::from_millis(row.get(11)?),
    })
}
