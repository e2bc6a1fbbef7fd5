//! Tenants: what is kept of one is exported and erased whole, whatever tables there are, and of no other.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use openclaw_domain::Timestamp;
use openclaw_domain::ports::{Grants, Packages, Paused, TenantRecord, Tenants};
use rusqlite::Connection;

use super::grants::grant;
use super::packages::{file, install};
use super::{home, open, tenant};
use crate::home::database;
use crate::tenants::TABLES;

/// Tables that hold nothing of any tenant.
const NOBODYS: [&str; 2] = ["meta", "migrations"];

fn tables(conn: &Connection) -> Vec<String> {
    conn.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}

/// Name, type, and whether it is the number of its rows, of each column.
fn columns(conn: &Connection, table: &str) -> Vec<(String, String, bool)> {
    conn.prepare("SELECT name, type, pk = 1 AND type = 'INTEGER' FROM pragma_table_info(?1)")
        .unwrap()
        .query_map([table], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}

/// A row of a tenant in every table there is. What is text or bytes in it holds `MARK-<tenant>`.
fn fill(home: &Path, owner: &str) {
    let conn = Connection::open(database(home)).unwrap();
    // `attempts` belong to a tenant by their delivery, so that comes first.
    let mut names = tables(&conn);
    names.sort_by_key(|name| name == "attempts");
    for table in names.iter().filter(|name| !NOBODYS.contains(&name.as_str())) {
        let columns: Vec<_> = columns(&conn, table).into_iter().filter(|(.., is_number)| !is_number).collect();
        let values = columns.iter().map(|(name, kind, _)| match (name.as_str(), kind.as_str()) {
            ("tenant", _) => format!("'{owner}'"),
            ("digest", _) => format!("'{}'", crate::files::hash(owner.as_bytes()).to_hex()),
            ("delivery", _) => format!("(SELECT number FROM deliveries WHERE tenant = '{owner}')"),
            (_, "INTEGER") => "7".to_owned(),
            (_, "BLOB") => format!("CAST('MARK-{owner}' AS BLOB)"),
            _ => format!("'MARK-{owner}'"),
        });
        let names: Vec<_> = columns.iter().map(|(name, ..)| name.as_str()).collect();
        let values: Vec<_> = values.collect();
        // `kv_use` has its row from `kv` already.
        let sql = format!("INSERT OR IGNORE INTO {table} ({}) VALUES ({})", names.join(", "), values.join(", "));
        conn.execute(&sql, []).unwrap_or_else(|error| panic!("{table}: {error}"));
    }
}

fn count(home: &Path, table: &str, rows: &str, owner: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table} WHERE {rows}");
    Connection::open(database(home)).unwrap().query_row(&sql, [owner], |row| row.get(0)).unwrap()
}

#[test]
fn every_table_with_a_tenant_is_exported_and_erased() {
    let home = home();
    drop(open(home.path()));
    let conn = Connection::open(database(home.path())).unwrap();
    let covered: BTreeSet<&str> = TABLES.iter().map(|table| table.name).collect();
    for table in tables(&conn) {
        let has_tenant = columns(&conn, &table).iter().any(|(name, ..)| name == "tenant");
        let is_covered = covered.contains(table.as_str());
        assert!(
            is_covered || (!has_tenant && NOBODYS.contains(&table.as_str())),
            "the table `{table}` is in no list: add it to `TABLES` in tenants.rs, or here if it is nobody's"
        );
        let listed = TABLES.iter().find(|known| known.name == table);
        assert!(!has_tenant || listed.is_some_and(|known| known.rows == "tenant = ?1"), "{table}");
    }
}

#[tokio::test]
async fn an_export_holds_every_row_of_the_tenant_and_no_hash_nor_sealed_value() {
    let home = home();
    let storage = open(home.path());
    for owner in ["acme", "rival"] {
        fill(home.path(), owner);
        storage.grants().put(grant(owner, "say")).await.unwrap();
    }
    let lines = storage.export(&tenant("acme")).await.unwrap();
    let lines: Vec<serde_json::Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let named: Vec<_> = lines.iter().map(|line| line["table"].as_str().unwrap()).collect();
    let expected: Vec<_> = TABLES.iter().map(|table| table.name).chain(["grants"]).collect();
    assert_eq!(named, expected);
    let of = |table: &str| lines.iter().find(|line| line["table"] == table).unwrap();
    assert_eq!(of("kv")["value_base64"], "TUFSSy1hY21l");
    assert_eq!(of("secrets")["name"], "MARK-acme");
    assert_eq!(of("tokens")["name"], "MARK-acme");
    assert!(of("grants")["file"].as_str().unwrap().contains("skill = \"say\""));
    for hidden in ["hash", "hash_base64", "sealed", "sealed_base64", "nonce_base64", "key_id_base64"] {
        assert!(lines.iter().all(|line| line.get(hidden).is_none()), "{hidden}");
    }
    assert!(lines.iter().all(|line| !line.to_string().contains("rival")));
}

