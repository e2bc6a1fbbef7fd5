//! What is written down, what is answered, and in which order.

use std::pin::pin;
use std::sync::atomic::Ordering;

use futures_util::poll;
use openclaw_domain::EventKind;
use serde_json::json;

use super::*;

#[tokio::test]
async fn the_guides_two_commands_become_the_guides_two_messages() {
    let door = Door::of_the_guide();
    let first = door.send(deploy()).await;
    assert_eq!(first.status, 200);
    let id = first.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(first.json(), json!({ "ok": true, "id": id, "duplicate": false }));

    let body = r#"{"service": "payments", "error": "Connection timeout to database"}"#;
    assert_eq!(door.send(post("/webhook/error-alert", body)).await.status, 200);

    let entries = door.inbox.entries();
    assert_eq!((entries[0].id.to_string(), entries[0].body.as_ref()), (id, DEPLOY_BODY.as_bytes()));
    let event = &entries[0].events[0];
    assert_eq!((event.kind, event.session, event.trace), (EventKind::MessageReceived, None, entries[0].trace));
    let data: Value = serde_json::from_str(&event.data).unwrap();
    assert_eq!(
        data,
        json!({
            "channel": "webhook",
            "sender": "/deploy-alert",
            "sender_name": "/deploy-alert",
            "text": "Deployment completed: api-v2 is now success (commit abc123)",
        })
    );
    assert!(entries[1].events[0].data.contains("Production error in payments: Connection timeout to database"));
    let verdict = &entries[0].verdict;
    assert_eq!((verdict.outcome.as_str(), verdict.status, verdict.duration_us), ("message", 200, 9));
    assert!(verdict.transform.starts_with("template@sha256:0707"));
}

#[tokio::test]
async fn the_answer_waits_for_the_inbox() {
    let door = Door::of_the_guide();
    door.inbox.hold();
    let mut answer = pin!(door.send(deploy()));
    assert!(poll!(&mut answer).is_pending());
    assert_eq!(door.inbox.entries().len(), 1, "it is being written");
    assert!(poll!(&mut answer).is_pending());
    door.inbox.may_accept.add_permits(1);
    assert_eq!(answer.await.status, 200);
}

#[tokio::test]
async fn the_same_key_is_taken_once_and_answered_alike() {
    for name in ["idempotency-key", "x-github-delivery", "webhook-id", "svix-id", "x-shopify-webhook-id"] {
        let door = Door::of_the_guide();
        let id = door.send(with(deploy(), name, "delivery-1")).await.json()["id"].clone();
        let again = door.send(with(deploy(), name, "delivery-1")).await;
        assert_eq!(again.json(), json!({ "ok": true, "id": id, "duplicate": true }), "{name}");
        assert_eq!((door.guests.transforms().len(), door.inbox.entries().len()), (1, 1));
        let other = door.send(with(deploy(), name, "delivery-2")).await;
        assert_eq!(other.json()["duplicate"], json!(false));
    }
}

#[tokio::test]
async fn a_key_belongs_to_one_endpoint() {
    let door = Door::of_the_guide();
    door.send(with(deploy(), "idempotency-key", "k")).await;
    let elsewhere = door.send(with(post("/webhook/error-alert", "{}"), "idempotency-key", "k")).await;
    assert_eq!(elsewhere.json()["duplicate"], json!(false));
}

#[tokio::test]
async fn a_key_that_is_none_is_refused() {
    let door = Door::of_the_guide();
    for bad in ["", "two words", &"k".repeat(257)] {
        let answer = door.send(with(deploy(), "idempotency-key", bad)).await;
        assert_eq!(answer.error(), error(400, "INVALID_REQUEST"), "{bad:?}");
    }
    door.assert_untouched();
}

#[tokio::test]
async fn of_two_racing_requests_with_one_key_one_is_accepted_and_both_hear_its_id() {
    let door = Door::of_the_guide();
    door.inbox.is_blind.store(true, Ordering::SeqCst);
    let request = || with(deploy(), "idempotency-key", "k");
    let (one, other) = tokio::join!(door.send(request()), door.send(request()));
    assert_eq!(one.json()["id"], other.json()["id"]);
    assert_eq!((one.json()["duplicate"].clone(), other.json()["duplicate"].clone()), (json!(false), json!(true)));
    assert_eq!(door.inbox.entries().len(), 1);
}

