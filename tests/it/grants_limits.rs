//! Limits of a tenant and, narrower, of a grant.

use std::sync::Arc;
use std::time::Duration;

use openclaw_domain::{ManualClock, TenantId, Timestamp};
use openclaw_tests::{Opening, TestRegistry, told, until};
use serde_json::json;

use crate::capability_http::powers;
use crate::guests::POWERS;

#[tokio::test]
async fn calls_over_the_limit_of_a_minute_are_told_when_to_come_back() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_780_920_000_000)));
    let registry = Opening { clock: Arc::clone(&clock) as _, ..Opening::default() }.open().await;
    registry.install(POWERS).await;
    registry.grant("powers", powers(&["kv notes"])).await;
    registry.policy.limit(|limits| limits.calls_per_minute = 3);
    let note = || registry.call("powers/get", json!({ "bucket": "notes", "key": "a" }));
    for _ in 0..3 {
        assert_eq!(told(note().await), "it went well: nothing (false)");
    }
    let refusal = note().await.unwrap_err();
    assert_eq!(refusal.code().as_str(), "RATE_LIMITED");
    let used = registry.registry.used(&TenantId::default()).await.unwrap();
    assert_eq!((used.calls_last_minute, used.calls_now), (3, 0));
    clock.advance(refusal.retry_after().unwrap());
    assert_eq!(told(note().await), "it went well: nothing (false)");
}

#[tokio::test]
async fn a_grant_makes_limits_narrower_for_one_skill() {
    let registry = TestRegistry::serving(&[POWERS]).await;
    let tenant = TenantId::default();
    registry
        .grant_to(&tenant, "powers", powers(&["kv notes"]), |grant| {
            grant.limits.calls_per_minute = Some(3);
            grant.limits.concurrent_calls = Some(1);
            grant.limits.kv_bytes = Some(15_000);
            grant.limits.host_calls = Some(1000);
        })
        .await;
    let refused = registry.refused("powers/fill").await;
    assert!(refused.contains("after 1:"), "{refused}");
    let spinning = registry.begin(&tenant, "powers/spin", &json!({}));
    until(|| registry.places_in_use() == 1).await;
    let refused = told(registry.call("powers/report", json!({ "text": "x" })).await);
    assert_eq!(refused, "GATEWAY_BUSY: the gateway is busy: 1 calls of `powers` run already");
    spinning.drop_it().await;
    let refused = told(registry.call("powers/report", json!({ "text": "x" })).await);
    assert!(refused.starts_with("RATE_LIMITED: too many calls a minute of this skill"), "{refused}");
}

#[tokio::test]
async fn a_tenant_over_its_calls_at_one_time_waits_in_its_own_queue() {
    let registry = TestRegistry::serving(&[POWERS]).await;
    let tenant = TenantId::default();
    registry.grant("powers", powers(&["kv notes"])).await;
    registry.policy.limit(|limits| limits.concurrent_calls = 1);
    let spinning = registry.begin(&tenant, "powers/spin", &json!({}));
    until(|| registry.places_in_use() == 1).await;
    let note = json!({ "bucket": "notes", "key": "a" });
    let late = registry.call_within(Duration::from_millis(1), "powers/get", note.clone()).await;
    assert!(told(late).starts_with("GATEWAY_BUSY"), "it waits until its deadline");
    let mut waiting = registry.begin(&tenant, "powers/get", &note);
    assert!(!waiting.is_over());
    spinning.drop_it().await;
    assert_eq!(waiting.ended().await, "it went well: nothing (false)");
}
