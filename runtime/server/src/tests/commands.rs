//! What each request is answered, and that it is answered once (docs/protocol.md, Frames).

use std::collections::HashMap;

use serde_json::{Value, json};

use super::fakes::{ACME_TOKEN, TOKEN, named_token};
use super::harness::Gateway;
use crate::ws::MAX_IN_FLIGHT;

#[tokio::test]
async fn status_is_answered_as_status_with_what_a_dashboard_shows() {
    let gateway = Gateway::start().await;
    gateway.clock.advance(std::time::Duration::from_secs(90));
    let frame = gateway.client(TOKEN).await.ask("s", "status", json!({})).await;
    let payload = &frame["payload"];
    assert_eq!(frame["type"], "status");
    assert_eq!(frame["timestamp"], "2026-06-08T12:01:30.000Z");
    assert_eq!((&payload["version"], &payload["uptime_seconds"]), (&json!("1.2.3"), &json!(90)));
    assert_eq!((&payload["tenant"], &payload["role"]), (&json!("default"), &json!("operator")));
    assert_eq!(payload["skills"][0]["name"], "echo");
    assert_eq!((&payload["sessions"], &payload["last_seq"]), (&json!(1), &json!(0)));
    let told = &payload["protocol"];
    assert_eq!(told["commands"], json!(["status", "skill_invoke", "subscribe", "cancel", "chat"]));
    let recorded = ["agent.task.completed", "agent.error", "channel.message.received", "security.alert"];
    let events: Vec<_> = recorded.into_iter().chain(["tool_call", "progress", "tool_result", "delta", "gap"]).collect();
    assert_eq!(told["events"], json!(events), "no channel is served, so none can be disconnected");
}

