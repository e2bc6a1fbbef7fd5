//! A call whose caller has gone ends, whatever it was doing, and gives its place to the next.

use openclaw_domain::TenantId;
use openclaw_tests::{TestRegistry, until};
use serde_json::json;

use crate::guests::{HOSTILE, SLEEPER};

async fn dropping_ends(registry: &TestRegistry, target: &str, arguments: serde_json::Value) {
    let call = registry.begin(&TenantId::default(), target, &arguments);
    until(|| registry.places_in_use() == 1).await;
    call.drop_it().await;
    until(|| registry.places_in_use() == 0).await;
}

#[tokio::test]
async fn dropping_a_call_that_computes_frees_its_place() {
    let registry = TestRegistry::serving(&[HOSTILE]).await;
    for _ in 0..5 {
        dropping_ends(&registry, "hostile/spin", json!({})).await;
    }
    assert_eq!(registry.call("hostile/echo", json!({ "text": "next" })).await.unwrap(), "next");
}

#[tokio::test]
async fn dropping_a_call_that_waits_in_the_host_frees_its_place() {
    let registry = TestRegistry::serving(&[SLEEPER]).await;
    for _ in 0..5 {
        dropping_ends(&registry, "sleeper", json!({ "ms": 3_600_000 })).await;
    }
    assert_eq!(registry.call("sleeper", json!({ "ms": 0 })).await.unwrap(), "slept 0 ms");
}
