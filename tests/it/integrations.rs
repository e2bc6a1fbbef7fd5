//! The integrations of `docs/integrations`, tried: configurations, requests, bodies and sentences are taken from their
//! pages, senders and receivers are played by the test.
//!
//! Invariant: of a page's configuration the test changes only where deliveries go, which must be this machine.

use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use openclaw_tests::gateway::{Answer, Session, request};
use openclaw_tests::{TestGateway, openclaw};
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;
use tokio::process::Command;

use crate::deliveries_sink::Sink;
use crate::integration_pages::{Page, assert_shown, gateway, value_of, variables};

const JSON: (&str, &str) = ("content-type", "application/json");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
/// What PagerDuty and Datadog say to what they take.
const ACCEPTED: &str = "HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";

async fn post(gateway: &TestGateway, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    request(gateway.address(), "POST", &format!("/webhook{path}"), headers, body.as_bytes()).await.unwrap()
}

/// A session that hears what the agent is told.
async fn listening(gateway: &TestGateway) -> Session {
    let mut session = gateway.connect("").await;
    session.ask("status", "listening", &json!({})).await;
    session
}

async fn heard(session: &mut Session) -> String {
    let event = session.first_of("channel.message.received").await.unwrap();
    event["payload"]["text"].as_str().unwrap().to_owned()
}

/// The skill `deploy` works, or fails.
async fn deploy(gateway: &TestGateway, works: bool) {
    let mut session = gateway.connect("").await;
    let (tool, arguments, answer) = match works {
        true => ("deploy/echo", json!({ "text": "3 hosts updated" }), "response: "),
        false => ("deploy/trap", json!({}), "SKILL_"),
    };
    let said = session.invoke(tool, &arguments).await;
    assert!(said.starts_with(answer), "{said}");
}

/// HMAC-SHA-256 in lower-case hexadecimal.
fn signature(secret: &str, signed: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn every_configuration_of_the_pages_passes_config_check_and_every_body_is_json() {
    let mut checked = 0;
    for page in Page::all() {
        for body in page.blocks("json") {
            assert!(serde_json::from_str::<Value>(body).is_ok(), "{}: {body}", page.name);
        }
        for block in page.blocks("json5") {
            let first = block.lines().find(|line| !line.trim_start().starts_with("//")).unwrap();
            // What begins with a key is a part of an endpoint.
            let config = match first.trim_start().starts_with('{') {
                true => block.to_owned(),
                false => format!(
                    "{{ webhooks: {{ incoming: {{ endpoints: [{{ path: \"/part\", message: \"{{{{body}}}}\",\n\
                     secret: \"a-secret-of-the-tests-own\", {block} }}] }} }} }}"
                ),
            };
            let home = TempDir::new().unwrap();
            std::fs::write(home.path().join("openclaw.json"), &config).unwrap();
            let mut command = Command::new(openclaw());
            command.arg("--home").arg(home.path()).args(["--json", "config", "check"]);
            command.env_remove("OPENCLAW_AUTH_TOKEN");
            for name in variables(&config) {
                command.env(name, value_of(name));
            }
            let output = command.output().await.unwrap();
            let said = String::from_utf8_lossy(if output.status.success() { &output.stdout } else { &output.stderr });
            let report: Value = serde_json::from_str(&said).unwrap_or_default();
            let is_clean = report["ok"] == true && report["warnings"] == json!([]);
            assert!(is_clean, "{}:\n{config}\n{said}", page.name);
            checked += 1;
        }
    }
    assert!(checked >= 14, "{checked} configurations were found");
}

fn has_curl() -> bool {
    let found = std::process::Command::new("curl").arg("--version").output().is_ok();
    assert!(found || std::env::var_os("CI").is_none(), "CI has no curl: `apt-get install curl`");
    if !found {
        // The runner shows what a test says when it is asked to; `make test` says beforehand what is not installed.
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "skipped: curl is not installed");
    }
    found
}

