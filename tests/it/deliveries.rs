//! Deliveries seen from outside: a real gateway posts to a real receiver, through the one way out.

use openclaw_tests::TestGateway;
use openclaw_tests::gateway::cli;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::deliveries_sink::Sink;
use crate::guests::HOSTILE;

const SECRET: [(&str, &str); 1] = [("x-webhook-secret", "a-secret-of-the-tests-own")];

/// A gateway with these endpoints and a door whose messages are what is posted there; `KEY` is `hush-hush`.
async fn gateway(outgoing: &Value) -> TestGateway {
    let home = TempDir::new().unwrap();
    cli(home.path(), &["skills", "install", HOSTILE]).await.unwrap();
    let incoming = json!({ "secret": "a-secret-of-the-tests-own", "endpoints": [
        { "path": "/door", "message": "{{body.text}}" },
    ] });
    let config = json!({ "webhooks": { "incoming": incoming, "outgoing": outgoing } });
    TestGateway::start_under(&["env", "KEY=hush-hush"], home, &config.to_string()).await
}

async fn webhooks(gateway: &TestGateway, arguments: &[&str]) -> Value {
    let all: Vec<&str> = ["webhooks"].into_iter().chain(arguments.iter().copied()).collect();
    serde_json::from_str(&cli(gateway.home(), &all).await.unwrap()).unwrap()
}

/// The delivery to an endpoint, once it is settled.
pub(crate) async fn settled(gateway: &TestGateway, endpoint: &str) -> Value {
    loop {
        let found = webhooks(gateway, &["deliveries", "--endpoint", endpoint]).await;
        if found[0]["settled_at"].is_string() {
            return found[0].clone();
        }
    }
}

