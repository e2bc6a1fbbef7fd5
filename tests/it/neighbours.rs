//! A tenant that uses up its share delays itself and nobody else.

use openclaw_tests::{TestRegistry, tenant, told, until};
use serde_json::json;

use crate::guests::{HOSTILE, SLEEPER};

/// Six of the eight places of a test registry are what one tenant may hold.
const SHARE: usize = 6;

async fn serving_two(component: &str) -> TestRegistry {
    let registry = TestRegistry::serving(&[]).await;
    let bytes = std::fs::read(component).unwrap();
    for owner in ["greedy", "modest"] {
        registry.registry.install(&tenant(owner), bytes.clone().into(), None, false).await.unwrap();
    }
    registry
}

#[tokio::test]
async fn a_tenant_that_spins_on_its_whole_share_does_not_stop_another_s_calls() {
    let registry = serving_two(HOSTILE).await;
    let (greedy, modest) = (tenant("greedy"), tenant("modest"));
    let spinning: Vec<_> = (0..2 * SHARE).map(|_| registry.begin(&greedy, "hostile/spin", &json!({}))).collect();
    until(|| registry.places_in_use() == SHARE).await;
    for round in 0..20 {
        let called = registry.call_as(&modest, "hostile/echo", json!({ "text": round.to_string() })).await;
        assert_eq!(told(called), format!("it went well: {round}"));
    }
    assert_eq!(registry.places_in_use(), SHARE, "they spin still");
    for call in spinning {
        call.drop_it().await;
    }
    until(|| registry.places_in_use() == 0).await;
}

#[tokio::test]
async fn a_tenant_that_waits_on_its_whole_share_does_not_stop_another_s_calls() {
    let registry = serving_two(SLEEPER).await;
    let (greedy, modest) = (tenant("greedy"), tenant("modest"));
    let hour = json!({ "ms": 3_600_000 });
    let waiting: Vec<_> = (0..2 * SHARE).map(|_| registry.begin(&greedy, "sleeper", &hour)).collect();
    until(|| registry.places_in_use() == SHARE).await;
    assert_eq!(told(registry.call_as(&modest, "sleeper", json!({ "ms": 0 })).await), "it went well: slept 0 ms");
    let own = registry.begin(&greedy, "sleeper", &json!({ "ms": 0 }));
    // The waiters leave one after the other; the call behind them gets its turn.
    for call in waiting {
        call.drop_it().await;
    }
    assert_eq!(own.ended().await, "it went well: slept 0 ms");
    until(|| registry.places_in_use() == 0).await;
}
