//! Who sees what (docs/protocol.md, Events).

use openclaw_domain::ports::Journal;
use openclaw_domain::{EventKind, NewEvent, TenantId, Timestamp, TraceId};
use serde_json::{Value, json};

use super::fakes::{ACME_TOKEN, TOKEN};
use super::harness::{Client, Gateway};

/// Records a fact that no session caused.
fn happen(gateway: &Gateway, tenant: &str, text: &str) {
    gateway.journal.record(NewEvent {
        tenant: tenant.parse().unwrap(),
        kind: EventKind::MessageReceived,
        data: json!({ "channel": "webhook", "text": text }).to_string(),
        trace: TraceId::new(),
        at: Timestamp::from_millis(0),
        session: None,
    });
}

/// The types of all frames up to the reply to a status request, which are not that reply.
async fn seen(client: &mut Client) -> Vec<String> {
    client.send(r#"{"type":"status","id":"fence"}"#).await;
    let mut kinds = Vec::new();
    loop {
        let frame = client.next().await;
        if frame["id"] == "fence" {
            return kinds;
        }
        kinds.push(frame["type"].as_str().unwrap().to_owned());
    }
}

#[tokio::test]
async fn what_no_session_caused_is_seen_by_the_whole_tenant_and_nobody_else() {
    let gateway = Gateway::start().await;
    let (mut one, mut two, mut acme) =
        (gateway.client(TOKEN).await, gateway.client(TOKEN).await, gateway.client(ACME_TOKEN).await);
    for client in [&mut one, &mut two, &mut acme] {
        assert!(seen(client).await.is_empty());
    }
    assert_eq!(acme.ask("all", "subscribe", json!({ "events": ["*"] })).await["type"], "ack");
    happen(&gateway, "default", "hello");
    for client in [&mut one, &mut two] {
        let event = client.next().await;
        assert_eq!(event["type"], "channel.message.received");
        assert_eq!((&event["payload"]["text"], &event["payload"]["tenant"]), (&json!("hello"), &json!("default")));
        assert!(event["payload"]["id"].as_str().unwrap().starts_with("evt_"));
    }
    assert!(seen(&mut acme).await.is_empty());
}

#[tokio::test]
async fn another_sessions_calls_are_seen_only_by_subscribers() {
    let gateway = Gateway::start().await;
    let (mut caller, mut plain, mut events, mut all, mut acme) = (
        gateway.client(TOKEN).await,
        gateway.client(TOKEN).await,
        gateway.client(TOKEN).await,
        gateway.client(TOKEN).await,
        gateway.client(ACME_TOKEN).await,
    );
    let ack = events.ask("s", "subscribe", json!({ "events": ["agent.*"] })).await;
    assert_eq!(ack["payload"], json!({ "events": ["agent.*"], "seq": 0 }));
    all.ask("s", "subscribe", json!({ "events": ["*"] })).await;
    acme.ask("s", "subscribe", json!({ "events": ["*"] })).await;
    assert!(seen(&mut plain).await.is_empty());
    assert_eq!(caller.ask("a", "skill_invoke", json!({ "skill": "echo" })).await["type"], "response");
    assert_eq!(events.next().await["type"], "agent.task.completed");
    for expected in ["tool_call", "tool_result", "agent.task.completed"] {
        let frame = all.next().await;
        assert_eq!((&frame["type"], frame.get("id")), (&json!(expected), None));
    }
    assert!(seen(&mut plain).await.is_empty() && seen(&mut acme).await.is_empty());
}

#[tokio::test]
async fn a_subscription_resumes_after_a_seq_without_loss_or_repeat() {
    let gateway = Gateway::start().await;
    for number in 1..=600 {
        happen(&gateway, if number % 2 == 0 { "default" } else { "acme" }, &number.to_string());
    }
    let mut client = gateway.client(TOKEN).await;
    client.send(r#"{"type":"subscribe","id":"s","payload":{"events":["*"],"since":10}}"#).await;
    let ack = client.next().await;
    assert_eq!((&ack["type"], &ack["payload"]["seq"]), (&json!("ack"), &json!(600)));
    happen(&gateway, "default", "601");
    let mut expected = (12..=600).filter(|seq| seq % 2 == 0).chain([601]);
    for seq in &mut expected {
        assert_eq!(client.next().await["payload"]["seq"], json!(seq));
    }
    assert!(seen(&mut client).await.is_empty());
}

#[tokio::test]
async fn a_session_number_in_an_old_event_is_never_a_new_session() {
    let gateway = Gateway::start().await;
    let mut first = gateway.client(TOKEN).await;
    first.ask("a", "skill_invoke", json!({ "skill": "echo" })).await;
    drop(first);
    let mut second = gateway.client(TOKEN).await;
    assert_eq!(second.ask("s", "subscribe", json!({ "since": 0 })).await["payload"]["events"], json!([]));
    assert!(seen(&mut second).await.is_empty(), "another session's event, and nothing was subscribed to");
}

#[tokio::test]
async fn subscribing_adds_to_what_was_subscribed() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client(TOKEN).await;
    client.ask("1", "subscribe", json!({ "events": ["agent.*"] })).await;
    let ack: Value = client.ask("2", "subscribe", json!({ "events": ["tool_call", "agent.*"] })).await;
    assert_eq!(ack["payload"]["events"], json!(["agent.*", "tool_call"]));
    assert_eq!(gateway.bus.sessions_of(&TenantId::default()), 1);
}

#[tokio::test]
async fn a_session_has_64_patterns_in_all_however_many_frames_it_sends() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client(TOKEN).await;
    let names = |range: std::ops::Range<usize>| range.map(|number| format!("kind.{number}")).collect::<Vec<_>>();
    for range in [0..60, 30..64, 0..64] {
        assert_eq!(client.ask("some", "subscribe", json!({ "events": names(range) })).await["type"], "ack");
    }
    let refused = client.ask("more", "subscribe", json!({ "events": ["kind.1", "one.too", "many"] })).await;
    assert_eq!(refused["payload"]["code"], "INVALID_REQUEST");
    let ack = client.ask("none", "subscribe", json!({})).await;
    assert_eq!(ack["payload"]["events"], json!(names(0..64)), "what was refused left nothing behind");
}
