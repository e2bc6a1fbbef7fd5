//! What is old is forgotten in small steps; what somebody is owed is not.

use std::time::Duration;

use openclaw_domain::ports::{AuditEntry, INVOKE, Inbox, Journal, QUEUED};
use openclaw_domain::{NewEvent, Timestamp};
use rusqlite::Connection;

use super::{entry, event, home, open, tenant};
use crate::home::database;
use crate::{Pruned, Retention, Storage};

const DAY: i64 = 24 * 60 * 60 * 1000;
const NOW: Timestamp = Timestamp::from_millis(1_780_920_000_000);

fn days_ago(days: i64) -> Timestamp {
    Timestamp::from_millis(NOW.as_millis() - days * DAY)
}

async fn request(storage: &Storage, days: i64, outcome: &str) {
    let mut request = entry("acme", "/in", None, "");
    request.received_at = days_ago(days);
    request.verdict.outcome = outcome.to_owned();
    request.events.clear();
    storage.accept(request).await.unwrap();
}

fn happened(storage: &Storage, owner: &str, days: i64) {
    storage.record(NewEvent { at: days_ago(days), ..event(owner, &format!("{days} days ago")) });
}

fn left(home: &std::path::Path, sql: &str) -> Vec<String> {
    let conn = Connection::open(database(home)).unwrap();
    conn.prepare(sql).unwrap().query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn what_is_older_than_it_should_get_is_forgotten_and_what_is_owed_stays() {
    let home = home();
    let storage = open(home.path());
    for (days, outcome) in
        [(400, QUEUED), (400, INVOKE), (400, "message"), (31, "respond"), (30, "failed"), (29, "message")]
    {
        request(&storage, days, outcome).await;
    }
    for (owner, days) in [("acme", 90), ("acme", 60), ("acme", 31), ("acme", 2), ("quiet", 80), ("quiet", 70)] {
        happened(&storage, owner, days);
    }
    for days in [366, 364] {
        let audit = AuditEntry {
            at: days_ago(days),
            tenant: tenant("acme"),
            actor: "cli".to_owned(),
            action: "skill.install".to_owned(),
            subject: days.to_string(),
            detail: "{}".to_owned(),
        };
        storage.audit(audit).await.unwrap();
    }
    let owed = "INSERT INTO deliveries (id, tenant, endpoint, seq, state, next_at, created_at)
                SELECT 'msg_1', tenant, 'hook', seq, 'waiting', 0, 0 FROM events WHERE data = '60 days ago'";
    Connection::open(database(home.path())).unwrap().execute(owed, []).unwrap();

    let pruned = storage.prune(NOW, &Retention::default()).await.unwrap();
    assert_eq!(pruned, Pruned { inbox: 2, events: 3, audit: 1 });
    assert_eq!(
        left(home.path(), "SELECT outcome FROM inbox ORDER BY number"),
        ["queued", "invoke", "failed", "message"]
    );
    assert_eq!(
        left(home.path(), "SELECT data FROM events ORDER BY seq"),
        ["60 days ago", "2 days ago", "70 days ago"],
        "one is owed, one is young, one is its tenant's newest"
    );
    assert_eq!(left(home.path(), "SELECT subject FROM audit"), ["364"]);
    assert_eq!(storage.last_seq(&tenant("quiet")).await.unwrap(), 6);
    assert_eq!(storage.prune(NOW, &Retention::default()).await.unwrap(), Pruned::default());
}

#[tokio::test]
async fn a_request_that_was_owed_goes_once_it_is_settled() {
    let home = home();
    let storage = open(home.path());
    request(&storage, 400, INVOKE).await;
    assert_eq!(storage.prune(NOW, &Retention::default()).await.unwrap().inbox, 0);
    let owed = storage.owed().await.unwrap();
    storage.settle(&owed[0].tenant, owed[0].id, NOW).await.unwrap();
    assert_eq!(storage.prune(NOW, &Retention::default()).await.unwrap().inbox, 1);
}

#[tokio::test]
async fn a_prune_of_many_rows_is_many_writes_and_looks_past_what_stays() {
    let home = home();
    let storage = open(home.path());
    // The first batch is owed from end to end.
    let rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)
                INSERT INTO inbox (id, tenant, path, method, query, headers, body, received_at, trace, outcome, detail,
                    transform, duration_us, status, owed)
                SELECT 'wh_' || i, 'acme', '/in', 'POST', '', '[]', x'00', 0, '', 'invoke', '{}', 't', 1, 200, i <= 300
                FROM n";
    Connection::open(database(home.path())).unwrap().execute(rows, []).unwrap();
    let commits = storage.stats().commits;
    assert_eq!(storage.prune(NOW, &Retention::default()).await.unwrap().inbox, 1200);
    assert!(storage.stats().commits - commits >= 6, "no one write holds all of it");
    assert_eq!(left(home.path(), "SELECT id FROM inbox").len(), 300);
}

#[tokio::test]
async fn a_longer_memory_keeps_more() {
    let home = home();
    let storage = open(home.path());
    request(&storage, 100, "message").await;
    let long = Retention { inbox: Duration::from_secs(101 * 24 * 60 * 60), ..Retention::default() };
    assert_eq!(storage.prune(NOW, &long).await.unwrap(), Pruned::default());
    let for_ever = Retention { inbox: Duration::MAX, events: Duration::MAX, audit: Duration::MAX };
    assert_eq!(storage.prune(NOW, &for_ever).await.unwrap(), Pruned::default());
    let none = Retention { inbox: Duration::ZERO, ..Retention::default() };
    assert_eq!(storage.prune(NOW, &none).await.unwrap().inbox, 1);
}