#[tokio::test]
async fn neither_the_transform_nor_the_inbox_sees_what_authenticates() {
    let door = Door::of_the_guide();
    let mut request = post("/webhook/deploy-alert?token=s3cr3t&env=prod&secret=s3cr3t&key=s3cr3t", DEPLOY_BODY);
    for name in [
        "authorization",
        "proxy-authorization",
        "cookie",
        "x-hub-signature-256",
        "stripe-signature",
        "x-gitlab-token",
        "x-openclaw-token",
    ] {
        request = with(request, name, "s3cr3t");
    }
    let request = with(with(request, "x-github-event", "push"), "user-agent", "curl/8");
    assert_eq!(door.send(request).await.status, 200);

    let seen = door.guests.transforms().remove(0).request;
    let named = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let headers = [("content-type", "application/json"), ("x-github-event", "push"), ("user-agent", "curl/8")];
    assert_eq!(seen.headers, headers.map(named));
    assert_eq!(seen.query, [("env", "prod")].map(named));
    assert_eq!((&*seen.path, seen.method.as_str(), seen.received_at), ("/deploy-alert", "POST", fakes::NOW));

    let kept = door.inbox.entries().remove(0);
    assert_eq!((kept.query.as_str(), kept.method.as_str()), ("env=prod", "POST"));
    assert_eq!(kept.headers, json!(headers.map(|(name, value)| [name, value])).to_string());
    assert!(!format!("{kept:?}").contains("s3cr3t") && !format!("{kept:?}").contains(SECRET));
}

/// The request of Slack's documentation of outgoing webhooks.
const SLACK_FORM: &str = "token=XXXXXXXXXXXXXXXXXX&team_id=T0001&team_domain=example&channel_id=C2147483705\
    &channel_name=test&thread_ts=1504640714.003543&timestamp=1504640775.000005&user_id=U2147483697&user_name=Steve\
    &text=googlebot%3A+What+is+the+air-speed+velocity+of+an+unladen+swallow%3F&trigger_word=googlebot%3A";

fn slack_command() -> Endpoint {
    let tokens = vec![Secret::new("XXXXXXXXXXXXXXXXXX".to_owned())];
    Endpoint {
        auth: EndpointAuth::SlackToken(tokens),
        ..endpoint("default", "/slack-command", "Slack user {{body.user_name}} says: {{body.text}}")
    }
}

fn slack(body: String) -> Request<Body> {
    let mut request = unsigned("/webhook/slack-command", body);
    request.headers_mut().insert("content-type", "application/x-www-form-urlencoded".parse().unwrap());
    request
}

#[tokio::test]
async fn slacks_token_is_checked_and_stripped() {
    let door = Door::with(vec![slack_command()]);
    assert_eq!(door.send(slack(SLACK_FORM.to_owned())).await.status, 200);
    let entry = door.inbox.entries().remove(0);
    let stripped = SLACK_FORM.strip_prefix("token=XXXXXXXXXXXXXXXXXX&").unwrap();
    assert_eq!(entry.body, stripped);
    assert_eq!(door.guests.transforms()[0].request.body, stripped);
    let said = "Slack user Steve says: googlebot: What is the air-speed velocity of an unladen swallow?";
    assert!(entry.events[0].data.contains(said), "{}", entry.events[0].data);
}

#[tokio::test]
async fn a_slack_form_with_a_wrong_token_none_or_two_is_refused() {
    let door = Door::with(vec![slack_command()]);
    let unauthorized = error(401, "WEBHOOK_INVALID");
    assert_eq!(door.send(slack(SLACK_FORM.replace("token=X", "token=Y"))).await.error(), unauthorized);
    assert_eq!(door.send(slack(SLACK_FORM.replace("token=", "taken="))).await.error(), unauthorized);
    let in_header = with(slack("text=hi".to_owned()), "x-webhook-secret", "XXXXXXXXXXXXXXXXXX");
    assert_eq!(door.send(in_header).await.error(), unauthorized);
    let twice = format!("{SLACK_FORM}&token=XXXXXXXXXXXXXXXXXX");
    assert_eq!(door.send(slack(twice)).await.error(), error(400, "INVALID_REQUEST"));
    door.assert_untouched();
}

