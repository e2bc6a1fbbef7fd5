//! Replacing, disabling or removing a skill drops no call in flight.

use openclaw_domain::TenantId;
use openclaw_tests::raw::RawSkill;
use openclaw_tests::{InFlight, TestRegistry, until};
use serde_json::json;

use crate::guests::SLEEPER;

/// Long enough for a replacement to be compiled meanwhile on a busy machine; the test passes either way.
const A_WHILE: u64 = 2_000;

async fn with_a_call_in_flight() -> (TestRegistry, InFlight) {
    let registry = TestRegistry::serving(&[SLEEPER]).await;
    let call = registry.begin(&TenantId::default(), "sleeper", &json!({ "ms": A_WHILE }));
    until(|| registry.places_in_use() == 1).await;
    (registry, call)
}

#[tokio::test]
async fn a_call_in_flight_finishes_on_the_version_it_began_with() {
    let (registry, call) = with_a_call_in_flight().await;
    registry.take(RawSkill::saying("sleeper", "I am new").file()).await.unwrap();
    assert_eq!(registry.refused("sleeper").await, "it went well: I am new");
    assert_eq!(call.ended().await, "it went well: slept 2000 ms");
}

#[tokio::test]
async fn a_call_in_flight_outlives_the_removal_of_its_skill() {
    let (registry, call) = with_a_call_in_flight().await;
    assert!(registry.registry.remove(&TenantId::default(), &"sleeper".parse().unwrap()).await.unwrap());
    let gone = "SKILL_NOT_FOUND: no skill named `sleeper` is installed and enabled";
    assert_eq!(registry.refused("sleeper").await, gone);
    assert_eq!(call.ended().await, "it went well: slept 2000 ms");
}

#[tokio::test]
async fn a_disabled_skill_is_refused_until_it_is_enabled_again() {
    let registry = TestRegistry::serving(&[]).await;
    registry.take(RawSkill::default().file()).await.unwrap();
    let (tenant, name) = (TenantId::default(), "raw".parse().unwrap());
    registry.registry.set_enabled(&tenant, &name, false).await.unwrap();
    assert_eq!(registry.refused("raw").await, "SKILL_NOT_FOUND: no skill named `raw` is installed and enabled");
    registry.registry.set_enabled(&tenant, &name, true).await.unwrap();
    assert_eq!(registry.refused("raw").await, "it went well: ok");
}

#[tokio::test]
async fn what_was_installed_is_there_after_a_restart() {
    let registry = TestRegistry::serving(&[]).await;
    registry.take(RawSkill::saying("raw", "first").file()).await.unwrap();
    registry.take(RawSkill::saying("raw", "second").file()).await.unwrap();
    let home = registry.close().await;
    let registry = openclaw_tests::Opening::default().open_over(home).await;
    assert_eq!(registry.refused("raw").await, "it went well: second");
}
