//! The database's schema: numbered migrations, and the refusal of what this build does not know.
//!
//! Invariant: a database of a newer schema, or of another program, is not written to, not even its header.

use std::path::Path;

use openclaw_domain::Timestamp;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};

use crate::OpenError;

/// One step of the schema. Its number is its place in the list, from 1; a released one never changes.
struct Migration {
    name: &'static str,
    sql: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration { name: "first_tables", sql: include_str!("../migrations/0001_first_tables.sql") },
    Migration { name: "owed_skill_calls", sql: include_str!("../migrations/0002_owed_skill_calls.sql") },
    Migration { name: "powers", sql: include_str!("../migrations/0003_powers.sql") },
    Migration { name: "deliveries", sql: include_str!("../migrations/0004_deliveries.sql") },
    Migration { name: "retention", sql: include_str!("../migrations/0005_retention.sql") },
    Migration { name: "conversations", sql: include_str!("../migrations/0006_conversations.sql") },
    Migration { name: "delivery_slots", sql: include_str!("../migrations/0007_delivery_slots.sql") },
];

/// The newest schema version this build knows.
pub const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;

/// Stands in the header of every openclaw database: `OCLW`.
pub(crate) const APPLICATION_ID: i64 = 0x4f43_4c57;

/// The longest text or blob the database takes, in bytes: what is larger belongs into a file.
pub(crate) const MAX_VALUE: i32 = 64 << 20;

/// Schema version of a database, after checking that this build may touch it. 0 for an empty file.
pub(crate) fn version(conn: &Connection, path: &Path) -> Result<i64, OpenError> {
    let sqlite = OpenError::sqlite(path);
    let pragma = |name: &str| conn.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
    let found = pragma("user_version").map_err(|source| match source.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => OpenError::NotOurs { path: path.to_owned() },
        _ => sqlite(source),
    })?;
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(&sqlite)?;
    let is_empty = found == 0 && tables == 0;
    if !is_empty && pragma("application_id").map_err(&sqlite)? != APPLICATION_ID {
        return Err(OpenError::NotOurs { path: path.to_owned() });
    }
    if found > SCHEMA_VERSION {
        return Err(OpenError::Newer { path: path.to_owned(), found, known: SCHEMA_VERSION });
    }
    Ok(found)
}

/// Opens the connection that writes, and brings the schema up to date.
pub(crate) fn open_writer(path: &Path, now: Timestamp) -> Result<Connection, OpenError> {
    let sqlite = OpenError::sqlite(path);
    // The file exists already, made with the right mode: SQLite gives the WAL the same one.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(path, flags).map_err(&sqlite)?;
    let found = version(&conn, path)?;
    // 8192 pages of WAL between checkpoints: each costs two more syncs, which at 1000 (the default) a busy inbox
    // pays ten times a second. An 8 MiB cache keeps the inner pages of the indexes.
    conn.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 8192;
         PRAGMA cache_size = -8192;
         PRAGMA temp_store = MEMORY;
         PRAGMA trusted_schema = OFF;",
    )
    .map_err(&sqlite)?;
    conn.set_limit(rusqlite::limits::Limit::SQLITE_LIMIT_LENGTH, MAX_VALUE).map_err(&sqlite)?;
    conn.set_prepared_statement_cache_capacity(32);
    migrate(&mut conn, found, now).map_err(&sqlite)?;
    Ok(conn)
}

/// Opens a connection that cannot write.
pub(crate) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.execute_batch("PRAGMA query_only = ON; PRAGMA trusted_schema = OFF;")?;
    Ok(conn)
}

fn migrate(conn: &mut Connection, found: i64, now: Timestamp) -> rusqlite::Result<()> {
    for (number, migration) in (1..).zip(MIGRATIONS) {
        if number <= found {
            continue;
        }
        // A step is done wholly or not at all, together with the note that it was done.
        let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(
            "CREATE TABLE IF NOT EXISTS migrations (
                 number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER NOT NULL
             ) STRICT;",
        )?;
        transaction.execute_batch(migration.sql)?;
        transaction.execute(
            "INSERT INTO migrations (number, name, applied_at) VALUES (?1, ?2, ?3)",
            params![number, migration.name, now.as_millis()],
        )?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", number)?;
        transaction.commit()?;
        tracing::info!(number, name = migration.name, "migrated the database");
    }
    Ok(())
}
