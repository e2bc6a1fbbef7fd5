//! What is logged and counted.

use std::fmt::Write;
use std::sync::{Arc, Mutex};

use metrics_exporter_prometheus::PrometheusBuilder;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::*;

/// Keeps every event as one line of text.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("openclaw_server")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn each_webhook_is_one_line_and_no_line_holds_a_secret() {
    let lines = Lines::default();
    let _logging = tracing::subscriber::set_default(lines.clone());
    // With a single subscriber alive, tracing asks only the thread that meets an event first, and other tests have none.
    let _second = tracing::Dispatch::new(Lines::default());
    let door = Door::of_the_guide();
    door.send(post("/webhook/deploy-alert?token=s3cr3t-token", DEPLOY_BODY)).await;
    door.send(with(unsigned("/webhook/nowhere?token=s3cr3t-token", "{}"), "x-webhook-secret", "s3cr3t-guess")).await;
    let lines = lines.0.lock().unwrap().clone();
    assert_eq!(lines.len(), 2, "{lines:?}");
    for told in
        ["tenant=\"default\"", "path=\"/deploy-alert\"", "address=127.0.0.1", "code=\"OK\"", "status=200", "ms="]
    {
        assert!(lines[0].contains(told), "{told} in {}", lines[0]);
    }
    assert!(lines[1].contains("code=\"WEBHOOK_INVALID\"") && lines[1].contains("status=404"), "{}", lines[1]);
    let all = lines.concat();
    assert!(!all.contains("s3cr3t") && !all.contains(SECRET), "{all}");
}

#[tokio::test]
async fn the_line_of_a_kept_request_names_its_id() {
    let lines = Lines::default();
    let _logging = tracing::subscriber::set_default(lines.clone());
    let _second = tracing::Dispatch::new(Lines::default());
    let door = Door::of_the_guide();
    door.send(with(deploy(), "idempotency-key", "k")).await;
    door.send(with(deploy(), "idempotency-key", "k")).await;
    let failed = door.send(post("/webhook/deploy-alert", "{")).await;
    assert_eq!(failed.status, 422);
    door.send(post("/webhook/nowhere", "{}")).await;
    let chose = IngressOutcome::Respond { status: 202, content_type: "text/plain".to_owned(), body: "x".into() };
    let answering = Door::that_decides(move || Ok(chose.clone()));
    answering.send(deploy()).await;
    let lines = lines.0.lock().unwrap().clone();
    let lines: Vec<_> = lines.into_iter().filter(|line| line.contains("message=webhook ")).collect();
    let ids: Vec<_> = door.inbox.entries().iter().map(|entry| format!("id=\"{}\"", entry.id)).collect();
    let chosen = format!("id=\"{}\"", answering.inbox.entries()[0].id);
    assert_eq!((lines.len(), ids.len()), (5, 2), "{lines:?}");
    for (line, id) in [(0, &ids[0]), (1, &ids[0]), (2, &ids[1]), (4, &chosen)] {
        assert!(lines[line].contains(id) && id.contains("wh_"), "{id} in {}", lines[line]);
    }
    assert!(!lines[3].contains(" id="), "{}", lines[3]);
}

#[tokio::test]
async fn outcomes_refusals_and_missing_placeholders_are_counted() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let door = metrics::with_local_recorder(&recorder, Door::of_the_guide);
    door.send(deploy()).await;
    door.send(with(post("/webhook/deploy-alert", r#"{"service":"x"}"#), "idempotency-key", "k")).await;
    door.send(with(post("/webhook/deploy-alert", r#"{"service":"x"}"#), "idempotency-key", "k")).await;
    door.send(post("/webhook/nowhere", "{}")).await;
    door.send(post("/webhook/deploy-alert", "{")).await;
    let page = recorder.handle().render();
    for line in [
        r#"openclaw_webhooks_total{result="message"} 2"#,
        r#"openclaw_webhooks_total{result="duplicate"} 1"#,
        r#"openclaw_webhooks_total{result="failed"} 1"#,
        r#"openclaw_webhooks_total{result="WEBHOOK_INVALID"} 1"#,
        r#"openclaw_webhooks_total{result="TRANSFORM_FAILED"} 0"#,
        "openclaw_webhook_missing_placeholders_total 2",
        "openclaw_webhook_duration_seconds_count 5",
    ] {
        assert!(page.contains(line), "{line} in\n{page}");
    }
}
