//! An access line for each connection and command, and never a secret in any.

use std::io;
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::fakes::{ACME_TOKEN, TOKEN};
use super::harness::Gateway;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn connections_and_commands_are_logged_without_any_token() {
    let captured = Captured::default();
    let writer = captured.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    // One thread runs the whole test, so this catches what the gateway's tasks log too.
    let _guard = tracing::subscriber::set_default(subscriber);
    let gateway = Gateway::start().await;
    let mut client = gateway.client(TOKEN).await;
    client.ask("a", "skill_invoke", json!({ "skill": "echo" })).await;
    client.ask("b", "skill_invoke", json!({ "skill": "nobody" })).await;
    client.socket.close(None).await.unwrap();
    client.rest().await;
    let mut wrong = gateway.client("a-wrong-guess").await;
    wrong.send(r#"{"type":"status"}"#).await;
    wrong.rest().await;
    gateway.http("GET /metrics?token=acme-secret HTTP/1.1\r\nHost: localhost").await;
    drop((client, wrong));
    gateway.stop().await;
    let log = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    let has = |wanted: &[&str]| log.lines().any(|line| wanted.iter().all(|part| line.contains(part)));
    assert!(has(&["session opened", "tenant=default", "address=127.0.0.1"]), "{log}");
    assert!(has(&["command=\"skill_invoke\"", "code=\"OK\"", "ms=", "tenant=default"]), "{log}");
    assert!(has(&["command=\"skill_invoke\"", "code=\"SKILL_NOT_FOUND\""]), "{log}");
    assert!(has(&["session closed", "commands=2"]), "{log}");
    assert!(has(&["connection turned away", "AUTH_INVALID"]), "{log}");
    for secret in ["token=", ACME_TOKEN, "a-wrong-guess", "?token"] {
        assert!(!log.contains(secret), "`{secret}` in:\n{log}");
    }
    assert!(!log.contains(&format!("\"{TOKEN}\"")) && !log.contains(&format!("={TOKEN}")), "{log}");
}
