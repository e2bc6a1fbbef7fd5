//! How sessions end, and that nothing owed is lost when they do.

use std::time::Duration;

use futures_util::StreamExt;
use openclaw_domain::ports::Journal;
use openclaw_domain::{EventKind, NewEvent, Secret, TenantId, Timestamp, TraceId};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::fakes::{TOKEN, named_token};
use super::harness::Gateway;
use crate::ws::MESSAGE_BYTES;

#[tokio::test]
async fn a_client_that_closes_with_requests_in_flight_still_gets_their_replies() {
    let gateway = Gateway::start().await;
    for round in 0..20 {
        let mut client = gateway.client(TOKEN).await;
        client.send(&format!(r#"{{"type":"skill_invoke","id":"{round}","payload":{{"skill":"wait"}}}}"#)).await;
        // As `echo … | websocat` does: the frame, then Close, at once.
        client.socket.close(None).await.unwrap();
        gateway.guests.begun.acquire().await.unwrap().forget();
        gateway.guests.gate.add_permits(1);
        let frames = client.rest().await;
        let kinds: Vec<&Value> = frames.iter().map(|frame| frame.get("type").unwrap_or(frame)).collect();
        assert_eq!(kinds[..3], ["tool_call", "tool_result", "response"], "round {round}");
        assert_eq!(frames[2]["id"], round.to_string());
        assert_eq!(kinds.last().unwrap().as_u64(), Some(1005), "the Close comes last");
    }
}

#[tokio::test]
async fn a_close_is_answered_with_its_own_code() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client(TOKEN).await;
    let close = tokio_tungstenite::tungstenite::protocol::CloseFrame { code: 4001.into(), reason: "bye".into() };
    client.socket.close(Some(close)).await.unwrap();
    assert_eq!(client.next().await, 4001);
}

#[tokio::test]
async fn a_client_that_vanishes_takes_its_guests_along() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client(TOKEN).await;
    client.send(r#"{"type":"skill_invoke","id":"a","payload":{"skill":"wait"}}"#).await;
    client.next_of("tool_call").await;
    drop(client);
    gateway.guests.ended.acquire().await.unwrap().forget();
    assert_eq!(*gateway.guests.log.lock().unwrap(), ["dropped"]);
    let event = gateway.next_event().await;
    assert!(event.fact.kind == EventKind::Error && event.fact.data.contains("CANCELLED"), "{event:?}");
    gateway.stop().await;
}

#[tokio::test]
async fn what_the_drain_cuts_is_answered_under_its_id_before_the_close() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client(TOKEN).await;
    for id in ["a", "b"] {
        client.send(&format!(r#"{{"type":"skill_invoke","id":"{id}","payload":{{"skill":"wait"}}}}"#)).await;
        client.next_of("tool_call").await;
    }
    // The time for draining passes as soon as nothing else can happen.
    tokio::time::pause();
    gateway.shutdown.cancel();
    let frames = client.rest().await;
    for id in ["a", "b"] {
        let answers: Vec<_> = frames.iter().filter(|frame| frame["id"] == id).collect();
        assert_eq!(answers.len(), 1, "{frames:?}");
        assert_eq!((&answers[0]["type"], &answers[0]["payload"]["code"]), (&json!("error"), &json!("CANCELLED")));
    }
    assert_eq!(frames.last().unwrap(), 1012);
    drop(client);
    gateway.running.await.unwrap();
    assert_eq!(*gateway.guests.log.lock().unwrap(), ["dropped", "dropped"]);
}

#[tokio::test]
async fn while_the_gateway_drains_it_tells_that_it_is_alive_and_not_ready_and_begins_nothing() {
    let gateway = Gateway::start().await;
    let mut busy = gateway.client(TOKEN).await;
    let mut idle = gateway.client(TOKEN).await;
    busy.send(r#"{"type":"skill_invoke","id":"b","payload":{"skill":"wait"}}"#).await;
    busy.next_of("tool_call").await;
    gateway.shutdown.cancel();
    assert_eq!(idle.rest().await.last().unwrap(), 1012, "the drain has begun");
    let get = async |path: &str| gateway.http(&format!("GET {path} HTTP/1.1\r\nHost: localhost")).await;
    let (status, answer) = get("/readyz").await;
    assert!(status == 503 && answer.contains(r#"{"ready":false,"reason":"stopping"}"#), "{answer}");
    assert_eq!(get("/healthz").await.0, 200);
    let webhook = gateway.http("POST /webhook/deploy HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0").await;
    assert!(webhook.0 == 503 && webhook.1.contains("GATEWAY_BUSY"), "{}", webhook.1);
    assert_eq!(gateway.connect("/?token=secret", &[]).await.err().unwrap().status(), 503);
    gateway.guests.gate.add_permits(1);
    assert_eq!(busy.next_of("response").await["id"], "b");
    drop((busy, idle));
    gateway.running.await.unwrap();
    assert!(tokio::net::TcpStream::connect(gateway.address).await.is_err(), "the address is given back");
}

#[tokio::test]
async fn a_drain_finishes_what_runs_and_closes_with_service_restart() {
    let gateway = Gateway::start().await;
    let mut busy = gateway.client(TOKEN).await;
    let mut idle = gateway.client(TOKEN).await;
    assert_eq!(idle.ask("a", "status", json!({})).await["type"], "status");
    busy.send(r#"{"type":"skill_invoke","id":"b","payload":{"skill":"wait"}}"#).await;
    busy.next_of("tool_call").await;
    gateway.shutdown.cancel();
    assert_eq!(idle.rest().await.last().unwrap(), 1012);
    drop(idle);
    let late = busy.ask("late", "status", json!({})).await;
    assert_eq!(late["payload"]["code"], "GATEWAY_BUSY", "refused under its id, not dropped");
    gateway.guests.gate.add_permits(1);
    assert_eq!(busy.next_of("response").await["id"], "b");
    assert_eq!(busy.rest().await.last().unwrap(), 1012);
    drop(busy);
    gateway.running.await.unwrap();
}

#[tokio::test]
async fn a_session_drops_when_its_token_is_revoked() {
    let gateway = Gateway::start().await;
    gateway.tokens.0.lock().unwrap().push_back(named_token("ci", "ci-token"));
    gateway.server.reload_tokens().await.unwrap();
    let (mut revoked, mut other) = (gateway.client("ci-token").await, gateway.client(TOKEN).await);
    assert_eq!(revoked.ask("a", "status", json!({})).await["type"], "status");
    gateway.tokens.0.lock().unwrap()[0].revoked_at = Some(Timestamp::from_millis(1));
    gateway.server.reload_tokens().await.unwrap();
    assert_eq!(revoked.next().await["payload"]["code"], "AUTH_INVALID");
    assert_eq!(revoked.next().await, 1008);
    assert_eq!(other.ask("b", "status", json!({})).await["type"], "status");
}

#[tokio::test]
async fn a_rotated_token_cancels_what_runs_under_the_old_one() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client(TOKEN).await;
    client.send(r#"{"type":"skill_invoke","id":"a","payload":{"skill":"wait"}}"#).await;
    client.next_of("tool_call").await;
    let mut settings = gateway.settings.load().as_ref().clone();
    settings.tokens[0].token = Secret::new("rotated".to_owned());
    gateway.settings.store(settings.into());
    gateway.server.reload_tokens().await.unwrap();
    let frames = client.rest().await;
    let cancelled = frames.iter().find(|frame| frame["id"] == "a").unwrap();
    assert_eq!(cancelled["payload"]["code"], "CANCELLED");
    assert_eq!(frames.last().unwrap(), 1008);
    assert_eq!(gateway.client("rotated").await.ask("b", "status", json!({})).await["type"], "status");
}

#[tokio::test]
async fn an_expired_token_ends_its_session_at_the_next_command() {
    let gateway = Gateway::start().await;
    let mut token = named_token("short", "short-token");
    token.token.expires_at = Some(Timestamp::from_millis(1_780_920_060_000));
    gateway.tokens.0.lock().unwrap().push_back(token);
    gateway.server.reload_tokens().await.unwrap();
    let mut client = gateway.client("short-token").await;
    assert_eq!(client.ask("a", "status", json!({})).await["type"], "status");
    gateway.clock.advance(Duration::from_secs(60));
    assert_eq!(client.ask("b", "status", json!({})).await["payload"]["code"], "AUTH_INVALID");
    assert_eq!(client.rest().await.last().unwrap(), 1008);
}

#[tokio::test]
async fn a_message_over_the_cap_is_named_and_ends_the_session() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client(TOKEN).await;
    // What a session that stopped reading never takes may fail to send; the answer is what counts.
    drop(futures_util::SinkExt::send(&mut client.socket, Message::text("x".repeat(MESSAGE_BYTES + 1))).await);
    assert_eq!(client.next().await["payload"]["code"], "PAYLOAD_TOO_LARGE");
    assert_eq!(client.next().await, 1009);
}

#[tokio::test]
async fn a_binary_message_is_refused_and_the_session_goes_on() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client(TOKEN).await;
    futures_util::SinkExt::send(&mut client.socket, Message::binary(vec![1])).await.unwrap();
    assert_eq!(client.next().await["payload"]["code"], "INVALID_REQUEST");
    assert_eq!(client.ask("a", "status", json!({})).await["type"], "status");
}

#[tokio::test]
async fn a_ping_is_answered_with_its_payload() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client(TOKEN).await;
    futures_util::SinkExt::send(&mut client.socket, Message::Ping(b"abc".to_vec().into())).await.unwrap();
    assert_eq!(client.socket.next().await.unwrap().unwrap(), Message::Pong(b"abc".to_vec().into()));
}

#[tokio::test]
async fn a_slow_reader_loses_events_with_a_count_and_never_replies() {
    const EVENTS: u64 = 1500;
    const CALLS: u64 = 20;
    let gateway = Gateway::start().await;
    let mut client = gateway.client(TOKEN).await;
    assert_eq!(client.ask("ready", "status", json!({})).await["type"], "status");
    let data = json!({ "filler": "x".repeat(32 << 10) }).to_string();
    for _ in 0..EVENTS {
        gateway.journal.record(NewEvent {
            tenant: TenantId::default(),
            kind: EventKind::MessageReceived,
            data: data.clone(),
            trace: TraceId::new(),
            at: Timestamp::from_millis(0),
            session: None,
        });
    }
    for id in 0..CALLS {
        client.send(&format!(r#"{{"type":"skill_invoke","id":{id},"payload":{{"skill":"echo"}}}}"#)).await;
    }
    let (mut seen, mut missed, mut replies, mut last_seq) = (0, 0, 0, 0);
    // The completions of the calls are events too.
    while seen + missed < EVENTS + CALLS || replies < CALLS {
        let frame = client.next().await;
        match frame["type"].as_str().unwrap() {
            "gap" => missed += frame["payload"]["missed"].as_u64().unwrap(),
            "response" => replies += 1,
            "tool_call" | "tool_result" => {}
            _ => {
                seen += 1;
                let seq = frame["payload"]["seq"].as_u64().unwrap();
                assert!(seq > last_seq, "events come in order");
                last_seq = seq;
            }
        }
    }
    assert!(missed > 0, "nothing was dropped: send more events");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_held_no_more_than_a_few_results_and_none_is_lost() {
    const CALLS: usize = 40;
    let gateway = Gateway::start().await;
    let mut silent = gateway.client(TOKEN).await;
    let mut other = gateway.client(TOKEN).await;
    for id in 0..CALLS {
        silent.send(&format!(r#"{{"type":"skill_invoke","id":{id},"payload":{{"skill":"wait-large"}}}}"#)).await;
    }
    gateway.guests.begun.acquire_many(u32::try_from(CALLS).unwrap()).await.unwrap().forget();
    gateway.guests.gate.add_permits(CALLS);
    gateway.guests.ended.acquire().await.unwrap().forget();
    for _ in 0..20 {
        assert_eq!(other.ask("fence", "status", json!({})).await["type"], "status");
    }
    // Each is a mebibyte and three when printed: a few in the kernel's buffers, a few here, the rest not even made.
    let ended = gateway.guests.log.lock().unwrap().len();
    assert!(ended < CALLS / 4 * 3, "{ended} results wait for a client that reads nothing");
    let mut replies = 0;
    while replies < CALLS {
        let Message::Text(frame) = silent.socket.next().await.unwrap().unwrap() else { panic!("no frame") };
        replies += usize::from(frame.starts_with(r#"{"type":"response""#));
    }
}

#[tokio::test]
async fn a_peer_that_answers_no_ping_is_dropped() {
    let gateway = Gateway::with(|settings| settings.max_connections = 1).await;
    let client = gateway.client(TOKEN).await;
    // Time jumps to the next timer whenever nothing else can happen: to the ping, to its deadline.
    tokio::time::pause();
    let mut silent = client.socket.into_inner();
    let mut bytes = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut silent, &mut bytes).await.unwrap();
    assert_eq!(bytes, [0x89, 0], "one ping, then the end");
}
