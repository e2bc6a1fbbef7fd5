//! Tokens while somebody is connected with them: made, revoked and replaced through the doors operators use.

use openclaw_tests::TestGateway;
use openclaw_tests::gateway::{Session, cli};
use serde_json::{Value, json};

const AUTH: &str = r#"{ gateway: { auth: { token: "the-token-of-the-operator" } } }"#;

/// The code of the frame that a session is refused with, after which it is closed.
async fn refusal(gateway: &TestGateway, token: &str) -> String {
    let mut session = gateway.connect(&format!("?token={token}")).await;
    session.send("status", "first", &json!({})).await;
    let refused = session.next().await.expect("a refusal is told");
    assert!(session.next().await.is_none(), "nothing follows a refusal");
    assert_eq!(session.closed(), Some(1008));
    refused["payload"]["code"].as_str().unwrap().to_owned()
}

async fn is_served(session: &mut Session) {
    assert_eq!(session.ask("status", "again", &json!({})).await["type"], "status");
}

/// Reads until the gateway has closed; the code it closed with.
async fn end(session: &mut Session) -> Option<u16> {
    while session.next().await.is_some() {}
    session.closed()
}

#[tokio::test]
async fn a_named_token_opens_a_session_and_its_revocation_closes_it() {
    let gateway = TestGateway::start(AUTH).await;
    let made = cli(gateway.home(), &["token", "create", "dashboard", "--role", "read"]).await.unwrap();
    let made: Value = serde_json::from_str(&made).unwrap();
    let token = made["token"].as_str().unwrap();

    let mut theirs = gateway.connect(&format!("?token={token}")).await;
    let mut ours = gateway.connect("?token=the-token-of-the-operator").await;
    is_served(&mut theirs).await;
    let forbidden = theirs.ask("skill_invoke", "call", &json!({ "skill": "release-notes", "args": {} })).await;
    assert_eq!(forbidden["payload"]["code"], "FORBIDDEN", "its role is `read`");

    cli(gateway.home(), &["token", "revoke", "dashboard"]).await.unwrap();
    assert_eq!(end(&mut theirs).await, Some(1008), "the session ends with its token");
    assert_eq!(refusal(&gateway, token).await, "AUTH_INVALID");
    is_served(&mut ours).await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_configured_token_that_is_replaced_closes_the_sessions_it_opened() {
    let gateway = TestGateway::start(AUTH).await;
    let made = cli(gateway.home(), &["token", "create", "ci"]).await.unwrap();
    let made: Value = serde_json::from_str(&made).unwrap();
    let mut named = gateway.connect(&format!("?token={}", made["token"].as_str().unwrap())).await;
    let mut old = gateway.connect("?token=the-token-of-the-operator").await;
    is_served(&mut old).await;

    let rotated = AUTH.replace("the-token-of-the-operator", "the-next-token-of-the-operator");
    std::fs::write(gateway.home().join("openclaw.json"), rotated).unwrap();
    cli(gateway.home(), &["config", "reload"]).await.unwrap();
    assert_eq!(end(&mut old).await, Some(1008));
    assert_eq!(refusal(&gateway, "the-token-of-the-operator").await, "AUTH_INVALID");
    is_served(&mut gateway.connect("?token=the-next-token-of-the-operator").await).await;
    is_served(&mut named).await;
    gateway.stop().await;
}
