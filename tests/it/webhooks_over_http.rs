//! Webhooks from the socket to the client that watches: accepted, refused, and run by whatever transform is named.

use openclaw_tests::TestGateway;
use openclaw_tests::gateway::cli;
use serde_json::json;
use tempfile::TempDir;

use crate::guests::INGRESS_HOSTILE;

const SECRET: (&str, &str) = ("x-webhook-secret", "a-secret-of-the-tests-own");

const ENDPOINTS: &str = r#"{
    webhooks: { incoming: { secret: "a-secret-of-the-tests-own", endpoints: [
        { path: "/deploy-alert",
          message: "Deployment completed: {{body.service}} is now {{body.status}} (commit {{body.commit}})" },
        { path: "/custom", transform: "ingress-hostile" },
    ] } },
}"#;

#[tokio::test]
async fn the_guide_s_webhook_becomes_the_guide_s_message() {
    let gateway = TestGateway::start(ENDPOINTS).await;
    let mut session = gateway.connect("").await;
    session.ask("status", "listening", &json!({})).await;
    let body = json!({ "service": "api-v2", "status": "success", "commit": "abc123" });
    let answer = gateway.post("/webhook/deploy-alert", &[SECRET], &body).await;
    assert_eq!(answer.status, 200);
    assert_eq!((&answer.json()["ok"], &answer.json()["duplicate"]), (&json!(true), &json!(false)));
    let seen = session.first_of("channel.message.received").await.unwrap();
    assert_eq!(seen["payload"]["text"], "Deployment completed: api-v2 is now success (commit abc123)");
    gateway.stop().await;
}

#[tokio::test]
async fn a_wrong_secret_is_401_and_an_unknown_path_404_and_both_are_webhook_invalid() {
    let gateway = TestGateway::start(ENDPOINTS).await;
    for (path, headers, status) in [
        ("/webhook/deploy-alert", &[("x-webhook-secret", "wrong-but-long-enough")][..], 401),
        ("/webhook/deploy-alert", &[], 401),
        ("/webhook/nowhere", &[SECRET], 404),
    ] {
        let answer = gateway.post(path, headers, &json!({})).await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (status, &json!("WEBHOOK_INVALID")), "{path}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_transform_of_one_s_own_that_traps_is_422_and_the_endpoint_goes_on() {
    let home = TempDir::new().unwrap();
    cli(home.path(), &["skills", "install", INGRESS_HOSTILE]).await.unwrap();
    let gateway = TestGateway::start_in(home, ENDPOINTS).await;
    // This transform reads what to do from its settings, and an endpoint gives it none.
    let answer = gateway.post("/webhook/custom", &[SECRET], &json!({})).await;
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (422, &json!("TRANSFORM_FAILED")), "{answer:?}");
    let body = json!({ "service": "s", "status": "t", "commit": "c" });
    assert_eq!(gateway.post("/webhook/deploy-alert", &[SECRET], &body).await.status, 200);
    gateway.stop().await;
}
