//! Capability `kv`: both drafts of stock `wasi:keyvalue`, in the buckets that are granted, within their quota.

use openclaw_domain::TenantId;
use openclaw_tests::{TestRegistry, told};
use serde_json::{Value, json};

use crate::capability_http::powers;
use crate::guests::POWERS;

async fn remembering() -> TestRegistry {
    let registry = TestRegistry::serving(&[POWERS]).await;
    registry.grant("powers", powers(&["kv notes"])).await;
    registry
}

fn at(key: &str, value: &str) -> Value {
    json!({ "bucket": "notes", "key": key, "value": value, "by": 3 })
}

async fn says(registry: &TestRegistry, tool: &str, arguments: Value) -> String {
    told(registry.call(&format!("powers/{tool}"), arguments).await)
}

#[tokio::test]
async fn a_granted_bucket_remembers_between_calls_in_both_drafts() {
    let registry = remembering().await;
    assert_eq!(says(&registry, "get", at("a", "")).await, "it went well: nothing (false)");
    assert_eq!(says(&registry, "set", at("a", "one")).await, "it went well: kept");
    assert_eq!(says(&registry, "get", at("a", "")).await, "it went well: one (true)");
    assert_eq!(says(&registry, "get-old", at("a", "")).await, "it went well: one");
    assert_eq!(says(&registry, "count", at("n", "")).await, "it went well: 3");
    assert_eq!(says(&registry, "count-old", at("n", "")).await, "it went well: 6");
    assert_eq!(says(&registry, "cas", at("c", "first")).await, "it went well: found first");
    assert_eq!(says(&registry, "get", at("c", "")).await, "it went well: in the end (true)");
}

#[tokio::test]
async fn lists_have_pages_and_batches_are_one_change() {
    let registry = remembering().await;
    let many = json!({ "bucket": "notes", "key": "k", "value": "v", "by": 1200 });
    assert_eq!(says(&registry, "many", many).await, "it went well: 1 and 1");
    assert_eq!(says(&registry, "keys", at("", "")).await, "it went well: 1200 keys on 3 pages");
    assert_eq!(says(&registry, "keys-old", at("", "")).await, "it went well: 1200 keys on 3 pages");
}

#[tokio::test]
async fn a_bucket_that_is_not_granted_is_denied_by_name() {
    let registry = remembering().await;
    for tool in ["get", "get-old", "set", "keys", "count", "cas"] {
        let other = json!({ "bucket": "diary", "key": "a" });
        let refused = registry.refused_with(&format!("powers/{tool}"), other).await;
        assert!(refused.starts_with("CAPABILITY_DENIED: `powers` was denied `diary` (kv)"), "{tool}: {refused}");
        assert!(refused.ends_with("hint: openclaw skills grant powers --kv 'diary'"), "{tool}: {refused}");
    }
}

#[tokio::test]
async fn a_capability_nobody_granted_is_a_trap_that_names_it() {
    let registry = TestRegistry::serving(&[POWERS]).await;
    registry.grant("powers", powers(&["config *"])).await;
    let refused = registry.refused_with("powers/get", at("a", "")).await;
    assert!(refused.contains("`wasi:keyvalue/store@0.2.0-draft2#open` (kv): nothing of `kv` is granted"), "{refused}");
    assert_eq!(says(&registry, "config-all", json!({})).await, "it went well: ");
}

#[tokio::test]
async fn one_answer_and_all_values_that_wait_to_be_swapped_hold_so_many_bytes_of_the_gateways_memory() {
    let registry = remembering().await;
    let big = |by: u32| json!({ "bucket": "notes", "key": "big", "by": by });
    assert_eq!(says(&registry, "same", big(4)).await, "it went well: 4 values; 4 values");
    let refused = says(&registry, "same", big(1000)).await;
    assert_eq!(
        refused.matches("the values are more than 4194304 bytes at once; ask for fewer keys").count(),
        2,
        "{refused}"
    );
    assert_eq!(says(&registry, "hoard", big(4)).await, "it went well: 4 held");
    let refused = says(&registry, "hoard", big(250)).await;
    assert!(refused.starts_with("it went well: after 4: Error::Other(\"values that wait to be swapped"), "{refused}");
    assert!(refused.ends_with("; without them: true"), "what is dropped is given back: {refused}");
}

#[tokio::test]
async fn a_name_that_hides_or_reorders_text_is_in_no_command() {
    let registry = remembering().await;
    for bucket in ["a\u{202e}b", "a\u{200b}", "a b", "é"] {
        let refused = registry.refused_with("powers/get", json!({ "bucket": bucket, "key": "a" })).await;
        assert!(refused.starts_with("CAPABILITY_DENIED") && !refused.contains("hint:"), "{refused}");
        assert!(!refused.contains(bucket) || bucket.is_ascii() || bucket == "é", "{refused}");
    }
}

#[tokio::test]
async fn a_guest_keeps_no_more_than_its_quota_and_another_is_not_bothered() {
    let registry = remembering().await;
    registry.policy.limit(|limits| limits.kv_bytes = 100_000);
    let refused = says(&registry, "fill", json!({})).await;
    assert!(refused.starts_with("SKILL_FAILED: `powers/fill` failed: after 9:"), "{refused}");
    let used = registry.registry.used(&TenantId::default()).await.unwrap();
    assert!(used.kv.bytes <= 100_000 && used.kv.keys == 9, "{used:?}");
    assert_eq!(says(&registry, "get", at("key 1", "")).await.len(), "it went well:  (true)".len() + 10_000);
}

#[tokio::test]
async fn buckets_opened_without_end_run_out_of_handles() {
    let registry = remembering().await;
    let refused = says(&registry, "opens", json!({})).await;
    assert!(refused.starts_with("SKILL_TRAPPED") && refused.contains("open handles"), "{refused}");
    assert_eq!(says(&registry, "set", at("a", "one")).await, "it went well: kept");
}
