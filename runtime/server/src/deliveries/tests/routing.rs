//! Whom an event is owed to, and what a reload changes.

use openclaw_domain::ports::Route;
use openclaw_domain::{DeliveryState, EventKind};

use super::*;

fn owed(route: &DeliveryRoute, tenant: &str, kind: EventKind, data: &Value) -> Vec<String> {
    route.owed_to(&event(tenant, kind, data)).iter().map(ToString::to_string).collect()
}

#[test]
fn an_event_is_owed_to_endpoints_of_its_tenant_by_name_and_filter() {
    let filter = |filter: Value| Filter::read(&filter).unwrap();
    let events = |pattern: &str| vec![EventPattern::read(pattern).unwrap()];
    let mut globex = endpoint("theirs");
    globex.key.tenant = "globex".parse().unwrap();
    let bench = Bench::new(vec![
        endpoint("all"),
        OutgoingEndpoint { events: events("agent.*"), ..endpoint("agent") },
        OutgoingEndpoint { filter: filter(json!({ "channel": "telegram" })), ..endpoint("telegram") },
        OutgoingEndpoint { enabled: false, ..endpoint("off") },
        globex,
    ]);
    let telegram = json!({ "channel": "telegram" });
    assert_eq!(owed(&bench.route, "default", EventKind::MessageReceived, &telegram), ["all", "telegram"]);
    assert_eq!(owed(&bench.route, "default", EventKind::MessageReceived, &json!({ "channel": "x" })), ["all"]);
    assert_eq!(owed(&bench.route, "default", EventKind::Error, &json!({})), ["all", "agent"]);
    assert_eq!(owed(&bench.route, "globex", EventKind::Error, &json!({})), ["theirs"]);
    assert!(owed(&bench.route, "initech", EventKind::Error, &json!({})).is_empty());
}

#[test]
fn an_alert_about_an_endpoint_is_not_owed_to_that_endpoint() {
    let bench = Bench::new(vec![endpoint("one"), endpoint("two")]);
    let alert = json!({ "type": "webhook_endpoint_disabled", "details": { "endpoint": "one" } });
    assert_eq!(owed(&bench.route, "default", EventKind::SecurityAlert, &alert), ["two"]);
    let other = json!({ "type": "login", "details": { "endpoint": "one" } });
    assert_eq!(owed(&bench.route, "default", EventKind::SecurityAlert, &other), ["one", "two"]);
}

#[tokio::test]
async fn deliveries_to_an_endpoint_that_is_gone_wait_until_it_comes_back() {
    let mut bench = Bench::new(vec![endpoint("one"), endpoint("two")]);
    bench.egress.answers("one.test", Answer::Status(500));
    bench.complete(1);
    bench.worker.turn().await;
    bench.deliveries.replace(vec![endpoint("two")]);
    bench.egress.answers("one.test", Answer::Status(200));
    bench.complete(2);
    bench.after(DAY).await;
    assert_eq!((bench.egress.sent_to("one.test"), bench.egress.sent_to("two.test")), (1, 2));
    bench.deliveries.replace(vec![endpoint("two"), endpoint("one")]);
    bench.worker.turn().await;
    assert_eq!(bench.outbox.states(), [DeliveryState::Delivered; 3]);
}

#[tokio::test]
async fn a_reload_keeps_what_was_learned_of_an_endpoint_unless_it_is_another_place() {
    let mut bench = Bench::new(vec![endpoint("one")]);
    bench.egress.answers("one.test", Answer::Status(500));
    for number in 0..10 {
        bench.complete(number);
    }
    bench.worker.turn().await;
    bench.deliveries.replace(vec![OutgoingEndpoint { timeout: seconds(3), ..endpoint("one") }]);
    bench.worker.turn().await;
    assert_eq!(bench.deliveries.endpoints()[0].breaker, "open");
    let moved = OutgoingEndpoint { origin: "https://other.test".parse().unwrap(), ..endpoint("one") };
    bench.deliveries.replace(vec![moved]);
    bench.after(seconds(10)).await;
    assert_eq!(bench.outbox.states(), [DeliveryState::Delivered; 10]);
}
