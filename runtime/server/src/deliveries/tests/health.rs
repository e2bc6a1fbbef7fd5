//! Endpoints that are not well: breakers, 410, long failures, and that none of them delays another.

use openclaw_domain::{DeliveryState, EventKind};
use tokio_util::sync::CancellationToken;

use super::*;

#[tokio::test]
async fn an_open_breaker_lets_one_probe_through_and_closes_when_it_is_answered() {
    let mut bench = Bench::new(vec![endpoint("one")]);
    bench.egress.answers("one.test", Answer::Status(500));
    for number in 0..20 {
        bench.complete(number);
    }
    bench.worker.turn().await;
    let opened_after = bench.egress.sent_to("one.test");
    assert!((5..=12).contains(&opened_after), "{opened_after}");
    bench.after(seconds(29)).await;
    assert_eq!(bench.egress.sent_to("one.test"), opened_after);
    bench.after(seconds(2)).await;
    assert_eq!(bench.egress.sent_to("one.test"), opened_after + 1, "half-open: one probe");
    assert_eq!(bench.deliveries.endpoints()[0].breaker, "open");
    bench.egress.answers("one.test", Answer::Status(200));
    bench.after(seconds(59)).await;
    assert_eq!(bench.egress.sent_to("one.test"), opened_after + 1, "it rests twice as long");
    bench.after(seconds(2)).await;
    assert_eq!(bench.deliveries.endpoints()[0].breaker, "closed");
    bench.after(seconds(330)).await;
    assert!(bench.outbox.states().iter().all(|state| *state == DeliveryState::Delivered));
    let most = bench.outbox.rows().iter().map(|row| row.attempts).max();
    assert!(most <= Some(3), "waiting behind a breaker costs no attempts: {most:?}");
}

#[tokio::test]
async fn a_gone_endpoint_is_disabled_with_an_alert_and_owed_nothing_until_it_is_enabled() {
    let mut bench = Bench::new(vec![endpoint("one"), endpoint("two")]);
    bench.complete(1);
    bench.egress.answers("one.test", Answer::Status(410));
    bench.worker.turn().await;
    let alerts = std::mem::take(&mut *bench.outbox.recorded.lock().unwrap());
    let [alert] = &alerts[..] else { panic!("{alerts:?}") };
    assert_eq!(alert.kind, EventKind::SecurityAlert);
    let data: Value = serde_json::from_str(&alert.data).unwrap();
    assert_eq!((&data["type"], &data["details"]["endpoint"]), (&json!("webhook_endpoint_disabled"), &json!("one")));
    assert!(bench.outbox.kept_health(&key("one")).disabled.unwrap().1.contains("410"));
    bench.complete(2);
    bench.outbox.happen(&bench.route, alert.clone());
    bench.worker.turn().await;
    assert_eq!((bench.egress.sent_to("one.test"), bench.egress.sent_to("two.test")), (1, 3));
    bench.restart(vec![endpoint("one"), endpoint("two")]).await;
    bench.complete(3);
    bench.worker.turn().await;
    assert_eq!(bench.egress.sent_to("one.test"), 1, "a restart does not forget it");
    bench.egress.answers("one.test", Answer::Status(200));
    bench.deliveries.set_enabled(&key("one"), true).await.unwrap();
    bench.complete(4);
    bench.worker.turn().await;
    assert_eq!(bench.egress.sent_to("one.test"), 2);
    assert_eq!(bench.outbox.kept_health(&key("one")), openclaw_domain::EndpointHealth::default());
}

#[tokio::test]
async fn attempts_under_way_when_an_endpoint_is_disabled_neither_enable_it_nor_tell_it_twice() {
    let mut bench = Bench::new(vec![endpoint("one")]);
    bench.egress.answers("one.test", Answer::InTurn([410, 410, 500, 200].into()));
    for number in 0..4 {
        bench.complete(number);
    }
    bench.worker.turn().await;
    assert_eq!(bench.egress.sent_to("one.test"), 4, "side by side");
    assert!(bench.outbox.kept_health(&key("one")).disabled.unwrap().1.contains("410"));
    assert_eq!(bench.outbox.recorded.lock().unwrap().len(), 1);
    bench.restart(vec![endpoint("one")]).await;
    bench.complete(5);
    bench.after(DAY).await;
    assert_eq!(bench.egress.sent_to("one.test"), 4);
}

