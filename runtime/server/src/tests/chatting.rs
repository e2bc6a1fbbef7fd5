//! `chat` at the WebSocket: one reply under the id, live frames under `request_id`, cancel, repeats, closing.

use futures_util::SinkExt as _;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::fakes::{ACME_TOKEN, TOKEN};
use super::harness::{Client, Gateway};

fn said(frame: &Value) -> Value {
    assert_eq!(frame["type"], "response", "{frame}");
    serde_json::from_str(frame["payload"]["text"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_chat_as_the_guide_prints_it_is_answered_under_its_id() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client(TOKEN).await;
    let payload = json!({
        "text": "What's the status of our deployment?",
        "context": { "user": "api-client", "channel": "api" },
        "options": { "model": "claude-haiku-4-5-20251001", "no_memory": false },
    });
    let frame = client.ask("msg-001", "chat", payload).await;
    assert_eq!((&frame["payload"]["tool_calls"], &frame["payload"]["tokens_used"]), (&json!([]), &json!(847)));
    assert_eq!(frame["payload"]["model"], "test/x");
    let told = said(&frame);
    assert_eq!((&told["user"], &told["channel"]), (&json!("api-client"), &json!("api")));
    assert_eq!((&told["model"], &told["no_memory"]), (&json!("claude-haiku-4-5-20251001"), &json!(false)));
}

#[tokio::test]
async fn options_are_read_at_the_top_too_and_a_conversation_stays_in_its_tenant() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client(ACME_TOKEN).await;
    let told = said(&client.ask("a", "chat", json!({ "text": "hi", "no_memory": true, "model": "m" })).await);
    assert_eq!((&told["no_memory"], &told["model"]), (&json!(true), &json!("m")));
    assert_eq!((&told["user"], &told["channel"]), (&json!("tenants.acme.auth.token"), &json!("default")));
    let both = json!({ "text": "hi", "model": "top", "options": { "model": "inner", "context": { "user": "u" } } });
    let told = said(&client.ask("b", "chat", both).await);
    assert_eq!((&told["model"], &told["user"], &told["tenant"]), (&json!("inner"), &json!("u"), &json!("acme")));
}

#[tokio::test]
async fn tool_frames_carry_the_request_id_and_never_the_id() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client(TOKEN).await;
    client.send(r#"{"type":"chat","id":"a","payload":{"text":"call"}}"#).await;
    let call = client.next().await;
    assert_eq!((&call["type"], call.get("id")), (&json!("tool_call"), None));
    assert_eq!(call["payload"]["args"].to_string(), r#"{"n":1.10}"#.replace("1.10", "1.1"));
    assert_eq!((&call["payload"]["request_id"], &call["payload"]["skill"]), (&json!("a"), &json!("wait")));
    gateway.guests.gate.add_permits(1);
    let (result, reply) = (client.next().await, client.next().await);
    assert_eq!((&result["type"], &result["payload"]["output"]), (&json!("tool_result"), &json!("waited")));
    assert_eq!((&result["payload"]["exit_code"], &result["payload"]["call_id"]), (&json!(0), &json!("call-1")));
    assert_eq!(reply["id"], "a");
    assert_eq!(reply["payload"]["tool_calls"][0]["args"], "not json", "what is no JSON is shown as it was written");
}

#[tokio::test]
async fn pieces_of_an_answer_come_to_those_who_subscribed_to_them() {
    let gateway = Gateway::start().await;
    let mut deaf = gateway.client(TOKEN).await;
    let mut client = gateway.client(TOKEN).await;
    client.ask("s", "subscribe", json!({ "events": ["delta"] })).await;
    client.send(r#"{"type":"chat","id":"a","payload":{"text":"speak"}}"#).await;
    let (delta, reply) = (client.next().await, client.next().await);
    assert_eq!((&delta["type"], delta.get("id")), (&json!("delta"), None));
    assert_eq!(delta["payload"], json!({ "text": "good day", "request_id": "a" }), "pieces that wait become one");
    assert_eq!(reply["id"], "a");
    deaf.send(r#"{"type":"chat","id":"b","payload":{"text":"speak"}}"#).await;
    assert_eq!(deaf.next().await["id"], "b");
    assert_eq!(client.next().await["payload"]["request_id"], "b", "a subscription reaches the tenant's other sessions");
}

#[tokio::test]
async fn a_chat_is_cancelled_by_its_id_and_its_tool_gets_a_result_first() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client(TOKEN).await;
    client.send(r#"{"type":"chat","id":"a","payload":{"text":"call"}}"#).await;
    client.next_of("tool_call").await;
    client.send(r#"{"type":"cancel","id":"c","payload":{"request_id":"a"}}"#).await;
    let ack = client.next_of("ack").await;
    assert_eq!(ack["payload"]["cancelled"], true);
    let (result, error) = (client.next().await, client.next().await);
    assert_eq!((&result["type"], &result["payload"]["exit_code"]), (&json!("tool_result"), &json!(1)));
    assert_eq!((&error["id"], &error["payload"]["code"]), (&json!("a"), &json!("CANCELLED")));
}

#[tokio::test]
async fn a_close_with_a_chat_in_flight_still_gets_its_reply() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client(TOKEN).await;
    client.send(r#"{"type":"chat","id":"test-1","payload":{"text":"wait"}}"#).await;
    gateway.guests.begun.acquire().await.unwrap().forget();
    client.socket.send(Message::Close(None)).await.unwrap();
    gateway.guests.gate.add_permits(1);
    let frames = client.rest().await;
    assert_eq!((&frames[0]["type"], &frames[0]["id"]), (&json!("response"), &json!("test-1")));
    assert!(frames[1].is_number());
}

async fn keyed(client: &mut Client, id: &str, text: &str, key: &str) -> Value {
    client.ask(id, "chat", json!({ "text": text, "idempotency_key": key })).await
}

#[tokio::test]
async fn a_repeat_under_the_same_key_gets_the_first_reply_and_another_request_none() {
    let gateway = Gateway::start().await;
    let mut client = gateway.client(TOKEN).await;
    let first = keyed(&mut client, "a", "hi", "k").await;
    let again = keyed(&mut client, "b", "hi", "k").await;
    assert_eq!((&again["payload"], &again["id"]), (&first["payload"], &json!("b")));
    assert_eq!(keyed(&mut client, "c", "other", "k").await["payload"]["code"], "INVALID_REQUEST");
    assert_eq!(keyed(&mut client, "d", "fail", "f").await["payload"]["code"], "MODEL_FAILED");
    assert_eq!(keyed(&mut client, "e", "fail", "f").await["payload"]["code"], "MODEL_FAILED");
}
