//! Two tenants of one gateway: neither sees the other's skills, events or webhooks.

use openclaw_tests::TestGateway;
use openclaw_tests::gateway::{Session, cli};
use serde_json::json;
use tempfile::TempDir;

use crate::guests::SLEEPER;

const TWO_TENANTS: &str = r#"{
    gateway: { auth: { mode: "token", token: "token-of-the-default-tenant" } },
    webhooks: { incoming: { secret: "secret-of-the-default-tenant", endpoints: [
        { path: "/door", message: "at the default door: {{body.who}}" },
    ] } },
    tenants: { acme: {
        auth: { token: "token-of-the-tenant-acme" },
        webhooks: { incoming: { secret: "secret-of-the-tenant-acme", endpoints: [
            { path: "/door", message: "at acme's door: {{body.who}}" },
        ] } },
    } },
}"#;

async fn two_tenants() -> (TestGateway, Session, Session) {
    let home = TempDir::new().unwrap();
    cli(home.path(), &["skills", "install", SLEEPER, "--tenant", "acme"]).await.unwrap();
    let gateway = TestGateway::start_in(home, TWO_TENANTS).await;
    let ours = gateway.connect("?token=token-of-the-default-tenant").await;
    let acme = gateway.connect("?token=token-of-the-tenant-acme").await;
    (gateway, ours, acme)
}

#[tokio::test]
async fn a_skill_of_one_tenant_does_not_exist_for_another() {
    let (gateway, mut ours, mut acme) = two_tenants().await;
    assert_eq!(acme.invoke("sleeper", &json!({ "ms": 0 })).await, "response: slept 0 ms");
    let refused = ours.invoke("sleeper", &json!({ "ms": 0 })).await;
    assert_eq!(refused, "SKILL_NOT_FOUND: no skill named `sleeper` is installed and enabled");
    gateway.stop().await;
}

#[tokio::test]
async fn a_webhook_of_one_tenant_is_seen_by_its_sessions_alone() {
    let (gateway, mut ours, mut acme) = two_tenants().await;
    for session in [&mut ours, &mut acme] {
        let subscribed = session.ask("subscribe", "all", &json!({ "events": ["*"] })).await;
        assert_eq!(subscribed["type"], "ack");
    }
    let secret = [("x-webhook-secret", "secret-of-the-tenant-acme")];
    let theirs = gateway.post("/webhook/t/acme/door", &secret, &json!({ "who": "Ada" })).await;
    assert_eq!(theirs.status, 200, "{theirs:?}");
    let crossed = gateway.post("/webhook/door", &secret, &json!({ "who": "Eve" })).await;
    assert_eq!(crossed.status, 401, "acme's secret opens acme's doors alone");
    let secret = [("x-webhook-secret", "secret-of-the-default-tenant")];
    assert_eq!(gateway.post("/webhook/door", &secret, &json!({ "who": "Bob" })).await.status, 200);

    let seen = acme.first_of("channel.message.received").await.unwrap();
    assert_eq!((&seen["payload"]["text"], &seen["payload"]["tenant"]), (&json!("at acme's door: Ada"), &json!("acme")));
    // The default tenant's first message is its own: acme's came before it and was not for its eyes.
    let seen = ours.first_of("channel.message.received").await.unwrap();
    assert_eq!(seen["payload"]["text"], "at the default door: Bob");
    gateway.stop().await;
}
