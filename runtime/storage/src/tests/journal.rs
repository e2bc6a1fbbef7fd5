//! The journal's laws: one growing order for durable and other events alike, reads by tenant, traces whole.

use std::fs;

use openclaw_domain::ports::{AuditEntry, Inbox, Journal};
use openclaw_domain::{EventKind, NewEvent, Timestamp};
use rusqlite::Connection;

use super::{Heard, entry, event, home, new_events, open, tenant};
use crate::home::database;

pub(super) fn audit(owner: &str, action: &str) -> AuditEntry {
    AuditEntry {
        at: Timestamp::from_millis(5),
        tenant: tenant(owner),
        actor: "cli".to_owned(),
        action: action.to_owned(),
        subject: "release-notes".to_owned(),
        detail: "{}".to_owned(),
    }
}

#[tokio::test]
async fn seq_grows_strictly_over_restarts_and_is_not_reused_after_deletion() {
    let home = home();
    for round in 1..=3 {
        let storage = open(home.path());
        storage.record(event("acme", "1"));
        let events = new_events(storage.accept(entry("acme", "/in", None, "2")).await.unwrap());
        assert_eq!(events[0].seq, round * 2);
        storage.close().await.unwrap();
        Connection::open(database(home.path())).unwrap().execute("DELETE FROM events", []).unwrap();
    }
}

#[tokio::test]
async fn after_a_crash_that_lost_events_no_seq_is_given_out_twice() {
    let (home, crashed) = (home(), home());
    let storage = open(home.path());
    for _ in 0..10 {
        storage.record(event("acme", "{}"));
    }
    storage.flush().await.unwrap();
    // What a machine that lost power may find: the reserve, which was synced, and none of the events, which were not.
    fs::copy(database(home.path()), database(crashed.path())).unwrap();
    fs::copy(home.path().join("openclaw.db-wal"), crashed.path().join("openclaw.db-wal")).unwrap();
    Connection::open(database(crashed.path())).unwrap().execute("DELETE FROM events", []).unwrap();

    let after = open(crashed.path());
    let events = new_events(after.accept(entry("acme", "/in", None, "x")).await.unwrap());
    assert!(events[0].seq > 10, "{}", events[0].seq);
}

#[tokio::test]
async fn the_listener_hears_recorded_and_accepted_events_in_one_order() {
    let home = home();
    let storage = open(home.path());
    let heard = Heard::default();
    storage.set_listener(heard.listener());
    for number in 0..200 {
        storage.record(event("acme", &format!("record {number}")));
        if number % 20 == 0 {
            storage.accept(entry("rival", "/in", None, &format!("accept {number}"))).await.unwrap();
        }
    }
    storage.flush().await.unwrap();

    let expected: Vec<String> = (0..200)
        .flat_map(|number| {
            let accept = (number % 20 == 0).then(|| format!("accept {number}"));
            [Some(format!("record {number}")), accept].into_iter().flatten()
        })
        .collect();
    assert_eq!(heard.data(), expected);
    assert_eq!(heard.seqs(), (1..=210).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_event_reads_back_as_it_was_heard() {
    let home = home();
    let storage = open(home.path());
    let heard = Heard::default();
    storage.set_listener(heard.listener());
    for kind in EventKind::ALL {
        storage.record(NewEvent { kind, session: None, ..event("acme", r#"{"a":1}"#) });
    }
    storage.record(event("acme", "{}"));
    storage.flush().await.unwrap();

    let events = storage.events_since(&tenant("acme"), 0, 100).await.unwrap();
    assert_eq!(events, *heard.0.lock().unwrap());
    assert_eq!(events[EventKind::ALL.len()].fact.session, Some(u64::MAX));
    assert!(events.iter().all(|event| event.id.len() == 36 && event.id.starts_with("evt_")));
    let resumed = storage.events_since(&tenant("acme"), 2, 3).await.unwrap();
    assert_eq!(resumed, events[2..5]);
    assert_eq!(storage.last_seq(&tenant("acme")).await.unwrap(), events.last().unwrap().seq);
}

#[tokio::test]
async fn one_tenant_sees_nothing_of_another() {
    let home = home();
    let storage = open(home.path());
    let request = entry("acme", "/in", Some("k"), "secret");
    let trace = request.trace.to_string();
    storage.accept(request).await.unwrap();
    storage.record(event("acme", "secret"));
    storage.flush().await.unwrap();

    let rival = tenant("rival");
    assert_eq!(storage.find(&rival, "/in", "k").await.unwrap(), None);
    assert!(storage.events_since(&rival, 0, 100).await.unwrap().is_empty());
    assert_eq!(storage.last_seq(&rival).await.unwrap(), 0);
    assert!(storage.trace(&rival, &trace).await.unwrap().is_empty());
    assert_eq!(storage.trace(&tenant("acme"), &trace).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_trace_tells_the_request_and_what_it_caused_in_order_of_time() {
    let home = home();
    let storage = open(home.path());
    let request = entry("acme", "/deploy", None, r#"{"text":"hi"}"#);
    let (id, trace) = (request.id.to_string(), request.trace);
    storage.accept(request).await.unwrap();
    storage.record(NewEvent { trace, at: Timestamp::from_millis(1), ..event("acme", "early") });
    storage.flush().await.unwrap();

    let told = storage.trace(&tenant("acme"), &trace.to_string()).await.unwrap();
    let lines: Vec<_> = told.iter().map(|entry| (entry.source.as_str(), entry.what.as_str())).collect();
    assert_eq!(
        lines,
        [("event", "agent.task.completed"), ("webhook", "message /deploy"), ("event", "agent.task.completed"),]
    );
    let detail: serde_json::Value = serde_json::from_str(&told[1].detail).unwrap();
    assert_eq!(
        detail,
        serde_json::json!({
            "id": id, "method": "POST", "path": "/deploy", "status": 202, "transform": "template@sha256:00",
            "duration_us": 12, "detail": { "text": "hello" },
        })
    );
    assert!(storage.trace(&tenant("acme"), "no such trace").await.unwrap().is_empty());
}

#[tokio::test]
async fn an_audit_entry_is_on_disk_when_it_is_answered() {
    let home = home();
    let storage = open(home.path());
    storage.audit(audit("acme", "skill.install")).await.unwrap();
    assert_eq!(storage.stats().synced_commits, 1);
    let line: String = Connection::open(database(home.path()))
        .unwrap()
        .query_row("SELECT at || tenant || actor || action || subject || detail FROM audit", [], |row| row.get(0))
        .unwrap();
    assert_eq!(line, "5acmecliskill.installrelease-notes{}");
}
