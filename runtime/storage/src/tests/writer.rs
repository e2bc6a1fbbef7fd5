//! The writer's laws: groups, durability before answers, isolation of bad jobs, nothing lost while the disk refuses.

use std::time::Duration;

use openclaw_domain::ports::{Inbox, Journal};
use openclaw_domain::{Code, Refusal};
use rusqlite::Connection;
use rusqlite::limits::Limit;
use tokio::task::JoinSet;

use super::{Heard, Stalled, entry, event, home, new_events, open, tenant};
use crate::home::database;
use crate::{Storage, StorageOptions};

#[tokio::test]
async fn writes_that_wait_together_share_one_commit() {
    let home = home();
    let stalled = Stalled::open(home.path(), StorageOptions::default());
    let mut accepts = JoinSet::new();
    for number in 0..100 {
        let storage = stalled.storage.clone();
        accepts.spawn(async move { storage.accept(entry("acme", "/in", None, &number.to_string())).await });
    }
    stalled.queued(100).await;
    let before = stalled.storage.stats();

    let storage = stalled.go_on();
    while let Some(accepted) = accepts.join_next().await {
        new_events(accepted.unwrap().unwrap());
    }

    let after = storage.stats();
    assert_eq!(after.commits - before.commits, 1);
    assert_eq!(after.synced_commits - before.synced_commits, 1);
    assert_eq!(after.jobs - before.jobs, 100);
    assert_eq!((after.queued, after.waiting), (0, 0));
}

#[tokio::test]
async fn an_event_is_heard_only_when_another_connection_can_read_it_and_before_the_answer() {
    let home = home();
    let storage = open(home.path());
    let path = database(home.path());
    let heard = Heard::default();
    let remember = heard.listener();
    storage.set_listener(Box::new(move |events| {
        let conn = Connection::open(&path).unwrap();
        for event in events {
            let (data, requests): (String, i64) = conn
                .query_row(
                    "SELECT data, (SELECT count(*) FROM inbox WHERE body = CAST(data AS BLOB)) FROM events WHERE seq = ?1",
                    [event.seq],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )
                .unwrap();
            assert_eq!((data, requests), (event.fact.data.clone(), 1));
        }
        remember(events);
    }));

    let events = new_events(storage.accept(entry("acme", "/in", None, "a body")).await.unwrap());
    assert_eq!(heard.0.lock().unwrap().as_slice(), events);
}

#[tokio::test]
async fn only_commits_somebody_waits_for_are_synced() {
    let home = home();
    // Its first event reserved places, so that the next ones need no sync for that.
    let stalled = Stalled::open(home.path(), StorageOptions::default());
    let before = stalled.storage.stats();
    stalled.storage.record(event("acme", "{}"));
    let storage = stalled.go_on();
    while storage.stats().events < 2 {
        tokio::task::yield_now().await;
    }
    let between = storage.stats();
    assert_eq!((between.commits - before.commits, between.synced_commits - before.synced_commits), (1, 0));

    storage.accept(entry("acme", "/in", None, "x")).await.unwrap();
    let after = storage.stats();
    assert_eq!((after.commits - between.commits, after.synced_commits - between.synced_commits), (1, 1));
}

