//! `chat` of the real binary: with no model, as the guide prints it; and with a provider on loopback that speaks both
//! wire formats and asks for a component.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;

use openclaw_tests::TestGateway;
use openclaw_tests::gateway::cli;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::guests::SLEEPER;

const KEY: &str = "a-key-of-the-model";

/// A provider that asks for `sleeper` once, and then says `rested`.
struct Provider {
    address: SocketAddr,
    requests: mpsc::UnboundedReceiver<(String, Value)>,
    _tasks: JoinSet<()>,
}

impl Provider {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tx, requests) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (head, body) = read(&mut stream).await;
                let answer = answer(&head, &body);
                tx.send((head, body)).unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.shutdown().await.ok();
            }
        });
        Self { address, requests, _tasks: tasks }
    }

    async fn next(&mut self) -> (String, Value) {
        self.requests.recv().await.unwrap()
    }
}

async fn read(stream: &mut TcpStream) -> (String, Value) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head.split("\r\ncontent-length: ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    (head, serde_json::from_slice(&body).unwrap())
}

fn answer(head: &str, body: &Value) -> String {
    let has_result = body["messages"].as_array().unwrap().last().unwrap().to_string().contains("untrusted_output");
    let events = match (head.starts_with("post /v1/messages"), has_result) {
        (false, false) => vec![
            json!({ "choices": [{ "delta": { "tool_calls": [{
                "index": 0, "id": "c1", "function": { "name": "sleeper", "arguments": "{\"ms\":5}" } }] },
                "finish_reason": "tool_calls" }] }),
            json!({ "choices": [], "usage": { "prompt_tokens": 10, "completion_tokens": 2 } }),
        ],
        (false, true) => vec![
            json!({ "choices": [{ "delta": { "content": "res" } }] }),
            json!({ "choices": [{ "delta": { "content": "ted" }, "finish_reason": "stop" }] }),
            json!({ "choices": [], "usage": { "prompt_tokens": 20, "completion_tokens": 1 } }),
        ],
        (true, false) => vec![
            json!({ "type": "message_start", "message": { "usage": { "input_tokens": 10 } } }),
            json!({ "type": "content_block_start", "index": 0,
                "content_block": { "type": "tool_use", "id": "c1", "name": "sleeper", "input": {} } }),
            json!({ "type": "content_block_delta", "index": 0,
                "delta": { "type": "input_json_delta", "partial_json": "{\"ms\":5}" } }),
            json!({ "type": "message_delta", "delta": { "stop_reason": "tool_use" }, "usage": { "output_tokens": 2 } }),
            json!({ "type": "message_stop" }),
        ],
        (true, true) => vec![
            json!({ "type": "message_start", "message": { "usage": { "input_tokens": 20 } } }),
            json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
            json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": "rested" } }),
            json!({ "type": "message_delta", "delta": {}, "usage": { "output_tokens": 1 } }),
            json!({ "type": "message_stop" }),
        ],
    };
    let events: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{events}")
}

