//! Requests that wait for a pause to end: kept whole, decided about once.

use bytes::Bytes;
use openclaw_domain::ports::{Accepted, INVOKE, Inbox, InboxEntry, QUEUED, QueuedRequest, Verdict};
use tokio::task::JoinSet;

use super::{Heard, entry, event, home, new_events, open, tenant};
use crate::Storage;

fn waiting(owner: &str, key: Option<&str>, body: &str) -> InboxEntry {
    let mut entry = entry(owner, "/in", key, body);
    entry.verdict = Verdict {
        outcome: QUEUED.to_owned(),
        detail: "{}".to_owned(),
        transform: String::new(),
        duration_us: 0,
        status: 202,
        response: None,
    };
    entry.events.clear();
    entry
}

fn verdict(outcome: &str) -> Verdict {
    Verdict { outcome: outcome.to_owned(), status: 500, ..entry("acme", "/in", None, "").verdict }
}

async fn accepted(storage: &Storage, entry: &InboxEntry) {
    assert!(new_events(storage.accept(entry.clone()).await.unwrap()).is_empty());
}

#[tokio::test]
async fn a_queued_request_waits_whole_also_through_a_restart() {
    let home = home();
    let storage = open(home.path());
    let (first, second) = (waiting("acme", Some("k"), "\0 raw"), waiting("acme", None, "second"));
    for entry in [&first, &second, &waiting("rival", Some("k"), "theirs"), &entry("acme", "/in", None, "decided")] {
        storage.accept(entry.clone()).await.unwrap();
    }
    storage.close().await.unwrap();
    drop(storage);

    let storage = open(home.path());
    let queued = storage.queued(&tenant("acme"), 10).await.unwrap();
    let expected = QueuedRequest {
        id: first.id,
        tenant: first.tenant.clone(),
        path: first.path.clone(),
        key: first.key.clone(),
        method: first.method.clone(),
        query: first.query.clone(),
        headers: first.headers.clone(),
        body: Bytes::from_static(b"\0 raw"),
        received_at: first.received_at,
        trace: first.trace,
    };
    assert_eq!(queued[0], expected);
    assert_eq!(queued.iter().map(|request| request.id).collect::<Vec<_>>(), [first.id, second.id]);
    assert_eq!(storage.queued(&tenant("acme"), 1).await.unwrap().len(), 1);
    assert_eq!(storage.queues().await.unwrap(), [(tenant("acme"), 2), (tenant("rival"), 1)]);
    assert!(storage.owed().await.unwrap().is_empty(), "it owes nothing before somebody decided");
}

#[tokio::test]
async fn a_decision_is_one_transaction_and_a_duplicate_still_gets_what_the_sender_got() {
    let home = home();
    let storage = open(home.path());
    let heard = Heard::default();
    storage.set_listener(heard.listener());
    let request = waiting("acme", Some("k"), "x");
    accepted(&storage, &request).await;
    let decide = async |owner: &str| {
        let events = vec![event("acme", "one"), event("acme", "two")];
        storage.decide(&tenant(owner), request.id, verdict(INVOKE), events).await.unwrap()
    };
    assert_eq!(decide("rival").await, None, "it is another tenant's");
    let events = decide("acme").await.unwrap();
    assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), heard.seqs());
    assert_eq!(heard.data(), ["one", "two"]);
    assert_eq!(storage.owed().await.unwrap()[0].id, request.id, "an invocation is owed from here on");
    assert!(storage.queued(&tenant("acme"), 10).await.unwrap().is_empty());
    assert_eq!(decide("acme").await, None);
    assert_eq!(heard.data().len(), 2);
    match storage.accept(request.clone()).await.unwrap() {
        Accepted::Duplicate(record) => assert_eq!((record.status, record.response), (202, None)),
        Accepted::New(_) => panic!("it was accepted twice"),
    }
    let still = storage.decide(&tenant("acme"), request.id, verdict(QUEUED), Vec::new()).await.unwrap_err();
    assert!(still.to_string().contains("outcome"), "{still}");
}

#[tokio::test]
async fn of_several_who_decide_one_does() {
    let home = home();
    let storage = open(home.path());
    let heard = Heard::default();
    storage.set_listener(heard.listener());
    let request = waiting("acme", None, "x");
    accepted(&storage, &request).await;
    let mut tasks = JoinSet::new();
    for number in 0..20 {
        let (storage, id) = (storage.clone(), request.id);
        tasks.spawn(async move {
            let events = vec![event("acme", &number.to_string())];
            storage.decide(&tenant("acme"), id, verdict("message"), events).await.unwrap()
        });
    }
    let decided: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(decided.len(), 1);
    assert_eq!(heard.data(), [decided[0][0].fact.data.clone()]);
    assert_eq!(heard.seqs(), [1], "those who came late used up no place");
}
