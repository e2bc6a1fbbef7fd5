//! However address space is got, a call gives the same result and runs into the same limits.

use openclaw_tests::{Opening, told};
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
