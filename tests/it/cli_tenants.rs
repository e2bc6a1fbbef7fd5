//! Tenants from the operator's side: added while the gateway runs, given tokens, exported, erased.

use openclaw_tests::TestGateway;
use openclaw_tests::gateway::cli;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::guests::{POWERS, SLEEPER};

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

/// Every file below a folder whose bytes hold one of these texts.
fn holding(folder: &std::path::Path, texts: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            found.extend(holding(&path, texts));
        } else if kind.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            let has = |text: &&&str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
            found.extend(texts.iter().filter(has).map(|text| format!("{}: {text}", path.display())));
        }
    }
    found
}

#[tokio::test]
async fn nothing_a_skill_kept_can_be_read_from_the_files_of_a_home_that_erased_it() {
    const TEXTS: [&str; 3] = ["ACMEUNIQUEKEY", "ACMEUNIQUEVALUE", "acme-unique-secret"];
    let gateway = TestGateway::start(CONFIG).await;
    for tenant in ["acme", "other"] {
        ask(&gateway, &["tenants", "add", tenant]).await;
        ask(&gateway, &["skills", "install", POWERS, "--tenant", tenant]).await;
        ask(&gateway, &["skills", "grant", "powers", "--tenant", tenant, "--kv", "notes"]).await;
    }
    let words = ["skills", "grant", "powers", "--tenant", "acme", "--secret", "acme-unique-secret for hmac"];
    ask(&gateway, &words).await;
    for (tenant, key, value) in [("acme", "ACMEUNIQUEKEY", "ACMEUNIQUEVALUE"), ("other", "OTHERSKEY", "OTHERSVALUE")] {
        let note = json!({ "bucket": "notes", "key": key, "value": value }).to_string();
        ask(&gateway, &["skills", "call", "powers/set", &note, "--tenant", tenant]).await;
    }
    assert!(holding(gateway.home(), &TEXTS[..2]).len() > 1, "they are there before");
    ask(&gateway, &["tenants", "erase", "acme", "--yes"]).await;
    assert_eq!(holding(gateway.stop().await.path(), &TEXTS), [""; 0]);
}

#[tokio::test]
async fn what_a_removed_skill_kept_is_overwritten_when_that_is_asked_for() {
    let gateway = TestGateway::start(CONFIG).await;
    ask(&gateway, &["skills", "install", POWERS]).await;
    ask(&gateway, &["skills", "grant", "powers", "--kv", "notes"]).await;
    let note = json!({ "bucket": "notes", "key": "FORGOTTENKEY", "value": "FORGOTTENVALUE" }).to_string();
    ask(&gateway, &["skills", "call", "powers/set", &note]).await;
    ask(&gateway, &["skills", "remove", "powers", "--forget-data"]).await;
    assert_eq!(holding(gateway.stop().await.path(), &["FORGOTTENKEY", "FORGOTTENVALUE"]), [""; 0]);
}
