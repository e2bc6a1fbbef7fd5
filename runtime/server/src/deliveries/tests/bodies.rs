//! What is sent: the default body, what a component makes, where secrets go and where they do not.

use bytes::Bytes;
use http::HeaderValue;
use openclaw_domain::{DeliveryState, EgressOutcome, EventKind, Refusal, Secret};
use serde_json::json;

use super::fakes::Answer;
use super::*;
use crate::deliveries::slots;

#[tokio::test]
async fn an_event_is_posted_once_with_its_default_body_signed() {
    let mut bench = Bench::new(vec![endpoint("one")]);
    bench.happen(EventKind::TaskCompleted, &json!({ "task_name": "t", "n": 1.5 }));
    bench.worker.turn().await;
    bench.after(DAY).await;
    let sent = bench.egress.sent();
    assert_eq!(sent.len(), 1);
    let body = r#"{"id":"evt_00000000000000000000000000000001","type":"agent.task.completed","timestamp":"2026-06-08T12:00:00.000Z","data":{"n":1.5,"task_name":"t"}}"#;
    assert_eq!(std::str::from_utf8(&sent[0].body).unwrap(), body);
    let row = &bench.outbox.rows()[0];
    let header = |name: &str| sent[0].headers[name].to_str().unwrap().to_owned();
    assert_eq!((header("webhook-id"), header("webhook-timestamp")), (row.id.to_string(), "1780920000".to_owned()));
    assert_eq!((header("content-type"), header("user-agent")), ("application/json".into(), "openclaw/1.2.3".into()));
    assert!(header("traceparent").contains(&row.event.fact.trace.to_string()));
    let signed = crate::deliveries::signing::sign(&endpoint("one").keys, row.id, START, body.as_bytes());
    assert_eq!(header("webhook-signature"), signed.signatures.unwrap());
    assert_eq!(row.state, DeliveryState::Delivered);
    assert_eq!(sent[0].path, "/hook");
}

/// An endpoint whose transform's settings are these, `${KEY}` being `hush-hush`.
fn transforming(settings: &Value) -> OutgoingEndpoint {
    let found = slots(settings, &mut |_, text| Some(text.replace("${KEY}", "hush-hush")), &mut |_, error| {
        panic!("{error:?}");
    });
    let transform = Transform::Component {
        name: "template".parse().unwrap(),
        settings: settings.to_string().into(),
        slots: found.into(),
    };
    OutgoingEndpoint { transform, ..endpoint("one") }
}

fn deliver(body: String) -> EgressOutcome {
    EgressOutcome::Deliver {
        content_type: "application/json".to_owned(),
        headers: vec![("x-from".to_owned(), "component".to_owned()), ("x-both".to_owned(), "component".to_owned())],
        body: Bytes::from(body),
        missing: 0,
    }
}

