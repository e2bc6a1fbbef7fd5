//! What a pause holds back is kept and done when it ends: webhooks that wait for their transform, calls that wait for
//! their skill.

use openclaw_tests::TestGateway;
use openclaw_tests::gateway::cli;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::guests::{HOSTILE, INGRESS_HOSTILE};

const SECRET: (&str, &str) = ("x-webhook-secret", "a-secret-of-the-tests-own");

const CONFIG: &str = r#"{
    webhooks: { incoming: { secret: "a-secret-of-the-tests-own", endpoints: [
        { path: "/said", message: "said {{body.word}}" },
        { path: "/asked", transform: "ingress-hostile", settings: { behave: "invoke" } },
    ] } },
}"#;

async fn say(gateway: &TestGateway, word: &str) -> Value {
    let key = format!("key-{word}");
    let answer = gateway.post("/webhook/said", &[SECRET, ("idempotency-key", &key)], &json!({ "word": word })).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[tokio::test]
async fn webhooks_of_a_paused_gateway_are_accepted_and_decided_in_order_when_the_pause_ends() {
    let gateway = TestGateway::start(CONFIG).await;
    cli(gateway.home(), &["pause"]).await.unwrap();
    let queued = say(&gateway, "one").await;
    assert_eq!(queued["outcome"], "queued");
    assert_eq!(say(&gateway, "two").await["outcome"], "queued");
    let again = say(&gateway, "one").await;
    assert_eq!((&again["duplicate"], &again["id"]), (&json!(true), &queued["id"]));
    // The queue outlives the process as the pause does.
    let gateway = TestGateway::start_in(gateway.kill9().await, CONFIG).await;
    assert_eq!(say(&gateway, "three").await["outcome"], "queued");
    let mut session = gateway.connect("").await;
    session.ask("status", "listening", &json!({})).await;
    cli(gateway.home(), &["resume"]).await.unwrap();
    for word in ["one", "two", "three"] {
        let seen = session.first_of("channel.message.received").await.unwrap();
        assert_eq!(seen["payload"]["text"], format!("said {word}"));
    }
    assert_eq!(say(&gateway, "four").await.get("outcome"), None, "nothing is queued any more");
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_paused_still_does_not_hold_up_what_no_pause_concerns() {
    let home = TempDir::new().unwrap();
    cli(home.path(), &["skills", "install", INGRESS_HOSTILE]).await.unwrap();
    let gateway = TestGateway::start_in(home, CONFIG).await;
    cli(gateway.home(), &["pause", "default/ingress-hostile"]).await.unwrap();
    cli(gateway.home(), &["pause"]).await.unwrap();
    let held = gateway.post("/webhook/asked", &[SECRET], &json!({})).await;
    assert_eq!(held.json()["outcome"], "queued");
    assert_eq!(say(&gateway, "one").await["outcome"], "queued");
    let mut session = gateway.connect("").await;
    session.ask("status", "listening", &json!({})).await;
    cli(gateway.home(), &["resume"]).await.unwrap();
    let seen = session.first_of("channel.message.received").await.unwrap();
    assert_eq!(seen["payload"]["text"], "said one");
    gateway.stop().await;
}

#[tokio::test]
async fn a_call_a_webhook_owes_to_a_paused_skill_runs_once_when_the_pause_ends() {
    let home = TempDir::new().unwrap();
    cli(home.path(), &["skills", "install", INGRESS_HOSTILE]).await.unwrap();
    cli(home.path(), &["skills", "install", HOSTILE]).await.unwrap();
    let gateway = TestGateway::start_in(home, CONFIG).await;
    cli(gateway.home(), &["pause", "default/hostile"]).await.unwrap();
    let mut session = gateway.connect("").await;
    session.ask("status", "listening", &json!({})).await;
    let answer = gateway.post("/webhook/asked", &[SECRET], &json!({})).await;
    assert_eq!((answer.status, answer.json().get("outcome")), (200, None), "its transform is not paused: {answer:?}");
    cli(gateway.home(), &["resume", "default/hostile"]).await.unwrap();
    let done = session.first_of("agent.task.completed").await.unwrap();
    assert_eq!(done["payload"]["request_id"], answer.json()["id"]);
    gateway.stop().await;
}
