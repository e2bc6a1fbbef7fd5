//! What the gateway signs, receivers verify with the libraries they have; and the guide's `http-echo-server` sees it.
//!
//! `make test` installs the libraries and says where Node and Python are; without them this is skipped aloud, and with
//! `CI=true` it fails.

use std::path::PathBuf;
use std::process::Stdio;

use openclaw_tests::TestGateway;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

use crate::deliveries_sink::{Received, Sink};

const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW: &str = "whsec_Q1gxVGVzdEtleUZvclRlc3RzT25seTEyMzQ1Ng==";
/// RFC 8032, test 1: the seed in base64, and the public key.
const PRIVATE: &str = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
const PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

/// The program an environment variable names; `None`, said aloud, when nobody said.
#[expect(clippy::print_stdout, reason = "whoever runs the tests must see what was left out")]
fn program(variable: &str) -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(variable) {
        return Some(path.into());
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{variable} is not set: run `make test`");
    println!("SKIPPED deliveries_verified: {variable} names no program that has the receivers' libraries");
    None
}

fn clients() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("clients")
}

/// Deliveries signed with both shared keys and the private one.
async fn signed() -> Vec<Received> {
    let sink = Sink::start().await;
    let config = json!({ "webhooks": { "outgoing": [{
        "event": "*", "url": sink.url("/in"), "allowPrivate": true, "secret": [NEW, OLD, PRIVATE],
    }] } });
    let gateway = TestGateway::start(&config.to_string()).await;
    let mut session = gateway.connect("").await;
    for text in ["plain", "grüße, 世界 \u{1f600}", "quotes \" and \\ and \n"] {
        session.invoke("text-diff", &json!({ "before": "", "after": text })).await;
    }
    let received = sink.at_least(3).await;
    gateway.stop().await;
    received
}

async fn verified(program: &PathBuf, script: &str, received: &[Received]) -> usize {
    let deliveries: Vec<Value> = received
        .iter()
        .flat_map(|received| [OLD, NEW].map(|secret| (received, secret)))
        .map(|(received, secret)| {
            let headers: serde_json::Map<String, Value> =
                received.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            json!({ "secret": secret, "public": PUBLIC, "headers": headers, "body": received.body })
        })
        .collect();
    let mut child = Command::new(program)
        .arg(clients().join("receivers").join(script))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(serde_json::to_string(&deliveries).unwrap().as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "the libraries refused: {}", output.status);
    String::from_utf8_lossy(&output.stdout).trim().parse().unwrap()
}

#[tokio::test]
async fn receivers_libraries_verify_what_is_signed_with_either_key_while_keys_rotate() {
    let received = signed().await;
    let three = received.iter().all(|received| received.header("webhook-signature").split(' ').count() == 3);
    assert!(three, "{received:?}");
    if let Some(node) = program("OPENCLAW_VENDOR_NODE") {
        assert_eq!(verified(&node, "verify.mjs", &received).await, 3 * 2 * 2);
    }
    if let Some(python) = program("OPENCLAW_VENDOR_PYTHON") {
        assert_eq!(verified(&python, "verify.py", &received).await, 3 * 2 * 3);
    }
}

#[tokio::test]
async fn the_guides_http_echo_server_shows_an_event_that_skill_invoke_caused() {
    let Some(node) = program("OPENCLAW_VENDOR_NODE") else { return };
    // The package takes a port and cannot be asked for a free one, so one is found for it.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut echo = Command::new(node)
        .arg(clients().join("vendors/node_modules/http-echo-server/index.js"))
        .arg(port.to_string())
        .env("PORT", port.to_string())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(echo.stdout.take().unwrap()).lines();
    let first = lines.next_line().await.unwrap().unwrap();
    assert!(first.contains("listening"), "{first}");
    let config = json!({ "webhooks": { "outgoing": [{
        "event": "agent.task.completed", "url": format!("http://127.0.0.1:{port}/events"), "allowPrivate": true,
    }] } });
    let gateway = TestGateway::start(&config.to_string()).await;
    gateway.connect("").await.invoke("text-diff", &json!({ "before": "a", "after": "b" })).await;
    let mut shown = String::new();
    while !shown.contains("\"task_name\":\"text-diff\"") {
        shown.push_str(&lines.next_line().await.unwrap().expect("the echo server runs"));
    }
    assert!(shown.contains("/events") && shown.contains("webhook-id: msg_"), "{shown}");
    gateway.stop().await;
}
