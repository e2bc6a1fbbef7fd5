//! When attempts are made: the schedule, what receivers ask for, order, rate, and what a crash leaves.

use openclaw_domain::{DeliveryState, EgressError};

use super::*;

#[tokio::test]
async fn a_failed_delivery_is_tried_on_schedule_under_one_id_until_it_is_dead() {
    let mut bench = Bench::new(vec![endpoint("one")]);
    bench.egress.answers("one.test", Answer::Status(500));
    bench.complete(1);
    bench.worker.turn().await;
    for (made, delay) in (1..).zip([5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]) {
        assert_eq!(bench.outbox.rows()[0].attempts, made);
        bench.after(seconds(delay * 89 / 100)).await;
        assert_eq!(bench.outbox.rows()[0].attempts, made, "too early");
        bench.after(seconds(delay / 4 + 601)).await;
    }
    let row = &bench.outbox.rows()[0];
    assert_eq!((row.state, row.attempts), (DeliveryState::Dead, 10));
    assert_eq!(row.reason.as_deref(), Some("answered 500, as the last of 10 attempts"));
    let sent = bench.egress.sent();
    let times: std::collections::BTreeSet<_> =
        sent.iter().map(|sent| sent.headers["webhook-timestamp"].to_str().unwrap().to_owned()).collect();
    assert_eq!(times.len(), 10, "the timestamp is each attempt's own");
    assert!(sent.iter().all(|one| one.headers["webhook-id"] == *row.id.to_string() && one.body == sent[0].body));
}

#[tokio::test]
async fn retry_after_is_kept_within_a_day_whatever_it_says() {
    for (header, at_least, at_most) in [
        ("120", 120, 121),
        ("0", 4, 6),
        ("9999999999999999999999", 86_400, 86_401),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400, 86_401),
        ("1e300", 4, 6),
        ("-1", 4, 6),
        ("garbage", 4, 6),
    ] {
        for status in [429, 503] {
            let mut bench = Bench::new(vec![endpoint("one")]);
            bench.egress.answers("one.test", Answer::RetryAfter(status, header));
            bench.complete(1);
            bench.worker.turn().await;
            let row = &bench.outbox.rows()[0];
            let wait = row.next_at.since(START).as_secs();
            assert!(row.state == DeliveryState::Pending && (at_least..=at_most).contains(&wait), "{header}: {wait}");
        }
    }
}

#[tokio::test]
async fn a_throttled_endpoint_is_left_alone_for_all_its_deliveries() {
    let mut bench = Bench::new(vec![endpoint("one"), endpoint("two")]);
    bench.egress.answers("one.test", Answer::RetryAfter(429, "600"));
    bench.complete(1);
    bench.worker.turn().await;
    bench.complete(2);
    bench.after(seconds(599)).await;
    assert_eq!((bench.egress.sent_to("one.test"), bench.egress.sent_to("two.test")), (1, 2));
    bench.egress.answers("one.test", Answer::Status(200));
    bench.after(seconds(2)).await;
    assert_eq!(bench.egress.sent_to("one.test"), 3);
}

#[tokio::test]
async fn a_permanent_no_is_not_asked_again_and_what_may_pass_is() {
    for status in [400, 401, 403, 404, 405, 406, 410, 411, 413, 415, 422, 451] {
        assert_eq!(settled_by(Answer::Status(status)).await, DeliveryState::Refused, "{status}");
    }
    for status in [301, 302, 307, 408, 409, 421, 423, 425, 429, 500, 502, 503, 504, 520] {
        assert_eq!(settled_by(Answer::Status(status)).await, DeliveryState::Pending, "{status}");
    }
    for status in [200, 201, 202, 204] {
        assert_eq!(settled_by(Answer::Status(status)).await, DeliveryState::Delivered, "{status}");
    }
    let host = "one.test".to_owned();
    let denied = EgressError::AddressDenied { host: host.clone(), address: [10, 0, 0, 1].into(), kind: "private" };
    assert_eq!(settled_by(Answer::Fails(denied)).await, DeliveryState::Refused);
    for error in [
        EgressError::Dns { host: host.clone(), reason: "no such name".to_owned() },
        EgressError::Connect { host: host.clone(), reason: "refused".to_owned() },
        EgressError::Tls { host, reason: "expired".to_owned() },
        EgressError::TimedOut,
        EgressError::TooSlow(64),
        EgressError::TooLarge { what: "response headers", limit: 1 },
        EgressError::Protocol("reset".to_owned()),
        EgressError::Internal,
    ] {
        assert_eq!(settled_by(Answer::Fails(error.clone())).await, DeliveryState::Pending, "{error}");
    }
}

