//! What is older than `retention` keeps is forgotten by a gateway that runs; what is younger stays.

use openclaw_tests::TestGateway;
use openclaw_tests::gateway::cli;
use rusqlite::Connection;
use tempfile::TempDir;

fn audited(database: &Connection) -> Vec<String> {
    let mut query = database.prepare("SELECT action FROM audit ORDER BY number").unwrap();
    query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn a_gateway_forgets_what_is_older_than_it_should_get() {
    let home = TempDir::new().unwrap();
    // The first command makes the database, and leaves an entry of today.
    cli(home.path(), &["token", "create", "ci", "--role", "read"]).await.unwrap();
    let database = Connection::open(home.path().join("openclaw.db")).unwrap();
    let now: i64 = database.query_row("SELECT at FROM audit", [], |row| row.get(0)).unwrap();
    let old = "INSERT INTO audit (number, at, tenant, actor, action, subject, detail) \
               VALUES (?1, ?2, 'default', 'cli', ?3, '', '{}')";
    let day = 24 * 60 * 60 * 1000;
    database.execute(old, (-2, now - 3 * day, "three days ago")).unwrap();
    database.execute(old, (-1, now - day, "a day ago")).unwrap();
    let gateway = TestGateway::start_in(home, "{ retention: { auditDays: 2 } }").await;
    while audited(&database).len() > 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(audited(&database), ["a day ago", "token.create"]);
    gateway.stop().await;
}