#[tokio::test]
async fn the_step_of_github_actions_runs_as_printed_and_is_told_once() {
    if !has_curl() {
        return;
    }
    let page = Page::read("github-actions.md");
    let gateway = gateway(page.config(0), None).await;
    let mut session = listening(&gateway).await;
    let (_, step) = page.blocks("yaml")[0].rsplit_once("run: |\n").unwrap();
    // What GitHub does before a shell sees the script.
    let secret = value_of("OPENCLAW_WEBHOOK_SECRET");
    let mut script = step.replace("https://your-agent.example.com", &format!("http://{}", gateway.address()));
    for (expression, value) in [
        ("secrets.OPENCLAW_WEBHOOK_SECRET", secret.as_str()),
        ("github.run_id", "15"),
        ("github.run_attempt", "1"),
        ("github.job", "deploy"),
        ("github.repository", "myorg/api"),
        ("job.status", "success"),
        ("github.sha", "abc1234"),
        ("github.actor", "octocat"),
    ] {
        script = script.replace(&format!("${{{{ {expression} }}}}"), value);
    }
    assert!(!script.contains("${{"), "{script}");
    for duplicate in [false, true] {
        let ran = Command::new("bash").args(["-e", "-c", &script]).output().await.unwrap();
        let answer = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert!(ran.status.success(), "{answer}\n{}", String::from_utf8_lossy(&ran.stderr));
        assert_eq!(serde_json::from_str::<Value>(&answer).unwrap()["duplicate"], duplicate);
    }
    assert_eq!(heard(&mut session).await, page.sentence(0));
    let refused = Command::new("bash").args(["-e", "-c", &script.replace(&secret, "another")]).output().await.unwrap();
    assert!(!refused.status.success(), "the step is red when the gateway refuses");
    gateway.stop().await;
}

#[tokio::test]
async fn a_workflow_run_that_github_signed_is_told_once_and_its_ping_to_nobody() {
    let page = Page::read("github-actions.md");
    let gateway = gateway(page.config(0), None).await;
    let mut session = listening(&gateway).await;
    let signed = |body: &str| format!("sha256={}", signature(&value_of("GITHUB_WEBHOOK_SECRET"), body));
    let ping = r#"{"zen":"Keep it logically awesome.","hook_id":1}"#;
    let of_ping = signed(ping);
    let headers =
        [JSON, ("x-github-event", "ping"), ("x-github-delivery", "guid-0"), ("x-hub-signature-256", &of_ping)];
    let answer = post(&gateway, "/github", &headers, ping).await;
    assert_eq!((answer.status, &answer.json()["outcome"]), (200, &json!("discard")));

    let of_body = signed(page.body(0));
    let proof = ("x-hub-signature-256", of_body.as_str());
    let headers = [JSON, ("x-github-event", "workflow_run"), ("x-github-delivery", "guid-1"), proof];
    for duplicate in [false, true] {
        let answer = post(&gateway, "/github", &headers, page.body(0)).await;
        assert_eq!((answer.status, &answer.json()["duplicate"]), (200, &json!(duplicate)));
    }
    assert_eq!(heard(&mut session).await, page.sentence(1));
    assert_eq!(post(&gateway, "/github", &headers, ping).await.status, 401);
    gateway.stop().await;
}

#[tokio::test]
async fn slack_is_sent_what_its_page_shows() {
    let (page, sink) = (Page::read("slack.md"), Sink::start().await);
    let line = gateway(page.config(0), Some(&sink)).await;
    deploy(&line, true).await;
    let first = sink.at_least(1).await.remove(0);
    assert_eq!(first.path, "/services/T00/B00/xxx");
    assert_shown(&page.json(0), &first.json());
    line.stop().await;

    let sink = Sink::start().await;
    let component = gateway(page.config(1), Some(&sink)).await;
    deploy(&component, true).await;
    assert_shown(&page.json(1), &sink.at_least(1).await[0].json());
    deploy(&component, false).await;
    assert_shown(&page.json(2), &sink.at_least(2).await[1].json());
    component.stop().await;
}