#[tokio::test]
async fn a_job_that_cannot_be_written_fails_alone() {
    let home = home();
    let stalled = Stalled::open(home.path(), StorageOptions::default());
    let storage = stalled.storage.clone();
    let mut jobs = JoinSet::new();
    jobs.spawn(async move {
        // Runs first in the group: from then on a value of more than 5,000 bytes is too big.
        storage.write(|conn| conn.set_limit(Limit::SQLITE_LIMIT_LENGTH, 5_000).map(drop)).await.map(|()| 0)
    });
    stalled.queued(1).await;
    stalled.storage.record(event("acme", r#""first""#));
    stalled.storage.record(event("acme", &"too big ".repeat(1_000)));
    for size in [10, 6_000, 20] {
        let storage = stalled.storage.clone();
        jobs.spawn(async move {
            let accepted = storage.accept(entry("acme", "/in", None, &"x".repeat(size))).await;
            accepted.map(|accepted| new_events(accepted).len() * size)
        });
    }
    stalled.queued(6).await;
    stalled.storage.record(event("acme", r#""last""#));

    let storage = stalled.go_on();
    let (mut written, mut refused) = (Vec::new(), Vec::new());
    while let Some(result) = jobs.join_next().await {
        match result.unwrap() {
            Ok(size) => written.push(size),
            Err(refusal) => refused.push(refusal.code()),
        }
    }
    written.sort_unstable();
    assert_eq!(written, [0, 10, 20]);
    assert_eq!(refused, [Code::Internal]);
    storage.flush().await.unwrap();
    let events = storage.events_since(&tenant("acme"), 0, 100).await.unwrap();
    assert_eq!(events.len(), 4);
    assert_eq!(events[0].fact.data, r#""first""#);
    assert_eq!(events[3].fact.data, r#""last""#);
    // The stalled event was 1, and the ones that failed took no place.
    assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), [2, 3, 4, 5]);
    assert_eq!(storage.stats().lost_events, 1);
}

#[tokio::test]
async fn events_the_disk_refuses_are_kept_in_order_and_those_who_wait_are_told() {
    let home = home();
    let storage = open(home.path());
    let heard = Heard::default();
    storage.set_listener(heard.listener());
    storage.write(|conn| conn.busy_timeout(Duration::ZERO)).await.unwrap();

    let other = Connection::open(database(home.path())).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    storage.record(event("acme", "1"));
    let refusal = storage.accept(entry("acme", "/in", Some("k"), "never")).await.unwrap_err();
    assert_eq!(refusal.code(), Code::Internal);
    storage.record(event("acme", "2"));
    storage.audit(super::journal::audit("acme", "never")).await.unwrap_err();
    assert!(heard.seqs().is_empty());

    other.execute_batch("ROLLBACK").unwrap();
    storage.record(event("acme", "3"));
    storage.flush().await.unwrap();
    assert_eq!(heard.data(), ["1", "2", "3"]);
    assert_eq!(heard.seqs(), [1, 2, 3]);
    assert_eq!(storage.find(&tenant("acme"), "/in", "k").await.unwrap(), None);
    assert_eq!(storage.stats().lost_events, 0);
}

#[tokio::test]
async fn one_write_too_many_is_refused_and_events_never_are() {
    let home = home();
    let stalled = Stalled::open(home.path(), StorageOptions { waiting_writes: 2, ..StorageOptions::default() });
    let mut accepts = JoinSet::new();
    for number in 0..2 {
        let storage = stalled.storage.clone();
        accepts.spawn(async move { storage.accept(entry("acme", "/in", None, &number.to_string())).await });
    }
    stalled.queued(2).await;

    let refusal = stalled.storage.accept(entry("acme", "/in", None, "2")).await.unwrap_err();
    assert!(matches!(refusal, Refusal::QueueFull("inbox")), "{refusal:?}");
    for _ in 0..1_000 {
        stalled.storage.record(event("acme", "{}"));
    }

    let storage = stalled.go_on();
    while let Some(accepted) = accepts.join_next().await {
        accepted.unwrap().unwrap();
    }
    storage.accept(entry("acme", "/in", None, "3")).await.unwrap();
    assert_eq!(storage.events_since(&tenant("acme"), 0, usize::MAX).await.unwrap().len(), 1_003);
}

#[tokio::test]
async fn a_write_whose_caller_went_away_is_done_all_the_same() {
    let home = home();
    let stalled = Stalled::open(home.path(), StorageOptions::default());
    let mut accepts = JoinSet::new();
    let storage = stalled.storage.clone();
    accepts.spawn(async move { storage.accept(entry("acme", "/in", Some("k"), "x")).await });
    stalled.queued(1).await;
    accepts.shutdown().await;

    let storage = stalled.go_on();
    storage.flush().await.unwrap();
    assert!(storage.find(&tenant("acme"), "/in", "k").await.unwrap().is_some());
}

#[tokio::test]
async fn closing_writes_what_is_queued_and_refuses_the_rest() {
    let home = home();
    let storage = open(home.path());
    for _ in 0..2_000 {
        storage.record(event("acme", "{}"));
    }
    storage.close().await.unwrap();
    storage.close().await.unwrap();
    assert!(matches!(storage.accept(entry("acme", "/in", None, "x")).await.unwrap_err(), Refusal::Cancelled));
    assert!(matches!(storage.last_seq(&tenant("acme")).await.unwrap_err(), Refusal::Cancelled));
    storage.record(event("acme", "too late"));

    assert!(!home.path().join("openclaw.db-wal").exists(), "the WAL is folded into the database");
    let storage = open(home.path());
    assert_eq!(storage.events_since(&tenant("acme"), 0, usize::MAX).await.unwrap().len(), 2_000);
}

#[tokio::test]
async fn a_listener_that_panics_stops_nothing() {
    let home = home();
    let storage = open(home.path());
    storage.set_listener(Box::new(|_| panic!("on purpose")));
    new_events(storage.accept(entry("acme", "/in", None, "x")).await.unwrap());
    new_events(storage.accept(entry("acme", "/in", None, "y")).await.unwrap());
}

#[tokio::test]
async fn dropping_the_last_handle_writes_what_is_queued() {
    let home = home();
    let storage: Storage = open(home.path());
    storage.record(event("acme", "{}"));
    drop(storage);
    assert_eq!(open(home.path()).last_seq(&tenant("acme")).await.unwrap(), 1);
}