async fn settled_by(answer: Answer) -> DeliveryState {
    let mut bench = Bench::new(vec![endpoint("one")]);
    bench.egress.answers("one.test", answer);
    bench.complete(1);
    bench.worker.turn().await;
    bench.outbox.rows()[0].state
}

#[tokio::test]
async fn a_private_target_is_refused_by_the_key_that_would_allow_it() {
    let mut bench = Bench::new(vec![endpoint("one"), OutgoingEndpoint { allow_private: true, ..endpoint("two") }]);
    let denied =
        EgressError::AddressDenied { host: "one.test".to_owned(), address: [127, 0, 0, 1].into(), kind: "loopback" };
    bench.egress.answers("one.test", Answer::Fails(denied));
    bench.complete(1);
    bench.worker.turn().await;
    let reason = bench.outbox.rows()[0].reason.clone().unwrap();
    assert!(reason.contains("`webhooks.outgoing[0].allowPrivate`"), "{reason}");
    let allowed: Vec<_> = bench.egress.sent().iter().map(|sent| (sent.host.clone(), sent.allow_private)).collect();
    assert!(allowed.contains(&("one.test".to_owned(), false)) && allowed.contains(&("two.test".to_owned(), true)));
}

#[tokio::test]
async fn an_ordered_endpoint_holds_later_events_up_and_not_for_ever() {
    let ordered = OutgoingEndpoint { ordered: Some(seconds(400)), ..endpoint("one") };
    let mut bench = Bench::new(vec![ordered]);
    bench.egress.answers("one.test", Answer::Status(500));
    for number in 1..=3 {
        bench.complete(number);
    }
    bench.worker.turn().await;
    bench.after(seconds(6)).await;
    let attempts: Vec<_> = bench.outbox.rows().iter().map(|row| row.attempts).collect();
    assert_eq!((attempts, bench.egress.most("one.test")), (vec![2, 0, 0], 1));
    bench.after(seconds(400)).await;
    let rows = bench.outbox.rows();
    assert_eq!(rows[0].state, DeliveryState::Dead);
    assert!(rows[0].reason.as_ref().unwrap().contains("held up those behind it for 400 s"));
    bench.egress.answers("one.test", Answer::Status(200));
    bench.after(seconds(60)).await;
    assert_eq!(bench.outbox.states()[1..], [DeliveryState::Delivered, DeliveryState::Delivered]);
    let order: Vec<_> = bench.egress.sent().iter().map(|sent| sent.body.clone()).collect();
    assert!(order.is_sorted(), "the bodies begin with the events' ids");
}

#[tokio::test]
async fn a_rate_bounds_what_is_sent_and_loses_nothing() {
    let mut bench = Bench::new(vec![OutgoingEndpoint { rate_per_minute: Some(10), ..endpoint("one") }]);
    for number in 0..30 {
        bench.complete(number);
    }
    bench.worker.turn().await;
    assert_eq!(bench.egress.sent_to("one.test"), 1);
    for _ in 0..60 {
        bench.after(seconds(1)).await;
    }
    assert!((10..=11).contains(&bench.egress.sent_to("one.test")), "{}", bench.egress.sent_to("one.test"));
    for _ in 0..130 {
        bench.after(seconds(1)).await;
    }
    assert_eq!(bench.egress.sent_to("one.test"), 30);
}

#[tokio::test]
async fn what_a_crash_leaves_under_way_is_made_again_under_its_id() {
    let mut bench = Bench::new(vec![endpoint("one")]);
    bench.egress.answers("one.test", Answer::Hangs);
    bench.complete(1);
    {
        let mut turn = std::pin::pin!(bench.worker.turn());
        let heard = bench.egress.heard.notified();
        tokio::select! {
            () = &mut turn => panic!("it hangs"),
            () = heard => {}
        }
    }
    assert_eq!(bench.outbox.states(), [DeliveryState::Leased]);
    bench.egress.answers("one.test", Answer::Status(200));
    bench.restart(vec![endpoint("one")]).await;
    bench.worker.turn().await;
    let sent = bench.egress.sent();
    assert_eq!((sent.len(), bench.outbox.states()), (2, vec![DeliveryState::Delivered]));
    assert_eq!(sent[0].headers["webhook-id"], sent[1].headers["webhook-id"]);
    assert_eq!(sent[0].body, sent[1].body);
}