#[tokio::test]
async fn a_skill_call_shows_its_live_frames_and_then_one_reply_under_its_id() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client(TOKEN).await;
    client.send(r#"{"type":"skill_invoke","id":"a","payload":{"skill":"echo/say","args":{"n": 1.10}}}"#).await;
    let (call, result, reply) = (client.next().await, client.next().await, client.next().await);
    assert_eq!(
        (&call["type"], &result["type"], &reply["type"]),
        (&json!("tool_call"), &json!("tool_result"), &json!("response"))
    );
    assert!(call.get("id").is_none() && result.get("id").is_none());
    assert_eq!(call["payload"]["tool"], "say");
    assert_eq!(call["payload"]["skill"], "echo");
    assert_eq!(call["payload"]["request_id"], "a");
    assert_eq!(call["payload"]["args"], json!({ "n": 1.1 }));
    assert_eq!(call["payload"]["call_id"], result["payload"]["call_id"]);
    assert_eq!(result["payload"]["output"], r#"{"n": 1.10}"#);
    assert_eq!((&result["payload"]["exit_code"], &result["payload"]["duration_ms"]), (&json!(0), &json!(1.5)));
    let payload = &reply["payload"];
    assert_eq!(reply["id"], "a");
    assert_eq!((&payload["text"], &payload["result"]), (&json!(r#"{"n": 1.10}"#), &json!({ "n": 1.1 })));
    assert_eq!((&payload["tool_calls"], &payload["tokens_used"]), (&json!([]), &json!(0)));
    assert_eq!((&payload["skill"], &payload["tool"]), (&json!("echo"), &json!("say")));
    let event = client.next().await;
    assert_eq!(event["type"], "agent.task.completed");
    assert!(event.get("id").is_none());
    assert_eq!(event["payload"]["task_name"], "echo/say");
    assert_eq!((&event["payload"]["request_id"], &event["payload"]["seq"]), (&json!("a"), &json!(1)));
    assert_eq!(event["payload"]["trace_id"], payload["trace_id"]);
}

#[tokio::test]
async fn progress_comes_between_the_call_and_its_result_and_never_under_the_id() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client(TOKEN).await;
    client.send(r#"{"type":"skill_invoke","id":"a","payload":{"skill":"tell"}}"#).await;
    let (call, half) = (client.next().await, client.next().await);
    assert_eq!((&call["type"], &half["type"]), (&json!("tool_call"), &json!("progress")));
    assert_eq!((&half["payload"]["fraction"], &half["payload"]["message"]), (&json!(0.5), &json!("half")));
    assert_eq!((&half["payload"]["request_id"], half.get("id")), (&json!("a"), None));
    assert_eq!(half["payload"]["call_id"], call["payload"]["call_id"]);
    gateway.guests.gate.add_permits(1);
    let (nearly, result, reply) = (client.next().await, client.next().await, client.next().await);
    assert_eq!(nearly["payload"]["message"], "nearly");
    assert!(nearly["payload"].get("fraction").is_none());
    assert_eq!((&result["type"], &reply["id"]), (&json!("tool_result"), &json!("a")));
}

#[tokio::test]
async fn every_refusal_is_an_error_under_the_id_of_its_request() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client(TOKEN).await;
    for (kind, payload, code) in [
        ("chat", json!({}), "INVALID_REQUEST"),
        ("chat", json!({ "text": " " }), "INVALID_REQUEST"),
        ("chat", json!({ "text": "hi", "context": { "user": "" } }), "INVALID_REQUEST"),
        ("chat", json!({ "text": "hi", "deadline_ms": 0 }), "INVALID_REQUEST"),
        ("chat", json!({ "text": "fail" }), "MODEL_FAILED"),
        ("heartbeat_trigger", json!({}), "NOT_CONFIGURED"),
        ("approval", json!({}), "NOT_CONFIGURED"),
        ("dance", json!({}), "INVALID_REQUEST"),
        ("status", json!([]), "INVALID_REQUEST"),
        ("skill_invoke", json!({}), "INVALID_REQUEST"),
        ("skill_invoke", json!({ "skill": "echo", "deadline_ms": 0 }), "INVALID_REQUEST"),
        ("skill_invoke", json!({ "skill": "nobody" }), "SKILL_NOT_FOUND"),
        ("skill_invoke", json!({ "skill": "No/Such/Name" }), "SKILL_NOT_FOUND"),
        ("skill_invoke", json!({ "skill": "fail" }), "SKILL_FAILED"),
        ("skill_invoke", json!({ "skill": "trap" }), "SKILL_TRAPPED"),
        ("skill_invoke", json!({ "skill": "disk" }), "INTERNAL"),
        ("subscribe", json!({ "events": ["a*b"] }), "INVALID_REQUEST"),
        ("cancel", json!({}), "INVALID_REQUEST"),
    ] {
        let frame = client.ask("r", kind, payload).await;
        assert_eq!((&frame["type"], &frame["payload"]["code"]), (&json!("error"), &json!(code)), "{kind}: {frame}");
        assert!(!frame.to_string().contains("/dev/secret"), "{frame}");
    }
}

#[tokio::test]
async fn a_request_without_an_id_is_answered_under_one_the_gateway_made() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client(TOKEN).await;
    for text in [r#"{"type":"status"}"#, "no json", r#"{"type":"dance"}"#] {
        client.send(text).await;
        assert!(client.next().await["id"].as_str().unwrap().starts_with("gw-"), "{text}");
    }
}

#[tokio::test]
async fn a_call_that_fails_or_is_refused_by_its_guest_has_a_result_and_leaves_an_event() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client(TOKEN).await;
    client.send(r#"{"type":"skill_invoke","id":"a","payload":{"skill":"fail"}}"#).await;
    client.next_of("tool_call").await;
    let result = client.next().await;
    assert_eq!(result["payload"]["exit_code"], 1);
    assert_eq!(result["payload"]["output"], "`fail/run` failed: I will not");
    let reply = client.next().await;
    assert_eq!(reply["payload"]["retryable"], false);
    let event = client.next_of("agent.error").await;
    assert_eq!(event["payload"]["message"], "`fail/run` failed: I will not");
    let context = json!({ "code": "SKILL_FAILED", "task_name": "fail", "request_id": "a" });
    assert_eq!(event["payload"]["context"], context);
    assert_eq!(event["payload"]["trace_id"], reply["payload"]["trace_id"]);
    client.ask("b", "skill_invoke", json!({ "skill": "trap" })).await;
    let event = client.next_of("agent.error").await;
    assert_eq!(event["payload"]["message"], "`trap` trapped: unreachable");
    assert_eq!(event["payload"]["context"]["code"], "SKILL_TRAPPED");
    assert_eq!(event["payload"]["stack"], "");
}

#[tokio::test]
async fn a_skill_that_does_not_exist_is_never_shown_as_called() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client(TOKEN).await;
    client.send(r#"{"type":"skill_invoke","id":"a","payload":{"skill":"nobody"}}"#).await;
    assert_eq!(client.next().await["type"], "error");
    client.ask("b", "skill_invoke", json!({ "skill": 7 })).await;
    assert_eq!(gateway.journal.events.lock().unwrap().len(), 0, "and leaves no event");
}

#[tokio::test]
async fn a_role_bounds_what_may_be_asked() {
    let gateway = Gateway::start().await;
    gateway.tokens.0.lock().unwrap().push_back(named_token("eyes", "eyes-only"));
    gateway.server.reload_tokens().await.unwrap();
    let mut eyes = gateway.client("eyes-only").await;
    assert_eq!(eyes.ask("1", "status", json!({})).await["type"], "status");
    assert_eq!(eyes.ask("2", "subscribe", json!({ "events": ["*"] })).await["type"], "ack");
    for kind in ["skill_invoke", "cancel", "chat", "heartbeat_trigger", "approval"] {
        let frame = eyes.ask("3", kind, json!({ "skill": "echo", "request_id": "x" })).await;
        assert_eq!(frame["payload"]["code"], "FORBIDDEN", "{kind}");
    }
    let mut acme = gateway.client(ACME_TOKEN).await;
    assert_eq!(acme.ask("4", "skill_invoke", json!({ "skill": "echo" })).await["type"], "response");
    assert_eq!(acme.ask("5", "approval", json!({})).await["payload"]["code"], "FORBIDDEN");
}

#[tokio::test]
async fn cancel_stops_the_guest_and_both_requests_are_answered() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client(TOKEN).await;
    client.send(r#"{"type":"skill_invoke","id":"slow","payload":{"skill":"wait"}}"#).await;
    client.next_of("tool_call").await;
    client.send(r#"{"type":"cancel","id":"stop","payload":{"request_id":"slow"}}"#).await;
    let ack = client.next_of("ack").await;
    assert_eq!((&ack["id"], &ack["payload"]["cancelled"]), (&json!("stop"), &json!(true)));
    assert_eq!(client.next_of("tool_result").await["payload"]["exit_code"], 1);
    let error = client.next().await;
    assert_eq!((&error["id"], &error["payload"]["code"]), (&json!("slow"), &json!("CANCELLED")));
    let event = client.next_of("agent.error").await;
    assert_eq!(event["payload"]["context"]["code"], "CANCELLED");
    assert_eq!(event["payload"]["trace_id"], error["payload"]["trace_id"]);
    assert_eq!(*gateway.guests.log.lock().unwrap(), ["dropped"]);
    let ack = client.ask("again", "cancel", json!({ "request_id": "slow" })).await;
    assert_eq!(ack["payload"]["cancelled"], false);
}

#[tokio::test]
async fn an_idempotency_key_runs_once_and_repeats_get_the_first_reply() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client(TOKEN).await;
    let call = |id: &str| {
        format!(r#"{{"type":"skill_invoke","id":"{id}","payload":{{"skill":"wait","idempotency_key":"k"}}}}"#)
    };
    client.send(&call("first")).await;
    client.send(&call("second")).await;
    client.next_of("tool_call").await;
    assert_eq!(client.ask("fence", "status", json!({})).await["type"], "status");
    gateway.guests.gate.add_permits(1);
    let (one, two) = (client.next_of("response").await, client.next_of("response").await);
    assert_eq!((&one["id"], &two["id"]), (&json!("first"), &json!("second")));
    assert_eq!(one["payload"], two["payload"]);
    let third = gateway
        .client(TOKEN)
        .await
        .ask("third", "skill_invoke", json!({ "skill": "wait", "idempotency_key": "k" }))
        .await;
    assert_eq!(third["payload"], one["payload"]);
    assert_eq!(*gateway.guests.log.lock().unwrap(), ["done"]);
    let other = client.ask("fourth", "skill_invoke", json!({ "skill": "echo", "idempotency_key": "k" })).await;
    assert_eq!(other["payload"]["code"], "INVALID_REQUEST");
    let acme = json!({ "skill": "echo", "idempotency_key": "k" });
    assert_eq!(gateway.client(ACME_TOKEN).await.ask("fifth", "skill_invoke", acme).await["type"], "response");
}

#[tokio::test]
async fn other_answers_under_the_same_idempotency_key_are_another_request() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client(TOKEN).await;
    let call = |name: &str| {
        let resume = json!({ "state": "00", "answers": [{ "id": "name", "value": name }] });
        json!({ "skill": "echo", "idempotency_key": "k", "resume": resume })
    };
    for id in ["first", "repeat"] {
        assert_eq!(client.ask(id, "skill_invoke", call("Eve")).await["type"], "response");
    }
    assert_eq!(client.ask("other", "skill_invoke", call("Mallory")).await["payload"]["code"], "INVALID_REQUEST");
}

#[tokio::test]
async fn one_trace_id_runs_from_the_door_to_the_reply() {
    let gateway = Gateway::start().await;
    let (door, own) = ("4bf92f3577b34da6a3ce929d0e0e4736", "0af7651916cd43dd8448eb211c80319c");
    let parent = |trace: &str| format!("00-{trace}-00f067aa0ba902b7-01");
    let headers = [("traceparent", parent(door))];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut client = gateway.connect("/?token=secret", &headers).await.unwrap();
    let reply = client.ask("a", "skill_invoke", json!({ "skill": "echo" })).await;
    assert_eq!(reply["payload"]["trace_id"], door);
    let reply = client.ask("b", "skill_invoke", json!({ "skill": "echo", "traceparent": parent(own) })).await;
    assert_eq!(reply["payload"]["trace_id"], own);
    let error = client.ask("c", "skill_invoke", json!({ "skill": "fail", "traceparent": parent(own) })).await;
    assert_eq!(error["payload"]["trace_id"], own);
}

#[tokio::test]
async fn commands_over_the_limit_are_refused_with_the_time_to_wait() {
    let gateway = Gateway::with(|settings| settings.commands_per_minute = 3).await;
    let mut client = gateway.client(TOKEN).await;
    for id in ["1", "2", "3"] {
        assert_eq!(client.ask(id, "status", json!({})).await["type"], "status");
    }
    let error = gateway.client(TOKEN).await.ask("4", "status", json!({})).await;
    assert_eq!(error["payload"]["code"], "RATE_LIMITED");
    assert!(error["payload"]["retry_after_ms"].as_u64().unwrap() > 0);
    assert_eq!(gateway.client(ACME_TOKEN).await.ask("5", "status", json!({})).await["type"], "status");
}

#[tokio::test]
async fn requests_beyond_the_bound_wait_unread() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client(TOKEN).await;
    let bound = u32::try_from(MAX_IN_FLIGHT).unwrap();
    for id in 0..=bound {
        client.send(&format!(r#"{{"type":"skill_invoke","id":{id},"payload":{{"skill":"wait"}}}}"#)).await;
    }
    gateway.guests.begun.acquire_many(bound).await.unwrap().forget();
    assert_eq!(gateway.guests.begun.available_permits(), 0);
    gateway.guests.gate.add_permits(1);
    gateway.guests.begun.acquire().await.unwrap().forget();
}

#[tokio::test]
async fn each_id_is_on_exactly_one_frame() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client(TOKEN).await;
    let requests = [
        r#""type":"status""#,
        r#""type":"skill_invoke","payload":{"skill":"echo","args":{}}"#,
        r#""type":"skill_invoke","payload":{"skill":"fail"}"#,
        r#""type":"skill_invoke","payload":{"skill":"trap"}"#,
        r#""type":"skill_invoke","payload":{"skill":"nobody"}"#,
        r#""type":"skill_invoke","payload":{"skill":"wait"}"#,
        r#""type":"skill_invoke","payload":{"skill":"wait","idempotency_key":"k"}"#,
        r#""type":"skill_invoke","payload":{"skill":7}"#,
        r#""type":"subscribe","payload":{"events":["*"],"since":0}"#,
        r#""type":"cancel","payload":{"request_id":5}"#,
        r#""type":"chat","payload":{"text":"hi"}"#,
        r#""type":"nonsense""#,
        r#""type":7"#,
        r#""payload":{}"#,
    ];
    gateway.guests.gate.add_permits(1000);
    let total = 20 * requests.len();
    for id in 0..total {
        client.send(&format!(r#"{{"id":{id},{}}}"#, requests[id * 7 % requests.len()])).await;
    }
    client.socket.close(None).await.unwrap();
    let mut seen: HashMap<u64, u32> = HashMap::new();
    for frame in client.rest().await {
        if let Some(id) = frame.get("id").and_then(Value::as_u64) {
            *seen.entry(id).or_default() += 1;
        }
    }
    assert_eq!(seen.len(), total);
    assert!(seen.values().all(|count| *count == 1), "{seen:?}");
}
