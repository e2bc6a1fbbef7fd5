//! The inbox's laws: one row a key, the first one's answer for every other, nothing of other tenants.

use std::collections::{HashMap, HashSet};

use openclaw_domain::Timestamp;
use openclaw_domain::ports::{Accepted, INVOKE, Inbox, InboxEntry, InboxRecord, Journal, OwedCall};
use proptest::collection::vec;
use proptest::prelude::*;
use rusqlite::Connection;
use tokio::task::JoinSet;

use super::{Heard, entry, home, new_events, open, tenant};
use crate::home::database;

#[tokio::test]
async fn a_duplicate_gets_the_first_ones_answer_and_writes_nothing() {
    let home = home();
    let storage = open(home.path());
    let heard = Heard::default();
    storage.set_listener(heard.listener());
    let first = entry("acme", "/deploy", Some("delivery-1"), "first");
    let original = InboxRecord {
        id: first.id.to_string(),
        status: first.verdict.status,
        response: first.verdict.response.clone(),
    };
    assert_eq!(storage.find(&tenant("acme"), "/deploy", "delivery-1").await.unwrap(), None);
    new_events(storage.accept(first).await.unwrap());

    let mut second = entry("acme", "/deploy", Some("delivery-1"), "second");
    second.verdict.status = 500;
    second.verdict.response = None;
    assert_eq!(storage.accept(second).await.unwrap(), Accepted::Duplicate(original.clone()));
    assert_eq!(storage.find(&tenant("acme"), "/deploy", "delivery-1").await.unwrap(), Some(original));
    assert_eq!(heard.data(), ["first"]);
    let rows: i64 = Connection::open(database(home.path()))
        .unwrap()
        .query_row("SELECT count(*) FROM inbox", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 1);
}

#[tokio::test]
async fn the_same_key_under_another_path_or_tenant_is_another_request() {
    let home = home();
    let storage = open(home.path());
    for (owner, path) in [("acme", "/a"), ("acme", "/b"), ("rival", "/a")] {
        new_events(storage.accept(entry(owner, path, Some("k"), owner)).await.unwrap());
    }
    assert_eq!(storage.find(&tenant("rival"), "/b", "k").await.unwrap(), None);
    assert_eq!(storage.find(&tenant("other"), "/a", "k").await.unwrap(), None);
}

#[tokio::test]
async fn requests_without_a_key_are_never_duplicates() {
    let home = home();
    let storage = open(home.path());
    for _ in 0..3 {
        new_events(storage.accept(entry("acme", "/a", None, "same")).await.unwrap());
    }
}

#[tokio::test]
async fn a_request_is_kept_as_it_came() {
    let home = home();
    let storage = open(home.path());
    let mut request = entry("acme", "/a", None, "");
    request.body = bytes::Bytes::from_static(b"\x00\xff raw");
    request.events.clear();
    request.verdict.response = None;
    let id = request.id.to_string();
    assert!(new_events(storage.accept(request).await.unwrap()).is_empty());
    let (body, kind): (Vec<u8>, Option<String>) = Connection::open(database(home.path()))
        .unwrap()
        .query_row("SELECT body, response_type FROM inbox WHERE id = ?1", [id], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!((body.as_slice(), kind), (&b"\x00\xff raw"[..], None));
}

#[tokio::test]
async fn a_request_that_invokes_owes_its_call_until_it_is_settled_also_after_a_restart() {
    let home = home();
    let storage = open(home.path());
    let invoking = |owner: &str, skill: &str| {
        let mut request = entry(owner, "/in", None, "");
        request.events.clear();
        request.verdict.outcome = INVOKE.to_owned();
        request.verdict.detail = format!(r#"{{"skill":"{skill}","arguments":"{{}}"}}"#);
        request
    };
    let (one, two) = (invoking("acme", "one"), invoking("rival", "two"));
    for request in [one.clone(), entry("acme", "/in", None, "a message"), two.clone()] {
        new_events(storage.accept(request).await.unwrap());
    }
    let owed = |request: InboxEntry| OwedCall {
        id: request.id,
        tenant: request.tenant,
        path: request.path,
        trace: request.trace,
        detail: request.verdict.detail,
    };
    storage.close().await.unwrap();
    drop(storage);

    let storage = open(home.path());
    assert_eq!(storage.owed().await.unwrap(), [owed(one.clone()), owed(two.clone())]);
    let at = Timestamp::from_millis(1_780_920_000_001);
    storage.settle(&tenant("rival"), one.id, at).await.unwrap();
    assert_eq!(storage.owed().await.unwrap().len(), 2, "it is not the other tenant's to settle");
    for _ in 0..2 {
        storage.settle(&one.tenant, one.id, at).await.unwrap();
    }
    assert_eq!(storage.owed().await.unwrap(), [owed(two)]);
    let settled_at: i64 = Connection::open(database(home.path()))
        .unwrap()
        .query_row("SELECT settled_at FROM inbox WHERE id = ?1", [one.id.to_string()], |row| row.get(0))
        .unwrap();
    assert_eq!(settled_at, at.as_millis());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_interleaving_of_requests_writes_one_row_a_key(keys in vec(0_u8..5, 1..40)) {
        let home = home();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        runtime.block_on(async {
            let storage = open(home.path());
            let heard = Heard::default();
            storage.set_listener(heard.listener());
            let mut accepts = JoinSet::new();
            for key in &keys {
                let (storage, key) = (storage.clone(), key.to_string());
                accepts.spawn(async move {
                    let request = entry("acme", "/in", Some(&key), &key);
                    let id = request.id.to_string();
                    (key, id, storage.accept(request).await.unwrap())
                });
            }
            let (mut winners, mut answers) = (HashMap::new(), Vec::new());
            while let Some(result) = accepts.join_next().await {
                match result.unwrap() {
                    (key, id, Accepted::New(events)) => {
                        assert_eq!(events.len(), 1);
                        assert_eq!(winners.insert(key, id), None, "two requests with one key are new");
                    }
                    (key, _, Accepted::Duplicate(record)) => answers.push((key, record.id)),
                }
            }
            let distinct: HashSet<_> = keys.iter().map(u8::to_string).collect();
            assert_eq!(winners.keys().cloned().collect::<HashSet<_>>(), distinct);
            for (key, id) in answers {
                assert_eq!(id, winners[&key], "a duplicate names the request that won");
            }
            assert_eq!(heard.seqs(), (1..=i64::try_from(distinct.len()).unwrap()).collect::<Vec<_>>());
            assert_eq!(storage.events_since(&tenant("acme"), 0, 100).await.unwrap().len(), distinct.len());
            storage.close().await.unwrap();
        });
    }
}