#[tokio::test]
async fn chat_works_as_the_guide_prints_it_with_no_model_at_all() {
    let gateway = TestGateway::start("{}").await;
    let mut session = gateway.connect("").await;
    for (number, (text, expected)) in [
        ("What's the status of our deployment?", "mention no deployment"),
        ("Summarize today's alerts", "No alerts today"),
        ("What happened overnight?", "Nothing happened"),
        ("System health report", "All systems operational. openclaw "),
        ("Token usage this week", "0 tokens used"),
        ("Hello from the API", "a router and no language model"),
        ("/help", "/skill key=value"),
    ]
    .into_iter()
    .enumerate()
    {
        let payload = json!({
            "text": text,
            "context": { "user": "api-client", "channel": "api" },
            "options": { "model": "claude-haiku-4-5-20251001", "no_memory": false },
        });
        let reply = session.ask("chat", &format!("msg-{number}"), &payload).await;
        assert_eq!(reply["type"], "response", "{reply}");
        assert!(reply["payload"]["text"].as_str().unwrap().contains(expected), "{reply}");
        assert_eq!((&reply["payload"]["tool_calls"], &reply["payload"]["tokens_used"]), (&json!([]), &json!(0)));
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_chat_whose_client_closes_at_once_is_answered_twenty_times_of_twenty() {
    let home = TempDir::new().unwrap();
    cli(home.path(), &["skills", "install", SLEEPER]).await.unwrap();
    let gateway = TestGateway::start_in(home, "{}").await;
    for round in 0..20 {
        let mut session = gateway.connect("").await;
        let id = format!("test-{round}");
        session.send("chat", &id, &json!({ "text": "/sleeper ms=5" })).await;
        session.close().await;
        let reply = session.reply(&id).await.expect("the reply comes before the close");
        assert_eq!(reply["payload"]["text"], "slept 5 ms");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_model_on_loopback_runs_a_component_is_remembered_and_counted() {
    for api in ["openai-completions", "anthropic-messages"] {
        let mut provider = Provider::start().await;
        let home = TempDir::new().unwrap();
        cli(home.path(), &["skills", "install", SLEEPER]).await.unwrap();
        let key = home.path().join("model-key.txt");
        std::fs::write(&key, format!("{KEY}\n")).unwrap();
        std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
        let config = json!({
            "secrets": { "model-key": { "file": key } },
            "models": {
                "default": "fast",
                "aliases": { "fast": "test/small" },
                "providers": { "test": {
                    "api": api, "baseUrl": format!("http://{}", provider.address), "apiKeySecret": "model-key",
                    "allowPrivate": true,
                } },
            },
        });
        let gateway = TestGateway::start_in(home, &config.to_string()).await;
        let mut session = gateway.connect("").await;
        session.ask("subscribe", "s", &json!({ "events": ["delta"] })).await;

        session.send("chat", "a", &json!({ "text": "rest a little", "context": { "user": "ada" } })).await;
        let call = session.first_of("tool_call").await.unwrap();
        assert_eq!((&call["payload"]["skill"], &call["payload"]["args"]), (&json!("sleeper"), &json!({ "ms": 5 })));
        let result = session.first_of("tool_result").await.unwrap();
        assert_eq!(
            (&result["payload"]["output"], &result["payload"]["request_id"]),
            (&json!("slept 5 ms"), &json!("a"))
        );
        assert!(session.first_of("delta").await.unwrap()["payload"]["text"].as_str().unwrap().starts_with("res"));
        let reply = session.reply("a").await.unwrap();
        assert_eq!((&reply["payload"]["text"], &reply["payload"]["tokens_used"]), (&json!("rested"), &json!(33)));
        assert_eq!(reply["payload"]["model"], "test/small");
        let trace = reply["payload"]["trace_id"].as_str().unwrap().to_owned();
        let (head, first) = provider.next().await;
        assert!(head.contains(KEY) && first["model"] == "small", "{head}");
        provider.next().await;

        let forget = json!({ "text": "forget this", "no_memory": true, "context": { "user": "ada" } });
        let secretly = session.ask("chat", "b", &forget).await;
        assert_eq!(secretly["payload"]["text"], "rested", "{secretly}");
        let (forgetful, _) = (provider.next().await.1, provider.next().await);
        assert!(!forgetful.to_string().contains("rest a little"));
        session.ask("chat", "c", &json!({ "text": "again", "context": { "user": "ada" } })).await;
        let remembering = provider.next().await.1.to_string();
        assert!(remembering.contains("rest a little") && !remembering.contains("forget this"), "{remembering}");

        let report = json!({ "text": "Token usage this week", "model": "local", "no_memory": true });
        let report = session.ask("chat", "d", &report).await;
        let report = report["payload"]["text"].as_str().unwrap().to_owned();
        assert!(report.starts_with("99 tokens used"), "three turns of 33: {report}");
        let unknown = session.ask("chat", "e", &json!({ "text": "hi", "model": "nobody" })).await;
        assert_eq!(unknown["payload"]["code"], "INVALID_REQUEST", "{unknown}");
        let told = cli(gateway.home(), &["trace", &trace]).await.unwrap();
        assert!(told.contains("agent.task.completed") && told.contains("sleeper/"), "{told}");
        assert!(!gateway.said().contains(KEY));

        let asked = |told: String| serde_json::from_str::<Value>(&told).unwrap();
        let usage = asked(cli(gateway.home(), &["usage", "--json"]).await.unwrap());
        let numbers = ["requests", "input_tokens", "output_tokens"].map(|name| usage[0][name].as_u64());
        assert_eq!((numbers, &usage[0]["model"]), ([Some(6), Some(90), Some(9)], &json!("test/small")), "{usage}");
        let kept = asked(cli(gateway.home(), &["conversations", "list", "--json"]).await.unwrap());
        assert_eq!(
            (&kept[0]["user"], &kept[0]["messages"], kept.as_array().unwrap().len()),
            (&json!("ada"), &json!(4), 1)
        );
        let shown = cli(gateway.home(), &["conversations", "show", "ada"]).await.unwrap();
        assert!(
            shown.contains("rest a little") && shown.contains("rested") && !shown.contains("forget this"),
            "{shown}"
        );
        cli(gateway.home(), &["conversations", "forget", "ada"]).await.unwrap();
        assert!(cli(gateway.home(), &["conversations", "show", "ada"]).await.is_err());
        gateway.stop().await;
    }
}
