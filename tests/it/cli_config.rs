//! The configuration as an operator changes it: put in force by a command, kept when it would open the gateway, and
//! obeyed by what guests log.

use std::path::Path;

use openclaw_tests::gateway::cli;
use openclaw_tests::{TestGateway, until};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::guests::HOSTILE;

fn configure(home: &Path, text: &str) {
    std::fs::write(home.join("openclaw.json"), text).unwrap();
}

async fn json_of(home: &Path, words: &[&str]) -> Value {
    serde_json::from_str(&cli(home, words).await.unwrap()).unwrap()
}

#[tokio::test]
async fn a_configuration_is_in_force_when_config_reload_has_ended() {
    let gateway = TestGateway::start("{}").await;
    let (secret, body) = ([("x-webhook-secret", "a-secret-of-the-tests-own")], json!({ "who": "Ada" }));
    // Whoever polls for changes looks twice a second; a command that did not wait would lose one of these rounds.
    for round in 0..10 {
        let endpoint = format!(r#"{{ path: "/door-{round}", message: "{{{{body.who}}}}" }}"#);
        configure(
            gateway.home(),
            &format!(
                r#"{{ webhooks: {{ incoming: {{ secret: "a-secret-of-the-tests-own", endpoints: [{endpoint}] }} }} }}"#
            ),
        );
        let reloaded = json_of(gateway.home(), &["config", "reload"]).await;
        assert_eq!((&reloaded["needs_restart"], &reloaded["warnings"]), (&json!([]), &json!([])));
        let answer = gateway.post(&format!("/webhook/door-{round}"), &secret, &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    configure(gateway.home(), "{ gateway: { prot: 1 } }");
    let refused = cli(gateway.home(), &["config", "reload"]).await.unwrap_err();
    let refused: Value = serde_json::from_str(refused.trim()).unwrap();
    assert_eq!(refused["error"]["exit"], 3);
    assert!(refused["error"]["message"].as_str().unwrap().contains("did you mean `port`?"), "{refused}");
    assert_eq!(gateway.post("/webhook/door-9", &secret, &body).await.status, 200, "the old one is kept");
    gateway.stop().await;
}

#[tokio::test]
async fn config_reload_without_a_gateway_says_so() {
    let home = TempDir::new().unwrap();
    let refused = cli(home.path(), &["config", "reload"]).await.unwrap_err();
    assert!(refused.contains("no gateway runs on the home"), "{refused}");
}

#[tokio::test]
async fn a_gateway_on_all_interfaces_keeps_asking_for_its_token_whatever_becomes_of_its_file() {
    let gateway =
        TestGateway::start(r#"{ gateway: { bind: "lan", auth: { token: "a-token-of-the-tests-own" } } }"#).await;
    assert_eq!(gateway.get("/metrics").await.status, 401);
    configure(gateway.home(), r#"{ gateway: { bind: "loopback" } }"#);
    let refused = cli(gateway.home(), &["config", "reload"]).await.unwrap_err();
    assert!(refused.contains("`gateway.bind` is still 0.0.0.0 until a restart"), "{refused}");
    assert_eq!(gateway.get("/metrics").await.status, 401);
    std::fs::remove_file(gateway.home().join("openclaw.json")).unwrap();
    let refused = cli(gateway.home(), &["config", "reload"]).await.unwrap_err();
    assert!(refused.contains("the file is gone"), "{refused}");
    assert_eq!(gateway.get("/metrics").await.status, 401);
    gateway.stop().await;
}

#[tokio::test]
async fn an_endpoint_whose_transform_cannot_run_is_warned_about_by_its_key() {
    const TEXT: &str = r#"{ webhooks: { incoming: { secret: "a-secret-of-the-tests-own", endpoints: [
        { path: "/a", transform: "no-such-transform" }, { path: "/b", transform: "release-notes" },
        { path: "/c", transform: "github" }, { path: "/d", transform: "mine" },
    ] } } }"#;
    let warned = |report: &Value| -> Vec<String> {
        report["warnings"].as_array().unwrap().iter().map(|one| one["path"].as_str().unwrap().to_owned()).collect()
    };
    let keys = |indices: &[usize]| -> Vec<String> {
        indices.iter().map(|index| format!("webhooks.incoming.endpoints[{index}].transform")).collect()
    };
    let home = TempDir::new().unwrap();
    configure(home.path(), TEXT);
    // Nothing is installed yet: a check knows what comes with the gateway, and makes no home.
    assert_eq!(warned(&json_of(home.path(), &["config", "check"]).await), keys(&[0, 1, 3]));
    assert!(!home.path().join("openclaw.db").exists());
    cli(home.path(), &["skills", "install", crate::guests::INGRESS_HOSTILE, "--name", "mine"]).await.unwrap();
    assert_eq!(warned(&json_of(home.path(), &["config", "check"]).await), keys(&[0, 1]));

    let gateway = TestGateway::start_in(home, TEXT).await;
    for index in [0, 1] {
        let words = format!("warning: `webhooks.incoming.endpoints[{index}].transform` names");
        assert!(gateway.said().contains(&words), "{}", gateway.said());
    }
    assert_eq!(warned(&json_of(gateway.home(), &["config", "check"]).await), keys(&[0, 1]));
    cli(gateway.home(), &["skills", "disable", "mine"]).await.unwrap();
    let reloaded = json_of(gateway.home(), &["config", "reload"]).await;
    let last = reloaded["warnings"].as_array().unwrap().last().unwrap().as_str().unwrap().to_owned();
    assert!(last.starts_with(&format!("`{}` names `mine`, which is disabled", keys(&[3])[0])), "{reloaded}");
    gateway.stop().await;
}

#[tokio::test]
async fn what_a_guest_logs_follows_the_log_level() {
    let home = TempDir::new().unwrap();
    cli(home.path(), &["skills", "install", HOSTILE]).await.unwrap();
    let gateway = TestGateway::start_in(home, r#"{ log_level: "warn" }"#).await;
    let mut session = gateway.connect("").await;
    let lines = |said: &str| said.lines().filter(|line| line.contains("xxxxxxxx")).count();
    // The gateway says so between the two calls, and its lines come in order.
    let parts = || {
        let said = gateway.said();
        said.split_once("the configuration is reloaded").map(|(before, after)| (lines(before), lines(after)))
    };

    assert_eq!(session.invoke("hostile/log-much-and-finish", &json!({})).await, "response: done");
    configure(gateway.home(), r#"{ log_level: "info" }"#);
    cli(gateway.home(), &["config", "reload"]).await.unwrap();
    assert_eq!(session.invoke("hostile/log-much-and-finish", &json!({})).await, "response: done");
    until(|| parts().is_some_and(|(_, after)| after > 0)).await;
    assert_eq!(parts().map(|(before, _)| before), Some(0), "the guest logs at info");
    gateway.stop().await;
}
