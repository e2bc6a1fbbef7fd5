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
