//! Opening a home: what is made, what is refused, who is kept out.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use openclaw_domain::ports::{INVOKE, Inbox};
use rusqlite::Connection;

use super::{entry, home, open};
use crate::home::database;
use crate::schema::APPLICATION_ID;
use crate::{LockError, OpenError, SCHEMA_VERSION, Storage, StorageOptions};

fn refusal(home: &Path) -> OpenError {
    match Storage::open(home, StorageOptions::default()) {
        Ok(_) => panic!("`{}` opened", home.display()),
        Err(error) => error,
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn an_empty_home_gets_a_database_that_only_its_owner_can_read() {
    let parent = home();
    let home = parent.path().join("new/home");
    let storage = open(&home);
    storage.accept(entry("acme", "/in", None, "x")).await.unwrap();

    assert_eq!(mode(&home), 0o700);
    assert_eq!(mode(&home.join("components")), 0o700);
    for file in ["openclaw.db", "openclaw.db-wal", "openclaw.db-shm", "storage.lock"] {
        assert_eq!(mode(&home.join(file)), 0o600, "{file}");
    }
    let conn = Connection::open(database(&home)).unwrap();
    let version: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    let names: Vec<(i64, String)> = conn
        .prepare("SELECT number, name FROM migrations ORDER BY number")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(version, SCHEMA_VERSION);
    let known = [(1, "first_tables".to_owned()), (2, "owed_skill_calls".to_owned()), (3, "powers".to_owned())];
    assert_eq!(names[..3], known);
}

#[test]
fn a_home_open_to_others_is_closed_to_them() {
    let home = home();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
    drop(open(home.path()));
    assert_eq!(mode(home.path()), 0o700);
}

#[test]
fn a_newer_database_is_refused_and_left_as_it_is() {
    let home = home();
    drop(open(home.path()));
    Connection::open(database(home.path())).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let before = fs::read(database(home.path())).unwrap();

    let error = refusal(home.path());
    assert!(matches!(error, OpenError::Newer { found: 99, known: SCHEMA_VERSION, .. }), "{error:?}");
    let text = format!("schema version 99, this openclaw knows versions up to {SCHEMA_VERSION}: install");
    assert!(error.to_string().contains(&text), "{error}");
    assert_eq!(fs::read(database(home.path())).unwrap(), before);
}

#[tokio::test]
async fn a_database_of_the_first_version_is_brought_up_to_date_and_owes_nothing() {
    let home = home();
    let first = include_str!("../../migrations/0001_first_tables.sql");
    let old = Connection::open(database(home.path())).unwrap();
    old.execute_batch(&format!(
        "{first}
         CREATE TABLE migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT;
         INSERT INTO migrations VALUES (1, 'first_tables', 0);
         INSERT INTO inbox VALUES (1, 'wh_1', 'acme', '/in', 'k', 'POST', '', '[]', x'', 0, '', 'invoke', '{{}}',
             't', 1, 200, NULL, NULL);
         PRAGMA application_id = {APPLICATION_ID};
         PRAGMA user_version = 1;"
    ))
    .unwrap();
    drop(old);

    let storage = open(home.path());
    assert_eq!(storage.owed().await.unwrap(), []);
    assert_eq!(storage.find(&super::tenant("acme"), "/in", "k").await.unwrap().unwrap().id, "wh_1");
    let mut next = entry("acme", "/in", None, "x");
    next.verdict.outcome = INVOKE.to_owned();
    storage.accept(next).await.unwrap();
    assert_eq!(storage.owed().await.unwrap().len(), 1);
}

#[test]
fn a_database_of_another_program_is_refused() {
    let home = home();
    Connection::open(database(home.path())).unwrap().execute_batch("CREATE TABLE theirs (a)").unwrap();
    assert!(matches!(refusal(home.path()), OpenError::NotOurs { .. }));

    let other = super::home();
    fs::write(database(other.path()), "this is a letter to my aunt, not a database ".repeat(100)).unwrap();
    assert!(matches!(refusal(other.path()), OpenError::NotOurs { .. }));
}

#[tokio::test]
async fn a_home_opens_once_at_a_time() {
    let home = home();
    let storage = open(home.path());
    let error = refusal(home.path());
    assert!(error.to_string().contains(&format!("is held by process {}", std::process::id())), "{error}");
    storage.close().await.unwrap();
    drop(open(home.path()));
}

#[test]
fn a_second_gateway_is_kept_off_and_told_who_is_there() {
    let home = home();
    let lock = Storage::lock_home(home.path()).unwrap();
    match Storage::lock_home(home.path()).unwrap_err() {
        LockError::Held { pid, path } => {
            assert_eq!(pid, std::process::id().to_string());
            assert_eq!(path, home.path().join("gateway.lock"));
        }
        LockError::Io(error) => panic!("{error}"),
    }
    drop(lock);
    Storage::lock_home(home.path()).unwrap();
}