#[tokio::test]
async fn a_component_makes_the_body_once_and_secrets_go_in_after_it_and_lie_nowhere() {
    let mut settings = transforming(&json!({ "key": "${KEY}", "text": "{{event.text}}" }));
    let mut headers = HeaderMap::new();
    headers.insert("x-both", HeaderValue::from_static("operator"));
    settings.headers = Secret::new(headers);
    let mut bench = Bench::new(vec![settings]);
    bench.guests.decide(|call| {
        assert!(!call.event.settings.contains("hush"), "a component saw a secret");
        let data: Value = serde_json::from_str(&call.event.data).unwrap();
        let settings: Value = serde_json::from_str(&call.event.settings).unwrap();
        Ok(deliver(format!(r#"{{"text":{}, "key":{}}}"#, data["text"], settings["key"])))
    });
    bench.egress.answers("one.test", Answer::Status(503));
    bench.happen(EventKind::MessageReceived, &json!({ "text": "pay ${KEY} now" }));
    bench.worker.turn().await;
    bench.egress.answers("one.test", Answer::Status(200));
    bench.guests.decide(|_| panic!("the body is decided"));
    bench.after(seconds(6)).await;
    let sent = bench.egress.sent();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0].body, r#"{"text":"pay ${KEY} now", "key":"hush-hush"}"#);
    assert_eq!(sent[0].body, sent[1].body);
    assert_eq!(
        (&sent[0].headers["x-from"], &sent[0].headers["x-both"]),
        (&HeaderValue::from_static("component"), &HeaderValue::from_static("operator"))
    );
    let row = &bench.outbox.rows()[0];
    assert!(!format!("{row:?}").contains("hush"), "{row:?}");
    assert_eq!(row.body.as_ref().unwrap().transform, format!("template@sha256:{}", "07".repeat(32)));
}

#[tokio::test]
async fn a_transform_may_send_nothing_fail_or_find_no_room() {
    let mut bench = Bench::new(vec![transforming(&json!({}))]);
    bench.guests.decide(|_| Ok(EgressOutcome::Skip { reason: "a test".to_owned() }));
    bench.complete(1);
    bench.worker.turn().await;
    bench.guests.decide(|_| {
        Err(Refusal::TransformFailed { transform: "template".to_owned(), reason: "no such field".to_owned() })
    });
    bench.complete(2);
    bench.worker.turn().await;
    bench.guests.decide(|_| Err(Refusal::Busy("full".to_owned())));
    bench.complete(3);
    bench.worker.turn().await;
    let rows = bench.outbox.rows();
    assert_eq!(bench.outbox.states(), [DeliveryState::Skipped, DeliveryState::Refused, DeliveryState::Pending]);
    assert_eq!(rows[0].reason.as_deref(), Some("a test"));
    assert!(rows[1].reason.as_ref().unwrap().contains("no such field"));
    bench.guests.decide(|_| Ok(deliver("{}".to_owned())));
    bench.after(seconds(5)).await;
    let last = &bench.outbox.rows()[2];
    assert_eq!((last.state, last.attempts), (DeliveryState::Delivered, 1));
}

#[tokio::test]
async fn what_a_receiver_echoes_is_kept_without_our_credentials_and_an_endless_answer_is_cut() {
    let mut settings = endpoint("one");
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_static("Bearer hush-hush"));
    settings.headers = Secret::new(headers);
    settings.path_and_query = Secret::new("/services/T00/B00/psst".to_owned());
    let mut bench = Bench::new(vec![settings]);
    bench.egress.answers("one.test", Answer::Body(400, "bad \u{1b}[2J: Bearer hush-hush at /services/T00/B00/psst"));
    bench.complete(1);
    bench.worker.turn().await;
    assert_eq!(bench.outbox.rows()[0].excerpts, ["bad  [2J: … at …"]);
    for status in [200, 500] {
        bench.egress.answers("one.test", Answer::Endless(status));
        bench.complete(2);
        bench.worker.turn().await;
    }
    let rows = bench.outbox.rows();
    assert_eq!((rows[1].state, rows[1].excerpts[0].len()), (DeliveryState::Delivered, 0));
    assert_eq!((rows[2].state, rows[2].excerpts[0].len()), (DeliveryState::Pending, 1024));
}

#[tokio::test]
async fn a_test_makes_one_attempt_and_keeps_nothing() {
    let bench = Bench::new(vec![endpoint("one")]);
    let report = bench.deliveries.test(&key("one"), Some(EventKind::Error)).await.unwrap();
    assert_eq!((report.status, report.error), (Some(200), None));
    let sent: Value = serde_json::from_slice(&bench.egress.sent()[0].body).unwrap();
    assert_eq!((&sent["type"], &sent["data"]["test"]), (&json!("agent.error"), &json!(true)));
    assert!(bench.outbox.rows().is_empty());
    assert!(bench.deliveries.test(&key("two"), None).await.is_none());
}

/// A transform that copies the strings of its settings and puts the event's text in as `told`.
fn copying(call: &openclaw_domain::EgressCall) -> Result<EgressOutcome, Refusal> {
    let mut body: Value = serde_json::from_str(&call.event.settings).unwrap();
    let data: Value = serde_json::from_str(&call.event.data).unwrap();
    body["told"] = data["text"].clone();
    Ok(deliver(body.to_string()))
}

#[tokio::test]
async fn a_reload_between_attempts_changes_neither_the_bytes_nor_what_is_filled_in() {
    let mut bench = Bench::new(vec![transforming(&json!({ "key": "${KEY}" }))]);
    bench.guests.decide(copying);
    bench.egress.answers("one.test", Answer::Status(503));
    bench.happen(EventKind::MessageReceived, &json!({ "text": "${KEY}" }));
    bench.worker.turn().await;
    for reloaded in [json!({ "told": "${KEY}" }), json!({ "other": "x ${KEY}" })] {
        bench.deliveries.replace(vec![transforming(&reloaded)]);
        bench.after(DAY).await;
    }
    let sent = bench.egress.sent();
    assert_eq!(sent.len(), 3);
    for sent in &sent {
        assert_eq!(sent.body, r#"{"key":"hush-hush","told":"${KEY}"}"#);
    }
    bench.deliveries.replace(vec![endpoint("one")]);
    bench.after(DAY).await;
    let row = &bench.outbox.rows()[0];
    assert_eq!((bench.egress.sent().len(), row.state), (3, DeliveryState::Refused), "no name goes out for its value");
    assert!(row.reason.as_ref().unwrap().contains("`${KEY}`"), "{:?}", row.reason);
}

#[tokio::test]
async fn a_component_cannot_pass_an_events_text_off_as_the_configurations() {
    let mut bench = Bench::new(vec![transforming(&json!({ "told": "${KEY}", "by": "{{event.x}} ${KEY}" }))]);
    bench.guests.decide(|call| {
        let data: Value = serde_json::from_str(&call.event.data).unwrap();
        Ok(deliver(json!({ "told": data["text"], "by": "x ${KEY}" }).to_string()))
    });
    bench.happen(EventKind::MessageReceived, &json!({ "text": "${KEY}" }));
    bench.worker.turn().await;
    assert_eq!(bench.egress.sent()[0].body, r#"{"by":"x ${KEY}","told":"${KEY}"}"#);
}

#[tokio::test]
async fn a_mark_a_component_puts_elsewhere_leaves_no_trace() {
    let mut bench = Bench::new(vec![transforming(&json!({ "key": "${KEY}" }))]);
    bench.guests.decide(|call| {
        let settings: Value = serde_json::from_str(&call.event.settings).unwrap();
        assert_ne!(settings["key"], "${KEY}");
        Ok(deliver(json!({ "elsewhere": settings["key"] }).to_string()))
    });
    bench.complete(1);
    bench.worker.turn().await;
    assert_eq!(bench.egress.sent()[0].body, r#"{"elsewhere":"${KEY}"}"#);
    bench.guests.decide(|call| {
        Err(Refusal::TransformFailed { transform: "t".to_owned(), reason: call.event.settings.to_string() })
    });
    bench.complete(2);
    bench.worker.turn().await;
    let reason = bench.outbox.rows()[1].reason.clone().unwrap();
    assert!(reason.contains("${KEY}"), "{reason}");
}

#[tokio::test]
async fn no_part_of_a_credential_is_kept_however_it_is_echoed_and_wherever_the_answer_is_cut() {
    let mut settings = transforming(&json!({ "key": "a ${KEY} b" }));
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_static("Bearer t0ken\"with/quote"));
    settings.headers = Secret::new(headers);
    settings.path_and_query = Secret::new("/services/T00/psst-psst-psst?sig=s1gn%2Bature".to_owned());
    let mut bench = Bench::new(vec![settings]);
    bench.guests.decide(copying);
    let cut: &'static str = format!("{}hush-hush and more", "-".repeat(1021)).leak();
    let shrinking: &'static str = format!("hush-hush{}hush-hush", " ".repeat(1012)).leak();
    for (number, (answer, kept)) in [
        ("bad key hush-hush!", "bad key …!".to_owned()),
        ("bad token:t0ken\"with/quote", "bad token:…".to_owned()),
        (r#"{"token":"t0ken\"with/quote"}"#, r#"{"token":"…"}"#.to_owned()),
        ("no hook psst-psst-psst here", "no hook … here".to_owned()),
        ("bad s1gn+ature and s1gn%2Bature", "bad … and …".to_owned()),
        ("hush%2Dhush", "…".to_owned()),
        (cut, format!("{}…", "-".repeat(1021))),
        (shrinking, format!("…{}…", " ".repeat(1012))),
    ]
    .into_iter()
    .enumerate()
    {
        bench.egress.answers("one.test", Answer::Body(400, answer));
        bench.complete(0);
        bench.worker.turn().await;
        assert_eq!(bench.outbox.rows()[number].excerpts, [kept]);
    }
    let error = openclaw_domain::EgressError::Protocol("it said: hush-hush".to_owned());
    bench.egress.answers("one.test", Answer::Fails(error));
    bench.complete(0);
    bench.worker.turn().await;
    let reason = bench.outbox.rows().last().unwrap().reason.clone().unwrap();
    assert!(reason.contains("it said: …"), "{reason}");
}