#[tokio::test]
async fn an_event_caused_by_skill_invoke_is_posted_and_without_allow_private_the_refusal_names_the_key() {
    let sink = Sink::start().await;
    let gateway = gateway(&json!([
        { "event": "agent.task.completed", "url": sink.url("/in"), "name": "allowed", "allowPrivate": true },
        { "event": "agent.task.completed", "url": sink.url("/out"), "name": "denied" },
    ]))
    .await;
    let mut session = gateway.connect("").await;
    session.invoke("text-diff", &json!({ "before": "a", "after": "b" })).await;
    let received = sink.on("/in").await;
    let body = received.json();
    assert_eq!((&body["type"], &body["data"]["task_name"]), (&json!("agent.task.completed"), &json!("text-diff")));
    assert!(body["data"]["result"].as_str().unwrap().contains("-a") && body["timestamp"].is_string());
    assert_eq!(received.header("content-type"), "application/json");
    let denied = settled(&gateway, "denied").await;
    assert_eq!(denied["state"], "refused");
    let reason = denied["last_error"].as_str().unwrap();
    assert!(reason.contains("`webhooks.outgoing[1].allowPrivate`"), "{reason}");
    let allowed = settled(&gateway, "allowed").await;
    assert_eq!((&allowed["state"], &allowed["id"]), (&json!("delivered"), &json!(received.header("webhook-id"))));
    assert_eq!(sink.received().len(), 1);
    let metrics = gateway.get("/metrics").await.body;
    assert!(
        metrics.contains(r#"openclaw_deliveries_total{endpoint="default/allowed",outcome="delivered"} 1"#),
        "{metrics}"
    );
    gateway.stop().await;
}

#[tokio::test]
async fn the_guides_slack_pagerduty_and_datadog_produce_exactly_the_json_it_shows() {
    let sink = Sink::start().await;
    let to = |path: &str, mut endpoint: Value| {
        endpoint["url"] = json!(sink.url(path));
        endpoint["allowPrivate"] = json!(true);
        endpoint
    };
    // The guide's blocks, with a receiver of ours and a variable every machine has.
    let slack = json!({ "event": "agent.task.completed", "transform": {
        "text": "OpenClaw completed: {{event.task_name}} — {{event.result}}",
    } });
    let pagerduty = json!({ "event": "agent.error", "transform": {
        "routing_key": "${KEY}",
        "event_action": "trigger",
        "payload": { "summary": "OpenClaw error: {{event.message}}", "severity": "error", "source": "openclaw-agent" },
    } });
    let datadog = json!({ "event": "agent.error", "headers": {
        "DD-API-KEY": "${KEY}", "Content-Type": "application/json",
    } });
    let gateway = gateway(&json!([to("/slack", slack), to("/pagerduty", pagerduty), to("/datadog", datadog)])).await;
    let mut session = gateway.connect("").await;
    session.invoke("text-diff", &json!({ "before": "a", "after": "a" })).await;
    session.invoke("hostile/trap", &json!({})).await;

    let datadog = sink.on("/datadog").await;
    let message = datadog.json()["data"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("trapped"), "{message}");
    assert_eq!(datadog.header("dd-api-key"), "hush-hush");
    let mut keys: Vec<_> = datadog.json().as_object().unwrap().keys().cloned().collect();
    keys.sort();
    assert_eq!(keys, ["data", "id", "timestamp", "type"]);
    assert_eq!(
        sink.on("/pagerduty").await.json(),
        json!({ "routing_key": "hush-hush", "event_action": "trigger", "payload": {
            "summary": format!("OpenClaw error: {message}"), "severity": "error", "source": "openclaw-agent",
        } })
    );
    let slack = sink.on("/slack").await.json();
    let text = slack["text"].as_str().unwrap();
    assert!(text.starts_with("OpenClaw completed: text-diff — "), "{slack}");
    assert_eq!(slack, json!({ "text": text }));
    gateway.stop().await;
}

#[tokio::test]
async fn a_variable_named_by_an_events_data_stays_text_and_its_value_lies_nowhere_on_disk() {
    let sink = Sink::start().await;
    let gateway = gateway(&json!([{
        "event": "channel.message.received", "url": sink.url("/in"), "name": "in", "allowPrivate": true,
        "headers": { "Authorization": "Bearer ${KEY}" },
        "transform": { "key": "${KEY}", "text": "${KEY} says: {{event.text}}", "whole": "{{event.text}}" },
    }]))
    .await;
    let text = "${KEY} and \"${KEY}\" {{event.sender}}";
    assert_eq!(gateway.post("/webhook/door", &SECRET, &json!({ "text": text })).await.status, 200);
    let received = sink.on("/in").await;
    assert_eq!(
        received.json(),
        json!({ "key": "hush-hush", "text": format!("hush-hush says: {text}"), "whole": text })
    );
    assert_eq!(received.header("authorization"), "Bearer hush-hush");
    settled(&gateway, "in").await;
    let said = gateway.said();
    let home = gateway.stop().await;
    let database = std::fs::read(home.path().join("openclaw.db")).unwrap();
    let holds = |bytes: &[u8]| bytes.windows(9).any(|window| window == b"hush-hush");
    assert!(!holds(&database) && !holds(said.as_bytes()));
}

#[tokio::test]
async fn operators_list_show_replay_and_switch_endpoints() {
    let sink = Sink::answering("HTTP/1.1 418 No\r\ncontent-length: 5\r\n\r\nno: x").await;
    let gateway = gateway(&json!([{
        "event": "channel.*", "filter": { "text": { "$not": "quiet" } }, "url": sink.url("/secret-path"), "name": "in",
        "allowPrivate": true,
    }]))
    .await;
    for text in ["quiet", "loud"] {
        gateway.post("/webhook/door", &SECRET, &json!({ "text": text })).await;
    }
    let refused = settled(&gateway, "in").await;
    assert_eq!((&refused["state"], &refused["last_status"]), (&json!("refused"), &json!(418)));
    let id = refused["id"].as_str().unwrap();
    let shown = webhooks(&gateway, &["show", id]).await;
    assert_eq!((&shown["data"]["text"], &shown["tries"][0]["excerpt"]), (&json!("loud"), &json!("no: x")));
    let listed = webhooks(&gateway, &["list"]).await;
    assert_eq!((&listed[0]["name"], &listed[0]["state"]), (&json!("in"), &json!("failing")));
    assert!(!listed.to_string().contains("secret-path"));

    let would = webhooks(&gateway, &["replay", "--endpoint", "in", "--dry-run"]).await;
    assert_eq!((&would["replayed"], &would["deliveries"][0]["id"]), (&json!(0), &json!(id)));
    assert_eq!(sink.received().len(), 1);
    assert_eq!(webhooks(&gateway, &["replay", id]).await["replayed"], 1);
    let again = sink.at_least(2).await;
    assert_eq!((again[0].header("webhook-id"), &again[0].body), (again[1].header("webhook-id"), &again[1].body));

    assert_eq!(webhooks(&gateway, &["disable", "in"]).await["state"], "disabled");
    gateway.post("/webhook/door", &SECRET, &json!({ "text": "while it is off" })).await;
    assert_eq!(webhooks(&gateway, &["deliveries"]).await.as_array().unwrap().len(), 1);
    assert_eq!(webhooks(&gateway, &["enable", "in"]).await["state"], "ok");
    let failed = cli(gateway.home(), &["webhooks", "test", "in"]).await.unwrap_err();
    assert!(failed.contains("answered 418"), "{failed}");
    let unknown = cli(gateway.home(), &["webhooks", "enable", "nope"]).await.unwrap_err();
    assert!(unknown.contains("has no endpoint named `nope`"), "{unknown}");
    gateway.stop().await;
}

#[tokio::test]
async fn an_accepted_request_is_shown_to_the_transform_of_today_and_a_dry_run_changes_nothing() {
    let sink = Sink::start().await;
    let outgoing = json!([{ "event": "channel.*", "url": sink.url("/in"), "name": "in", "allowPrivate": true }]);
    let gateway = gateway(&outgoing).await;
    let receipt = gateway.post("/webhook/door", &SECRET, &json!({ "text": "hello" })).await.json();
    sink.on("/in").await;
    let id = receipt["id"].as_str().unwrap();
    let same = webhooks(&gateway, &["replay", id, "--dry-run"]).await;
    assert_eq!((&same["differs"], &same["applied"]), (&json!(false), &json!(false)));

    let config = json!({ "webhooks": { "outgoing": outgoing, "incoming": {
        "secret": "a-secret-of-the-tests-own", "endpoints": [{ "path": "/door", "message": "now: {{body.text}}" }],
    } } });
    std::fs::write(gateway.home().join("openclaw.json"), config.to_string()).unwrap();
    cli(gateway.home(), &["config", "reload"]).await.unwrap();
    let changed = webhooks(&gateway, &["replay", id, "--dry-run"]).await;
    assert_eq!(changed["differs"], true);
    assert_eq!(
        (&changed["before"]["detail"]["text"], &changed["after"]["detail"]["text"]),
        (&json!("hello"), &json!("now: hello"))
    );
    assert_eq!(webhooks(&gateway, &["deliveries"]).await.as_array().unwrap().len(), 1);
    assert_eq!(webhooks(&gateway, &["replay", id]).await["applied"], true);
    let received = sink.at_least(2).await;
    assert_eq!(received[1].json()["data"]["text"], "now: hello");
    gateway.stop().await;
}

#[tokio::test]
async fn what_a_command_causes_while_no_gateway_runs_is_posted_by_the_next_one() {
    let sink = Sink::start().await;
    let home = TempDir::new().unwrap();
    let outgoing = json!([{ "event": "agent.*", "url": sink.url("/in"), "allowPrivate": true }]);
    let config = json!({ "webhooks": { "outgoing": outgoing } }).to_string();
    std::fs::write(home.path().join("openclaw.json"), &config).unwrap();
    cli(home.path(), &["skills", "call", "text-diff", "before=a", "after=b"]).await.unwrap();
    let gateway = TestGateway::start_in(home, &config).await;
    assert_eq!(sink.on("/in").await.json()["data"]["task_name"], "text-diff");
    gateway.stop().await;
}

#[tokio::test]
async fn a_reload_puts_other_endpoints_in_force_for_each_tenant() {
    let sink = Sink::start().await;
    let gateway = gateway(&json!([])).await;
    gateway.post("/webhook/door", &SECRET, &json!({ "text": "owed to nobody" })).await;
    let incoming = json!({ "secret": "a-secret-of-the-tests-own", "endpoints": [
        { "path": "/door", "message": "{{body.text}}" },
    ] });
    let outgoing = |path: &str| json!([{ "event": "*", "url": sink.url(path), "name": "in", "allowPrivate": true }]);
    let config = json!({
        "webhooks": { "incoming": incoming, "outgoing": outgoing("/default") },
        "tenants": { "acme": { "webhooks": { "incoming": incoming, "outgoing": outgoing("/acme") } } },
    });
    std::fs::write(gateway.home().join("openclaw.json"), config.to_string()).unwrap();
    cli(gateway.home(), &["config", "reload"]).await.unwrap();
    gateway.post("/webhook/door", &SECRET, &json!({ "text": "ours" })).await;
    gateway.post("/webhook/t/acme/door", &SECRET, &json!({ "text": "theirs" })).await;
    assert_eq!(sink.on("/default").await.json()["data"]["text"], "ours");
    assert_eq!(sink.on("/acme").await.json()["data"]["text"], "theirs");
    assert_eq!(sink.received().len(), 2);
    gateway.stop().await;
}