#[tokio::test]
async fn a_trace_goes_in_and_out() {
    let door = Door::of_the_guide();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let answer = door.send(with(deploy(), "traceparent", &format!("00-{trace}-00f067aa0ba902b7-01"))).await;
    assert!(answer.header("traceparent").unwrap().starts_with(&format!("00-{trace}-")));
    assert_eq!(door.guests.transforms()[0].trace.to_string(), trace);
    assert_eq!(door.inbox.entries()[0].trace.to_string(), trace);
    let fresh = door.send(deploy()).await;
    assert!(!fresh.header("traceparent").unwrap().contains(trace));
}

#[tokio::test]
async fn a_request_the_transform_cannot_read_is_answered_422_and_kept() {
    let door = Door::of_the_guide();
    let request = || with(post("/webhook/deploy-alert", "{not json"), "idempotency-key", "k");
    let answer = door.send(request()).await;
    assert_eq!(answer.error(), error(422, "TRANSFORM_FAILED"));
    let entry = door.inbox.entries().remove(0);
    assert_eq!((entry.verdict.outcome.as_str(), entry.verdict.status), ("failed", 422));
    assert_eq!((entry.body.as_ref(), entry.events.len()), (&b"{not json"[..], 0));
    assert_eq!(answer.json()["id"], json!(entry.id.to_string()));

    let again = door.send(request()).await;
    assert_eq!(again.error(), error(422, "TRANSFORM_FAILED"));
    assert_eq!(
        (again.json()["id"].clone(), again.json()["duplicate"].clone()),
        (answer.json()["id"].clone(), json!(true))
    );
    assert_eq!(door.guests.transforms().len(), 1);
}

#[tokio::test]
async fn a_transform_that_traps_or_spins_is_a_failure_of_the_transform() {
    let trap = || Refusal::Trapped { guest: "template".to_owned(), reason: "unreachable".to_owned() };
    let door = Door::that_decides(move || Err(trap()));
    let answer = door.send(deploy()).await;
    assert_eq!(answer.error(), error(422, "TRANSFORM_FAILED"));
    assert!(answer.json()["error"]["message"].as_str().unwrap().contains("unreachable"));
    assert_eq!(door.inbox.entries()[0].verdict.outcome, "failed");
}

#[tokio::test]
async fn a_busy_gateway_keeps_nothing_and_says_when_to_come_back() {
    let door = Door::that_decides(|| Err(Refusal::Busy("all instances are in use".to_owned())));
    let answer = door.send(deploy()).await;
    assert_eq!(answer.error(), error(503, "GATEWAY_BUSY"));
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(door.inbox.entries().len(), 0);
}

#[tokio::test]
async fn a_transform_may_choose_the_answer_but_no_header() {
    let respond = || IngressOutcome::Respond {
        status: 202,
        content_type: "text/plain; charset=utf-8".to_owned(),
        body: Bytes::from_static(b"challenge"),
    };
    let door = Door::that_decides(move || Ok(respond()));
    for round in ["first", "again"] {
        let answer = door.send(with(deploy(), "idempotency-key", "k")).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_ref()), (202, &b"challenge"[..]), "{round}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(answer.header("content-security-policy"), Some("sandbox"));
    }
    assert_eq!(door.guests.transforms().len(), 1);
}

#[tokio::test]
async fn a_discarded_request_is_answered_ok_and_its_reason_kept() {
    let door = Door::that_decides(|| Ok(IngressOutcome::Discard { reason: "a ping".to_owned() }));
    let answer = door.send(deploy()).await.json();
    assert_eq!((answer["ok"].clone(), answer["outcome"].clone()), (json!(true), json!("discard")));
    let entry = door.inbox.entries().remove(0);
    assert_eq!((entry.verdict.detail.as_str(), entry.events.len()), (r#"{"reason":"a ping"}"#, 0));
}