#[tokio::test]
async fn what_slack_sends_is_told_as_its_page_says() {
    let page = Page::read("slack.md");
    let gateway = gateway(page.config(2), None).await;
    let mut session = listening(&gateway).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let [command, outgoing] = page.blocks("form")[..] else { panic!("the page shows two forms") };
    let signed = async |path: &str, kind: (&str, &str), body: &str, time: u64| {
        let proof = format!("v0={}", signature(&value_of("SLACK_SIGNING_SECRET"), &format!("v0:{time}:{body}")));
        let time = time.to_string();
        let headers = [kind, ("x-slack-request-timestamp", time.as_str()), ("x-slack-signature", proof.as_str())];
        post(&gateway, path, &headers, body).await
    };
    let answer = signed("/slack-command", FORM, command, now).await;
    assert_eq!((answer.status, &answer.json()["ok"]), (200, &json!(true)));
    assert_eq!(heard(&mut session).await, page.sentence(0));
    assert_eq!(signed("/slack-command", FORM, command, now - 600).await.status, 401, "ten minutes old");
    let help = signed("/slack-command", FORM, &command.replace("is+everything+up%3F", "help"), now).await;
    assert_eq!((help.status, help.json()), (200, page.json(3)));

    let check = r#"{"type":"url_verification","token":"t","challenge":"3eZbrw1aB"}"#;
    let answer = signed("/slack-events", JSON, check, now).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "3eZbrw1aB"));
    for duplicate in [false, true] {
        let answer = signed("/slack-events", JSON, page.body(4), now).await;
        assert_eq!((answer.status, &answer.json()["duplicate"]), (200, &json!(duplicate)));
    }
    assert_eq!(heard(&mut session).await, page.sentence(1), "and `help` was told to nobody before");

    let shown = outgoing.replace("<SLACK_OUTGOING_TOKEN>", &value_of("SLACK_OUTGOING_TOKEN"));
    assert_eq!(post(&gateway, "/slack-outgoing", &[FORM], &shown).await.status, 200);
    assert_eq!(heard(&mut session).await, page.sentence(2));
    assert_eq!(post(&gateway, "/slack-outgoing", &[FORM], outgoing).await.status, 401);
    gateway.stop().await;
}

#[tokio::test]
async fn home_assistant_is_heard_and_told_as_its_page_says() {
    let page = Page::read("home-assistant.md");
    let secret = value_of("HOME_ASSISTANT_SECRET");
    let headers = [JSON, ("x-webhook-secret", secret.as_str())];
    let yaml = page.blocks("yaml")[0];
    let (_, payload) = yaml.split_once("payload: '").unwrap();
    // What Home Assistant's templates do.
    let mut payload = payload.split_once('\'').unwrap().0.to_owned();
    for (variable, value) in [("service", "security"), ("event", "motion_detected"), ("location", "front_door")] {
        assert!(yaml.contains(&format!("{variable}: \"{value}\"")));
        payload = payload.replace(&format!("{{{{ {variable} }}}}"), value);
    }
    let template = gateway(page.config(0), None).await;
    let mut session = listening(&template).await;
    assert_eq!(post(&template, "/home-event", &headers, &payload).await.status, 200);
    assert_eq!(heard(&mut session).await, page.sentence(0));
    template.stop().await;

    let sink = Sink::start().await;
    let component = gateway(page.config(1), Some(&sink)).await;
    let mut session = listening(&component).await;
    for (body, sentence) in [(payload.as_str(), page.sentence(0)), (page.body(0), page.sentence(1))] {
        assert_eq!(post(&component, "/home-event", &headers, body).await.status, 200);
        assert_eq!(heard(&mut session).await, sentence);
    }
    deploy(&component, true).await;
    assert_shown(&page.json(1), &sink.on("/api/webhook/openclaw").await.json());
    deploy(&component, false).await;
    let notified = sink.on("/api/services/notify/notify").await;
    assert_shown(&page.json(2), &notified.json());
    assert_eq!(notified.header("authorization"), format!("Bearer {}", value_of("HOME_ASSISTANT_TOKEN")));
    component.stop().await;
}

