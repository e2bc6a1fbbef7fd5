//! A tenant that uses up its share delays itself and nobody else.

use std::time::Duration;

use openclaw_domain::TenantId;
use openclaw_tests::{InFlight, Opening, TestRegistry, tenant, told, until};
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

#[tokio::test]
async fn a_tenant_whose_queue_is_full_is_told_so_and_others_are_served() {
    let registry = Opening::default().with(|settings| settings.waiting_calls_per_tenant = 2).open().await;
    for owner in ["greedy", "modest"] {
        let bytes = std::fs::read(HOSTILE).unwrap();
        registry.registry.install(&tenant(owner), bytes.into(), None, false).await.unwrap();
    }
    let (greedy, modest) = (tenant("greedy"), tenant("modest"));
    let spinning: Vec<_> = (0..SHARE).map(|_| registry.begin(&greedy, "hostile/spin", &json!({}))).collect();
    until(|| registry.places_in_use() == SHARE).await;
    // Whichever of the next three comes last finds two waiting.
    let mut waiting: Vec<_> = (0..3).map(|_| registry.begin(&greedy, "hostile/spin", &json!({}))).collect();
    until(|| waiting.iter_mut().any(InFlight::is_over)).await;
    let refused = waiting.iter_mut().position(InFlight::is_over).unwrap();
    let refused = waiting.swap_remove(refused).ended().await;
    assert_eq!(refused, "GATEWAY_BUSY: the gateway is busy: 2 calls of this tenant wait already");
    let called = registry.call_as(&modest, "hostile/echo", json!({ "text": "served" })).await;
    assert_eq!(told(called), "it went well: served");
    drop((spinning, waiting));
    until(|| registry.places_in_use() == 0).await;
}

#[tokio::test]
async fn a_call_that_finds_no_place_within_its_deadline_is_told_the_gateway_is_busy() {
    let registry = TestRegistry::serving(&[HOSTILE]).await;
    let owner = TenantId::default();
    let spinning: Vec<_> = (0..SHARE).map(|_| registry.begin(&owner, "hostile/spin", &json!({}))).collect();
    until(|| registry.places_in_use() == SHARE).await;
    let late = registry.call_within(Duration::from_millis(50), "hostile/echo", json!({ "text": "late" })).await;
    assert_eq!(told(late), "GATEWAY_BUSY: the gateway is busy: no instance became free within the deadline");
    drop(spinning);
    until(|| registry.places_in_use() == 0).await;
    assert_eq!(told(registry.call("hostile/echo", json!({ "text": "in time" })).await), "it went well: in time");
}

/// Processor time, in ticks, and niceness of this process's threads of that name.
fn threads_named(name: &str) -> Vec<(u64, i64)> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let stats = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok());
    stats
        .filter_map(|stat| {
            // `pid (name) state …`: a name may hold anything, so what follows is counted from its end.
            let (head, rest) = stat.rsplit_once(") ")?;
            let fields: Vec<&str> = rest.split_whitespace().collect();
            let is_it = head.split_once('(')?.1 == name;
            is_it.then(|| (fields[11].parse().unwrap(), fields[16].parse().unwrap()))
        })
        .collect()
}

#[tokio::test]
async fn a_guest_that_computes_on_moves_to_a_thread_of_lower_priority() {
    let registry = TestRegistry::serving(&[HOSTILE]).await;
    // On a busy machine even `list-tools` may have outlived its slice.
    let before = threads_named("guest").iter().map(|(ticks, _)| *ticks).max().unwrap_or(0);
    let spinning = registry.begin(&TenantId::default(), "hostile/spin", &json!({}));
    let busy = || threads_named("guest").iter().any(|(ticks, niceness)| *ticks > before && *niceness == 10);
    tokio::time::timeout(Duration::from_secs(60), until(busy)).await.expect("a guest thread computes, at niceness 10");
    assert_eq!(told(registry.call("hostile/echo", json!({ "text": "served" })).await), "it went well: served");
    spinning.drop_it().await;
    until(|| registry.places_in_use() == 0).await;
}