#[tokio::test]
async fn one_refusal_long_ago_and_one_failure_today_disable_nothing() {
    let mut bench = Bench::new(vec![endpoint("one")]);
    bench.egress.answers("one.test", Answer::Status(401));
    bench.complete(1);
    bench.worker.turn().await;
    bench.clock.advance(DAY * 6);
    bench.complete(2);
    bench.worker.turn().await;
    assert_eq!(bench.egress.sent_to("one.test"), 2);
    assert_eq!(bench.outbox.kept_health(&key("one")).disabled, None);
    assert!(bench.outbox.recorded.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_endpoint_that_failed_for_five_days_is_disabled_and_one_success_starts_the_count_anew() {
    let mut bench = Bench::new(vec![endpoint("one")]);
    for day in 0..4 {
        bench.egress.answers("one.test", Answer::Status(500));
        bench.complete(day);
        bench.after(DAY).await;
    }
    bench.egress.answers("one.test", Answer::Status(200));
    bench.after(DAY).await;
    assert_eq!(bench.outbox.kept_health(&key("one")).failing_since, None);
    bench.egress.answers("one.test", Answer::Status(401));
    for day in 0..6 {
        assert!(bench.outbox.recorded.lock().unwrap().is_empty(), "day {day}");
        bench.complete(day);
        bench.after(DAY).await;
    }
    let alerts = bench.outbox.recorded.lock().unwrap();
    assert_eq!(alerts.len(), 1);
    assert!(alerts[0].data.contains("failed for 5 days"), "{}", alerts[0].data);
}

#[tokio::test]
async fn an_operator_switches_an_endpoint_off_and_what_waits_goes_on_afterwards() {
    let mut bench = Bench::new(vec![endpoint("one")]);
    bench.egress.answers("one.test", Answer::Status(500));
    bench.complete(1);
    bench.worker.turn().await;
    bench.deliveries.set_enabled(&key("one"), false).await.unwrap();
    bench.egress.answers("one.test", Answer::Status(200));
    bench.after(DAY).await;
    assert_eq!(bench.outbox.states(), [DeliveryState::Pending]);
    bench.deliveries.set_enabled(&key("one"), true).await.unwrap();
    bench.worker.turn().await;
    assert_eq!(bench.outbox.states(), [DeliveryState::Delivered]);
}

#[tokio::test]
async fn deliveries_of_a_paused_tenant_wait_and_go_on_when_the_pause_ends() {
    let mut bench = Bench::new(vec![endpoint("one")]);
    bench.policy.0.store(true, std::sync::atomic::Ordering::SeqCst);
    bench.complete(1);
    bench.after(DAY).await;
    assert_eq!((bench.egress.sent().len(), bench.outbox.states()), (0, vec![DeliveryState::Pending]));
    bench.policy.0.store(false, std::sync::atomic::Ordering::SeqCst);
    bench.worker.turn().await;
    assert_eq!(bench.outbox.states(), [DeliveryState::Delivered]);
}

#[tokio::test]
async fn an_endpoint_that_hangs_holds_its_own_places_and_delays_no_other() {
    let names = ["dead", "a", "b", "c"];
    let bench = Bench::new(names.map(endpoint).to_vec());
    bench.egress.answers("dead.test", Answer::Hangs);
    for number in 0..50 {
        bench.complete(number);
    }
    let stop = CancellationToken::new();
    let mut worker = tokio::task::JoinSet::new();
    worker.spawn(bench.worker.run(stop.clone()));
    loop {
        let heard = bench.egress.heard.notified();
        if ["a", "b", "c"].iter().all(|name| bench.egress.sent_to(&host(name)) == 50) {
            break;
        }
        heard.await;
    }
    assert_eq!(bench.egress.most("dead.test"), 8);
    assert!(bench.egress.most("a.test") <= 8);
    bench.egress.gate.add_permits(1_000);
    while bench.outbox.states().iter().any(|state| *state != DeliveryState::Delivered) {
        tokio::task::yield_now().await;
    }
    stop.cancel();
    worker.join_next().await.unwrap().unwrap();
}
