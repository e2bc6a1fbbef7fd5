//! Named tokens, kept as hashes.
//!
//! Invariant: a name is used once within its tenant, revoked or not, so that an audit entry means one token.

use async_trait::async_trait;
use openclaw_domain::ports::{NamedToken, NewToken, Tokens};
use openclaw_domain::{Refusal, Role, TenantId, Timestamp};
use rusqlite::{Row, params};

use crate::Storage;
use crate::rows::{named, parsed};

#[async_trait]
impl Tokens for Storage {
    async fn create(&self, token: NewToken) -> Result<(), Refusal> {
        let name = token.name.clone();
        let written = self
            .write(move |conn| {
                let NewToken { name, tenant, role, hash, created_at, expires_at } = &token;
                conn.prepare_cached(
                    "INSERT INTO tokens (tenant, name, role, hash, created_at, expires_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
                )?
                .execute(params![
                    tenant.as_str(),
                    name,
                    role.as_str(),
                    hash,
                    created_at.as_millis(),
                    expires_at.map(Timestamp::as_millis),
                ])
            })
            .await?;
        match written {
            0 => Err(Refusal::invalid("name", format!("`{name}` is taken by another token: choose another name"))),
            _ => Ok(()),
        }
    }

    async fn list(&self) -> Result<Vec<NamedToken>, Refusal> {
        self.inner
            .readers
            .read(|conn| {
                conn.prepare_cached(
                    "SELECT name, tenant, role, hash, created_at, expires_at, revoked_at FROM tokens
                     ORDER BY created_at, number",
                )?
                .query_map([], token)?
                .collect()
            })
            .await
    }

    async fn revoke(&self, tenant: &TenantId, name: &str, at: Timestamp) -> Result<bool, Refusal> {
        let (tenant, name) = (tenant.clone(), name.to_owned());
        self.write(move |conn| {
            let revoked = conn
                .prepare_cached(
                    "UPDATE tokens SET revoked_at = ?3 WHERE tenant = ?1 AND name = ?2 AND revoked_at IS NULL",
                )?
                .execute(params![tenant.as_str(), name, at.as_millis()])?;
            Ok(revoked > 0)
        })
        .await
    }
}

fn token(row: &Row<'_>) -> rusqlite::Result<NamedToken> {
    let moment = |column| row.get::<_, Option<i64>>(column).map(|millis| millis.map(Timestamp::from_millis));
    Ok(NamedToken {
        token: NewToken {
            name: row.get(0)?,
            tenant: parsed(row, 1)?,
            role: named(row, 2, Role::from_name)?,
            hash: row.get(3)?,
            created_at: Timestamp::from_millis(row.get(4)?),
            expires_at: moment(5)?,
        },
        revoked_at: moment(6)?,
    })
}