#[tokio::test]
async fn automation_platforms_are_heard_and_told_as_their_page_says() {
    let (page, sink) = (Page::read("automation-platforms.md"), Sink::start().await);
    let gateway = gateway(page.config(0), Some(&sink)).await;
    let mut session = listening(&gateway).await;
    let secret = value_of("AUTOMATION_SECRET");
    let shown = ("x-webhook-secret", secret.as_str());
    for duplicate in [false, true] {
        let headers = [JSON, shown, ("idempotency-key", "run-1")];
        let answer = post(&gateway, "/automation", &headers, page.body(0)).await;
        assert_eq!((answer.status, &answer.json()["duplicate"]), (200, &json!(duplicate)));
    }
    assert_eq!(heard(&mut session).await, page.sentence(0));
    assert_eq!(post(&gateway, "/automation", &[FORM, shown], "task=generate-report").await.status, 200);
    assert_eq!(heard(&mut session).await, page.sentence(0).replace("weekly", ""));

    deploy(&gateway, true).await;
    let n8n = sink.on("/webhook/agent-complete").await;
    assert_eq!(n8n.header("x-api-key"), value_of("N8N_API_KEY"));
    for completed in [n8n, sink.on("/your-make-hook").await] {
        assert_shown(&page.json(1), &completed.json());
        assert!(completed.header("webhook-id").starts_with("msg_"));
    }
    deploy(&gateway, false).await;
    assert_shown(&page.json(2), &sink.on("/hooks/catch/1/abc/").await.json());
    assert_eq!(sink.received().len(), 3, "the filter held the completed task back");
    gateway.stop().await;
}

#[tokio::test]
async fn pagerduty_triggers_and_resolves_and_its_incidents_are_told() {
    let (page, sink) = (Page::read("pagerduty.md"), Sink::answering(ACCEPTED).await);
    let plain = gateway(page.config(0), Some(&sink)).await;
    deploy(&plain, false).await;
    let triggered = sink.on("/v2/enqueue").await.json();
    assert_shown(&page.json(0), &triggered);
    assert_eq!(triggered["routing_key"], value_of("PAGERDUTY_ROUTING_KEY"));
    plain.stop().await;

    let sink = Sink::answering(ACCEPTED).await;
    let component = gateway(page.config(1), Some(&sink)).await;
    deploy(&component, false).await;
    deploy(&component, true).await;
    let sent = sink.at_least(2).await;
    for (printed, sent) in [page.json(1), page.json(2)].iter().zip(&sent) {
        assert_shown(printed, &sent.json());
        assert_eq!(sent.json()["routing_key"], value_of("PAGERDUTY_ROUTING_KEY"));
    }
    component.stop().await;

    let incoming = gateway(page.config(2), None).await;
    let mut session = listening(&incoming).await;
    let proof = format!("v1={}", signature(&value_of("PAGERDUTY_WEBHOOK_SECRET"), page.body(3)));
    let headers = [JSON, ("x-pagerduty-signature", proof.as_str())];
    for duplicate in [false, true] {
        let answer = post(&incoming, "/pagerduty", &headers, page.body(3)).await;
        assert_eq!((answer.status, &answer.json()["duplicate"]), (200, &json!(duplicate)));
    }
    assert_eq!(heard(&mut session).await, page.sentence(0));
    assert_eq!(post(&incoming, "/pagerduty", &headers, "{}").await.status, 401);
    incoming.stop().await;
}

#[tokio::test]
async fn datadog_is_sent_what_its_page_shows() {
    let (page, sink) = (Page::read("datadog.md"), Sink::answering(ACCEPTED).await);
    let plain = gateway(page.config(0), Some(&sink)).await;
    deploy(&plain, false).await;
    let sent = sink.on("/api/v2/logs").await;
    assert_shown(&page.json(0), &sent.json());
    let key = value_of("DATADOG_API_KEY");
    assert_eq!((sent.header("dd-api-key"), sent.header("content-type")), (key.as_str(), "application/json"));
    plain.stop().await;

    let sink = Sink::answering(ACCEPTED).await;
    let component = gateway(page.config(1), Some(&sink)).await;
    deploy(&component, false).await;
    for (path, printed) in [("/api/v2/logs", page.json(1)), ("/api/v1/events", page.json(2))] {
        let sent = sink.on(path).await;
        assert_shown(&printed, &sent.json());
        assert_eq!(sent.header("dd-api-key"), key);
    }
    component.stop().await;
}
