//! Tenants from the operator's side: added while the gateway runs, given tokens, exported, erased.

use openclaw_tests::TestGateway;
use openclaw_tests::gateway::cli;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::guests::SLEEPER;

const CONFIG: &str = r#"{
    gateway: { auth: { mode: "token", token: "token-of-the-default-tenant" } },
    tenants: { configured: { auth: { token: "token-of-the-configured-one" } } },
}"#;

async fn ask(gateway: &TestGateway, words: &[&str]) -> Value {
    serde_json::from_str(&cli(gateway.home(), words).await.unwrap()).unwrap()
}

async fn sleeps(gateway: &TestGateway, token: &str) -> String {
    let mut session = gateway.connect(&format!("?token={token}")).await;
    session.invoke("sleeper", &json!({ "ms": 0 })).await
}

#[tokio::test]
async fn a_tenant_is_added_while_the_gateway_runs_and_its_token_works_until_it_is_rotated() {
    let gateway = TestGateway::start(CONFIG).await;
    let made = ask(&gateway, &["tenants", "add", "acme"]).await;
    let first = made["token"].as_str().unwrap().to_owned();
    assert_eq!((&made["tenant"], &made["role"]), (&json!("acme"), &json!("invoke")));
    ask(&gateway, &["skills", "install", SLEEPER, "--tenant", "acme"]).await;
    assert_eq!(sleeps(&gateway, &first).await, "response: slept 0 ms");

    let listed = ask(&gateway, &["tenants", "list"]).await;
    let names: Vec<_> = listed.as_array().unwrap().iter().map(|one| (&one["name"], &one["configured"])).collect();
    assert_eq!(
        names,
        [(&json!("default"), &json!(true)), (&json!("configured"), &json!(true)), (&json!("acme"), &json!(false))]
    );
    for taken in ["acme", "configured", "default"] {
        let refused = cli(gateway.home(), &["tenants", "add", taken]).await.unwrap_err();
        assert!(refused.contains("already"), "{refused}");
    }

    let second = ask(&gateway, &["tenants", "rotate-token", "acme"]).await;
    let second = second["token"].as_str().unwrap();
    assert_ne!(first, second);
    let mut old = gateway.connect(&format!("?token={first}")).await;
    assert_eq!(old.ask("status", "1", &json!({})).await["payload"]["code"], "AUTH_INVALID");
    assert_eq!(sleeps(&gateway, second).await, "response: slept 0 ms");

    // What was added is remembered by the next gateway.
    let gateway = TestGateway::start_in(gateway.stop().await, CONFIG).await;
    assert_eq!(sleeps(&gateway, second).await, "response: slept 0 ms");
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_exported_is_one_tenants_and_what_is_erased_is_gone() {
    let gateway = TestGateway::start(CONFIG).await;
    let token = ask(&gateway, &["tenants", "add", "acme"]).await["token"].as_str().unwrap().to_owned();
    for tenant in ["acme", "default"] {
        ask(&gateway, &["skills", "install", SLEEPER, "--tenant", tenant]).await;
        ask(&gateway, &["skills", "grant", "sleeper", "--tenant", tenant, "--kv", "naps"]).await;
    }
    assert_eq!(sleeps(&gateway, &token).await, "response: slept 0 ms");
    let exported = cli(gateway.home(), &["tenants", "export", "acme"]).await.unwrap();
    let lines: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| line["table"].is_string()), "{exported}");
    assert!(lines.iter().any(|line| line.to_string().contains("sleeper")), "{exported}");
    assert!(!exported.contains(&token), "tokens are kept as hashes");

    let refused = cli(gateway.home(), &["tenants", "erase", "acme"]).await.unwrap_err();
    assert!(refused.contains("add `--yes`"), "{refused}");
    ask(&gateway, &["tenants", "erase", "acme", "--yes"]).await;
    let listed = ask(&gateway, &["tenants", "list"]).await;
    assert!(listed.as_array().unwrap().iter().all(|one| one["name"] != "acme"), "{listed}");
    let mut old = gateway.connect(&format!("?token={token}")).await;
    assert_eq!(old.ask("status", "1", &json!({})).await["payload"]["code"], "AUTH_INVALID");
    let grants = ask(&gateway, &["skills", "grants", "show"]).await;
    let owners: Vec<_> = grants.as_array().unwrap().iter().map(|grant| &grant["tenant"]).collect();
    assert_eq!(owners, [&json!("default")], "the other tenant's grant is as it was");
    let unknown = cli(gateway.home(), &["tenants", "export", "acme"]).await.unwrap_err();
    assert!(unknown.contains("there is no tenant `acme`"), "{unknown}");
    gateway.stop().await;
}

#[tokio::test]
async fn the_default_tenant_is_erased_only_by_force() {
    let home = TempDir::new().unwrap();
    cli(home.path(), &["skills", "install", SLEEPER]).await.unwrap();
    let refused = cli(home.path(), &["tenants", "erase", "default", "--yes"]).await.unwrap_err();
    assert!(refused.contains("--force"), "{refused}");
    cli(home.path(), &["tenants", "erase", "default", "--yes", "--force"]).await.unwrap();
    assert!(!cli(home.path(), &["skills", "list"]).await.unwrap().contains("sleeper"));
}
