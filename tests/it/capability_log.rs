//! Capability `log`: always there, and never without end.

use insta::assert_snapshot;
use openclaw_domain::TraceId;
use openclaw_tests::{lines_of, listen, told};
use serde_json::json;

use crate::hostile_core::{serving, still_serves};

#[tokio::test]
async fn lines_over_the_log_budget_are_dropped_and_the_call_goes_on() {
    listen();
    let registry = serving().await;
    let trace = TraceId::new();
    let logged = registry.call_in(trace, "hostile/log-much-and-finish", json!({})).await;
    assert_eq!(told(logged), "it went well: done");
    // The default budget is 64 KiB; a line of this guest has 1 KiB and costs 64 bytes more for being one.
    assert_eq!(lines_of(trace).len(), 60);
    still_serves(&registry).await;
}

#[tokio::test]
async fn a_guest_that_logs_for_ever_runs_out_of_host_calls() {
    let registry = serving().await;
    assert_snapshot!(registry.refused("hostile/log-forever").await, @"SKILL_TRAPPED: `hostile` went over its limit of 10000 host calls");
    still_serves(&registry).await;
}