#[tokio::test]
async fn an_erased_tenant_is_gone_from_disk_and_no_other_is_touched() {
    let home = home();
    let storage = open(home.path());
    let mine = install(&storage, "acme", "say", b"only mine").await;
    let shared = install(&storage, "acme", "tell", b"shared").await;
    install(&storage, "rival", "tell", b"shared").await;
    for owner in ["acme", "rival"] {
        fill(home.path(), owner);
        storage.grants().put(grant(owner, "say")).await.unwrap();
    }
    let erased = Tenants::erase(&storage, &tenant("acme")).await.unwrap();
    assert_eq!(erased, TABLES.len() as u64 + 2, "one row of each table, and two installed skills");
    for table in &TABLES {
        assert_eq!(count(home.path(), table.name, table.rows, "acme"), 0, "{}", table.name);
        assert!(count(home.path(), table.name, table.rows, "rival") > 0, "{}", table.name);
    }
    assert!(!file(home.path(), mine).exists());
    assert_eq!(storage.component(shared).await.unwrap(), b"shared"[..]);
    assert!(!home.path().join("grants/acme").exists());
    assert_eq!(storage.grants().all().len(), 1);
    assert_eq!(Tenants::erase(&storage, &tenant("acme")).await.unwrap(), 0);

    // Not only from the tables: neither the database nor its log holds the bytes any more.
    for name in ["openclaw.db", "openclaw.db-wal"] {
        let bytes = fs::read(home.path().join(name)).unwrap();
        let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(!holds("MARK-acme"), "{name}");
        assert!(name != "openclaw.db" || holds("MARK-rival"));
    }
}

#[tokio::test]
async fn an_erasure_of_many_rows_goes_batch_by_batch() {
    let home = home();
    let storage = open(home.path());
    let rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
                INSERT INTO audit (at, tenant, actor, action, subject, detail)
                SELECT 1, iif(i % 4 = 0, 'rival', 'acme'), 'cli', 'x', 'y', '{}' FROM n";
    Connection::open(database(home.path())).unwrap().execute(rows, []).unwrap();
    let commits = storage.stats().commits;
    assert_eq!(Tenants::erase(&storage, &tenant("acme")).await.unwrap(), 750);
    assert!(storage.stats().commits - commits >= 4);
    assert_eq!(count(home.path(), "audit", "tenant = ?1", "rival"), 250);
}

#[tokio::test]
async fn tenants_and_pauses_are_remembered() {
    let home = home();
    let storage = open(home.path());
    let record = |name: &str| TenantRecord { name: tenant(name), created_at: Timestamp::from_millis(5) };
    for name in ["b", "a"] {
        assert!(storage.add(record(name)).await.unwrap());
    }
    assert!(!storage.add(record("a")).await.unwrap());
    let pauses = [
        Paused::Everything,
        Paused::Tenant(tenant("a")),
        Paused::Skill(tenant("a"), "say".parse().unwrap()),
        Paused::Skill(tenant("b"), "say".parse().unwrap()),
    ];
    for pause in &pauses {
        assert!(storage.set_paused(pause.clone(), true).await.unwrap());
        assert!(!storage.set_paused(pause.clone(), true).await.unwrap());
    }
    storage.close().await.unwrap();
    drop(storage);

    let storage = open(home.path());
    assert_eq!(Tenants::list(&storage).await.unwrap(), [record("a"), record("b")]);
    assert_eq!(storage.paused().await.unwrap(), BTreeSet::from(pauses.clone()));
    assert!(storage.set_paused(pauses[1].clone(), false).await.unwrap());
    assert!(!storage.set_paused(pauses[1].clone(), false).await.unwrap());
    assert_eq!(storage.paused().await.unwrap().len(), 3, "a tenant's pause is not its skills'");
}
