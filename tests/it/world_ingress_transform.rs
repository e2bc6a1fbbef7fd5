//! Transforms that misbehave: each refusal names the transform and what it ran into.

use std::time::Duration;

use insta::assert_snapshot;
use openclaw_tests::{Opening, TestRegistry};
use serde_json::json;

use crate::guests::INGRESS_HOSTILE;

async fn behaving(registry: &TestRegistry, how: &str) -> String {
    registry.decided("ingress-hostile", json!({ "behave": how })).await
}

async fn still_serves(registry: &TestRegistry) {
    assert_eq!(behaving(registry, "discard").await, r#"Discard { reason: "nothing to do" }"#);
    assert_eq!(registry.places_in_use(), 0);
}

#[tokio::test]
async fn a_transform_decides_between_four_outcomes() {
    let registry = TestRegistry::serving(&[INGRESS_HOSTILE]).await;
    assert_snapshot!(behaving(&registry, "message").await, @r#"Message { text: "2 bytes on /door", conversation: Some("room"), missing: 0 }"#);
    assert_snapshot!(behaving(&registry, "invoke").await, @r#"Invoke { skill: "hostile/echo", arguments: "{\"text\":\"from a webhook\"}" }"#);
    assert_snapshot!(behaving(&registry, "respond").await, @"respond 202 text/plain, 5 bytes");
    assert_snapshot!(behaving(&registry, "discard").await, @r#"Discard { reason: "nothing to do" }"#);
}

#[tokio::test]
async fn a_transform_that_spins_is_stopped_at_its_deadline() {
    // A transform has no deadline of its own; a second is enough for the honest call after it, too.
    let opening = Opening::default().with(|settings| settings.limits.deadline = Duration::from_secs(1));
    let registry = opening.open().await;
    registry.install(INGRESS_HOSTILE).await;
    assert_snapshot!(behaving(&registry, "spin").await, @"TRANSFORM_FAILED: the transform `ingress-hostile` failed: `ingress-hostile` was stopped after its deadline of 1000 ms");
    still_serves(&registry).await;
}

#[tokio::test]
async fn a_transform_that_is_refused_memory_traps_even_if_it_would_cope() {
    let registry = TestRegistry::serving(&[INGRESS_HOSTILE]).await;
    assert_snapshot!(behaving(&registry, "allocate").await, @"TRANSFORM_FAILED: the transform `ingress-hostile` failed: `ingress-hostile` ran out of its 16777216 bytes of memory");
    still_serves(&registry).await;
}

#[tokio::test]
async fn a_transform_that_traps_is_refused() {
    let registry = TestRegistry::serving(&[INGRESS_HOSTILE]).await;
    assert_snapshot!(behaving(&registry, "trap").await, @"TRANSFORM_FAILED: the transform `ingress-hostile` failed: `ingress-hostile` trapped: wasm `unreachable` instruction executed");
    still_serves(&registry).await;
}

#[tokio::test]
async fn a_message_or_an_answer_over_its_limit_is_refused() {
    let registry = TestRegistry::serving(&[INGRESS_HOSTILE]).await;
    assert_snapshot!(behaving(&registry, "huge-message").await, @"TRANSFORM_FAILED: the transform `ingress-hostile` failed: a message of 307200 bytes; the limit is 262144");
    assert_snapshot!(behaving(&registry, "long-name").await, @"TRANSFORM_FAILED: the transform `ingress-hostile` failed: a conversation's name of 300 bytes; the limit is 256");
    assert_snapshot!(behaving(&registry, "huge-body").await, @"TRANSFORM_FAILED: the transform `ingress-hostile` failed: `ingress-hostile` returned more than 1048576 bytes at once");
    still_serves(&registry).await;
}

#[tokio::test]
async fn a_status_no_http_answer_has_is_refused() {
    let registry = TestRegistry::serving(&[INGRESS_HOSTILE]).await;
    assert_snapshot!(behaving(&registry, "bad-status").await, @"TRANSFORM_FAILED: the transform `ingress-hostile` failed: status 99 is not between 200 and 599");
    still_serves(&registry).await;
}

#[tokio::test]
async fn a_transform_that_says_no_is_heard_in_its_own_words() {
    let registry = TestRegistry::serving(&[INGRESS_HOSTILE]).await;
    assert_snapshot!(behaving(&registry, "fail").await, @"TRANSFORM_FAILED: the transform `ingress-hostile` failed: unsupported-body: this body has no legs");
    assert_snapshot!(behaving(&registry, "dance").await, @"TRANSFORM_FAILED: the transform `ingress-hostile` failed: bad-settings: the transform's settings are wrong: `behave`: unknown variant `dance`, expected one of `message`, `long-name`, `invoke`, `respond`, `discard`, `spin`, `allocate`, `trap`, `huge-message`, `huge-body`, `bad-status`, `fail` at line 1 column 17");
    still_serves(&registry).await;
}

#[tokio::test]
async fn a_transform_is_no_skill_and_a_missing_one_is_named() {
    let registry = TestRegistry::serving(&[INGRESS_HOSTILE]).await;
    assert_snapshot!(registry.refused("ingress-hostile").await, @"SKILL_NOT_FOUND: name a tool of skill `ingress-hostile`; it has none: its world is `ingress-transform`");
    assert_snapshot!(registry.decided("nobody", json!({})).await, @"TRANSFORM_FAILED: the transform `nobody` failed: no ingress transform of that name is installed and enabled");
}
