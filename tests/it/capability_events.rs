//! Capability `events`: a skill's own events, under names that are granted, marked as the skill's.

use openclaw_domain::EventKind;
use openclaw_tests::{TestRegistry, told};
use serde_json::{Value, json};

use crate::capability_http::powers;
use crate::guests::POWERS;

#[tokio::test]
async fn a_granted_event_is_recorded_as_the_skills_own() {
    let registry = TestRegistry::serving(&[POWERS]).await;
    registry.grant("powers", powers(&["event changed"])).await;
    let emitted = registry.call("powers/emit", json!({ "name": "changed", "text": "the state" })).await;
    assert_eq!(told(emitted), "it went well: emitted");
    let events = registry.events().await;
    let event = events.iter().find(|event| event.fact.kind == EventKind::SkillEvent).unwrap();
    let data: Value = serde_json::from_str(&event.fact.data).unwrap();
    assert_eq!(data, json!({ "skill": "powers", "name": "changed", "data": { "text": "the state" } }));
    assert_eq!((event.fact.kind.as_str(), event.fact.session), ("skill.event", None));
}

#[tokio::test]
async fn a_name_that_is_not_granted_is_denied_and_one_that_is_none_refused() {
    let registry = TestRegistry::serving(&[POWERS]).await;
    registry.grant("powers", powers(&["event changed"])).await;
    let refused = registry.refused_with("powers/emit", json!({ "name": "other", "text": "" })).await;
    assert!(refused.ends_with("hint: openclaw skills grant powers --event 'other'"), "{refused}");
    let refused = registry.refused_with("powers/emit", json!({ "name": "security.alert", "text": "" })).await;
    assert!(refused.starts_with("SKILL_FAILED"), "{refused}");
    let long = "x".repeat(70_000);
    let refused = registry.refused_with("powers/emit", json!({ "name": "changed", "text": long })).await;
    assert!(refused.starts_with("SKILL_FAILED") && refused.contains("at most 65536"), "{refused}");
}

#[tokio::test]
async fn a_call_emits_so_many_events_and_no_more() {
    let registry = TestRegistry::serving(&[POWERS]).await;
    registry.grant("powers", powers(&["event changed"])).await;
    let refused = registry.refused("powers/events").await;
    assert!(refused.contains("after 64:"), "{refused}");
    let events = registry.events().await;
    assert_eq!(events.iter().filter(|event| event.fact.kind == EventKind::SkillEvent).count(), 64);
}

#[tokio::test]
async fn what_a_tenant_emits_in_a_minute_is_bounded_and_the_guest_is_told_by_what() {
    let registry = TestRegistry::serving(&[POWERS]).await;
    registry.grant("powers", powers(&["event changed"])).await;
    registry.policy.limit(|limits| limits.event_bytes_per_minute = 4096);
    let first = registry.call("powers/emit", json!({ "name": "changed", "text": "x".repeat(3000) })).await;
    assert_eq!(told(first), "it went well: emitted");
    let refused = registry.refused_with("powers/emit", json!({ "name": "changed", "text": "y".repeat(3000) })).await;
    assert!(refused.contains("4096 bytes of events a minute at most (`eventBytesPerMinute`)"), "{refused}");
    let events = registry.events().await;
    assert_eq!(events.iter().filter(|event| event.fact.kind == EventKind::SkillEvent).count(), 1);
}
