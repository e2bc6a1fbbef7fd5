//! Capability `progress`: always there, and never without end.

use openclaw_domain::Progress;
use openclaw_tests::{TestRegistry, told};
use serde_json::json;

use crate::capability_http::powers;
use crate::guests::POWERS;

#[tokio::test]
async fn whoever_waits_hears_how_far_a_call_is() {
    let registry = TestRegistry::serving(&[POWERS]).await;
    // It needs no grant of its own; this one is for what else the guest imports.
    registry.grant("powers", powers(&["kv notes"])).await;
    let (result, heard) = registry.call_hearing("powers/report", json!({ "text": "half way" })).await;
    assert_eq!(told(result), "it went well: said");
    let say = |fraction| Progress { fraction, message: "half way".to_owned() };
    assert_eq!(heard, [say(Some(0.5)), say(None), say(Some(1.0))]);
}

#[tokio::test]
async fn a_flood_of_reports_is_cut_and_the_call_goes_on() {
    let registry = TestRegistry::serving(&[POWERS]).await;
    registry.grant("powers", powers(&["kv notes"])).await;
    let (result, heard) = registry.call_hearing("powers/progress", json!({})).await;
    assert_eq!(told(result), "it went well: said");
    assert_eq!(heard.len(), 64);
    assert!(heard.iter().all(|said| said.message.len() <= 1024));
}
