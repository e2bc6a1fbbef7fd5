//! Attacks through WASI, and what an honest guest gets of it.

use std::time::Duration;

use insta::assert_snapshot;
use openclaw_domain::TraceId;
use openclaw_tests::{TestRegistry, lines_of, listen, told};
use serde_json::json;

use crate::guests::{SLEEPER, WASI};

async fn still_serves(registry: &TestRegistry) {
    assert_eq!(told(registry.call("wasi/sleep", json!({ "ms": 0 })).await), "it went well: slept 0 ms");
    assert_eq!(registry.places_in_use(), 0);
}

#[tokio::test]
async fn a_guest_that_waits_in_a_host_call_is_stopped_at_its_deadline() {
    let registry = TestRegistry::serving(&[SLEEPER]).await;
    let slept = registry.call_within(Duration::from_millis(100), "sleeper", json!({ "ms": 3_600_000 })).await;
    assert_snapshot!(told(slept), @"SKILL_TIMEOUT: `sleeper` was stopped after its deadline of 100 ms");
    assert_eq!(told(registry.call("sleeper", json!({ "ms": 1 })).await), "it went well: slept 1 ms");
    assert_eq!(registry.places_in_use(), 0);
}

#[tokio::test]
async fn a_guest_that_asks_for_the_time_for_ever_runs_out_of_host_calls() {
    let registry = TestRegistry::serving(&[WASI]).await;
    assert_snapshot!(registry.refused("wasi/clock-flood").await, @"SKILL_TRAPPED: `wasi` went over its limit of 10000 host calls");
    still_serves(&registry).await;
}

#[tokio::test]
async fn a_guest_that_never_drops_a_handle_runs_out_of_handles() {
    let registry = TestRegistry::serving(&[WASI]).await;
    assert_snapshot!(registry.refused("wasi/handle-flood").await, @"SKILL_TRAPPED: `wasi` went over its limit of 256 open handles");
    still_serves(&registry).await;
}

#[tokio::test]
async fn a_guest_that_prints_for_ever_runs_out_of_host_calls() {
    let registry = TestRegistry::serving(&[WASI]).await;
    assert_snapshot!(registry.refused("wasi/print-forever").await, @"SKILL_TRAPPED: `wasi` went over its limit of 10000 host calls");
    still_serves(&registry).await;
}

#[tokio::test]
async fn a_guest_that_exits_ends_its_call_only() {
    let registry = TestRegistry::serving(&[WASI]).await;
    assert_snapshot!(registry.refused("wasi/exit").await, @"SKILL_TRAPPED: `wasi` trapped: Exited with i32 exit status 0");
    still_serves(&registry).await;
}

#[tokio::test]
async fn a_panic_of_std_is_told_with_its_message() {
    let registry = TestRegistry::serving(&[WASI]).await;
    assert_snapshot!(registry.refused("wasi/panic").await, @r#"SKILL_TRAPPED: `wasi` trapped: wasm `unreachable` instruction executed; it last said: panicked at tests/guests/wasi/src/powers.rs:31:5:\nthe kettle is empty"#);
    still_serves(&registry).await;
}

#[tokio::test]
async fn a_guest_has_no_environment_no_arguments_and_no_input() {
    let registry = TestRegistry::serving(&[WASI]).await;
    assert_snapshot!(registry.refused("wasi/environment").await, @"it went well: 0 variables, 0 arguments, 0 bytes of input");
}

#[tokio::test]
async fn what_a_guest_prints_becomes_lines_of_the_log() {
    listen();
    let registry = TestRegistry::serving(&[WASI]).await;
    let trace = TraceId::new();
    assert_eq!(told(registry.call_in(trace, "wasi/print", json!({})).await), "it went well: printed");
    let lines = lines_of(trace);
    assert!(lines.iter().any(|line| line.contains("INFO") && line.contains("a line on standard output")), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("WARN") && line.contains("a line on standard error")), "{lines:?}");
}

#[tokio::test]
async fn two_calls_draw_different_numbers() {
    let registry = TestRegistry::serving(&[WASI]).await;
    let first = registry.call("wasi/random", json!({})).await.unwrap();
    let second = registry.call("wasi/random", json!({})).await.unwrap();
    assert_ne!(first, second);
}
