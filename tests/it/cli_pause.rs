//! Pauses: no call begins, doors stay open, and a restart changes nothing about it.

use openclaw_tests::TestGateway;
use openclaw_tests::gateway::cli;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::guests::SLEEPER;

const CONFIG: &str = r#"{
    gateway: { auth: { mode: "token", token: "token-of-the-default-tenant" } },
    tenants: { acme: { auth: { token: "token-of-the-tenant-acme" }, limits: { callsPerMinute: 7 } } },
}"#;

async fn two_tenants() -> TestGateway {
    let home = TempDir::new().unwrap();
    for tenant in ["default", "acme"] {
        cli(home.path(), &["skills", "install", SLEEPER, "--tenant", tenant]).await.unwrap();
    }
    TestGateway::start_in(home, CONFIG).await
}

async fn ask(gateway: &TestGateway, words: &[&str]) -> Value {
    serde_json::from_str(&cli(gateway.home(), words).await.unwrap()).unwrap()
}

async fn call(gateway: &TestGateway, token: &str) -> String {
    gateway.connect(&format!("?token={token}")).await.invoke("sleeper", &json!({ "ms": 0 })).await
}

const OURS: &str = "token-of-the-default-tenant";
const ACME: &str = "token-of-the-tenant-acme";

#[tokio::test]
async fn a_paused_tenants_calls_are_refused_until_it_goes_on_and_others_go_on_all_the_while() {
    let gateway = two_tenants().await;
    let paused = ask(&gateway, &["pause", "acme"]).await;
    assert_eq!(paused, json!({"what": "acme", "changed": true, "paused": ["acme"]}));
    assert_eq!(ask(&gateway, &["pause", "acme"]).await["changed"], false);
    let refused = call(&gateway, ACME).await;
    assert!(refused.starts_with("GATEWAY_BUSY: ") && refused.contains("paused"), "{refused}");
    assert_eq!(call(&gateway, OURS).await, "response: slept 0 ms");

    // A pause outlives the process, and is shown.
    let gateway = TestGateway::start_in(gateway.stop().await, CONFIG).await;
    assert!(call(&gateway, ACME).await.contains("paused"));
    let status = ask(&gateway, &["status"]).await;
    assert_eq!(status["paused"], json!(["acme"]));
    let acme = status["usage"].as_array().unwrap().iter().find(|one| one["name"] == "acme").unwrap();
    assert_eq!((&acme["paused"], &acme["calls_per_minute_limit"]), (&json!(true), &json!(7)));

    assert_eq!(ask(&gateway, &["resume", "acme"]).await["paused"], json!([]));
    assert_eq!(call(&gateway, ACME).await, "response: slept 0 ms");
    gateway.stop().await;
}

#[tokio::test]
async fn one_skill_or_everything_can_be_paused() {
    let gateway = two_tenants().await;
    ask(&gateway, &["pause", "acme/sleeper"]).await;
    assert!(call(&gateway, ACME).await.contains("paused"));
    assert_eq!(call(&gateway, OURS).await, "response: slept 0 ms");
    ask(&gateway, &["pause"]).await;
    assert!(call(&gateway, OURS).await.contains("paused"));
    ask(&gateway, &["resume"]).await;
    assert_eq!(call(&gateway, OURS).await, "response: slept 0 ms");
    assert!(call(&gateway, ACME).await.contains("paused"), "each pause ends by its own name");
    ask(&gateway, &["resume", "--tenant", "acme", "--skill", "sleeper"]).await;
    assert_eq!(call(&gateway, ACME).await, "response: slept 0 ms");
    for (words, told) in [
        (&["pause", "nobody"][..], "there is no tenant `nobody`"),
        (&["pause", "acme/nothing"], "no skill named `nothing`"),
    ] {
        let refused = cli(gateway.home(), words).await.unwrap_err();
        assert!(refused.contains(told), "{refused}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_tenants_limits_change_with_the_configuration() {
    let gateway = two_tenants().await;
    let file = gateway.home().join("openclaw.json");
    std::fs::write(&file, CONFIG.replace("callsPerMinute: 7", "callsPerMinute: 1")).unwrap();
    let reloaded = ask(&gateway, &["config", "reload"]).await;
    assert_eq!(reloaded["needs_restart"], json!([]), "limits count at once");
    assert_eq!(call(&gateway, ACME).await, "response: slept 0 ms");
    let refused = call(&gateway, ACME).await;
    assert!(refused.starts_with("RATE_LIMITED: "), "{refused}");
    assert_eq!(call(&gateway, OURS).await, "response: slept 0 ms");
    gateway.stop().await;
}
