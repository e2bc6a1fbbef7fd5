//! However address space is got, a call gives the same result and runs into the same limits.

use openclaw_tests::tight::WITHIN;
use openclaw_tests::{Opening, test_compiler, told};
use openclaw_wasm::Rung;
use serde_json::json;

use crate::guests::HOSTILE;

async fn serves_on(rung: Rung) {
    let registry = Opening::default().with(|settings| settings.first_rung = rung).open().await;
    if rung != Rung::Reserved {
        // Whether the first rung fits is the machine's affair; the ones below fit everywhere.
        assert_eq!(registry.registry.rung(), rung);
    }
    registry.install(HOSTILE).await;
    assert_eq!(told(registry.call("hostile/echo", json!({ "text": "up" })).await), "it went well: up");
    let refused = registry.refused("hostile/allocate-one").await;
    assert_eq!(refused, "SKILL_MEMORY: `hostile` ran out of its 16777216 bytes of memory");
    for _ in 0..3 {
        assert_eq!(told(registry.call("hostile/write-pattern", json!({})).await), "it went well: 32768");
        assert_eq!(told(registry.call("hostile/read-pattern", json!({})).await), "it went well: 0");
    }
}

#[tokio::test]
async fn guests_run_with_reserved_address_space() {
    serves_on(Rung::Reserved).await;
}

#[tokio::test]
async fn guests_run_with_little_address_space() {
    serves_on(Rung::Small).await;
}

#[tokio::test]
async fn guests_run_without_a_pool() {
    serves_on(Rung::OnDemand).await;
}

/// What a registry says that has only this much address space: its rung, two calls, and one more when nothing is left.
async fn within(gibibytes: u64) -> String {
    let bytes = (gibibytes << 30).to_string();
    let ran = tokio::process::Command::new(test_compiler()).args([WITHIN, &bytes]).output().await.unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

#[tokio::test]
async fn a_machine_with_some_address_space_gets_the_small_pool() {
    let said = within(24).await;
    assert!(said.starts_with("small\nit went well: served\nit went well: served\n"), "{said}");
}

#[tokio::test]
async fn a_machine_with_little_address_space_runs_guests_without_a_pool_and_says_busy_when_there_is_none() {
    insta::assert_snapshot!(within(2).await, @"
    on-demand
    it went well: served
    it went well: served
    GATEWAY_BUSY: the gateway is busy: the host has no memory left for another instance
    ");
}
