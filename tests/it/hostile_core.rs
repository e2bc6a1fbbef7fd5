//! Attacks that need no WASI: each ends in its own code, and the registry serves the next call.

use std::time::Duration;

use insta::assert_snapshot;
use openclaw_domain::{ToolOutput, TraceId};
use openclaw_tests::raw::RawSkill;
use openclaw_tests::{TestRegistry, told};
use serde_json::json;

use crate::guests::HOSTILE;

/// Enough for a spinner to be seen spinning.
const SOON: Duration = Duration::from_millis(100);

pub(crate) async fn serving() -> TestRegistry {
    TestRegistry::serving(&[HOSTILE]).await
}

/// The positive control: the same registry, the same component, an honest call.
pub(crate) async fn still_serves(registry: &TestRegistry) {
    let echoed = registry.call("hostile/echo", json!({ "text": "still here" })).await;
    assert_eq!(told(echoed), "it went well: still here");
    assert_eq!(registry.places_in_use(), 0);
}

#[tokio::test]
async fn a_guest_that_spins_is_stopped_at_its_deadline() {
    let registry = serving().await;
    let spun = registry.call_within(SOON, "hostile/spin", json!({})).await;
    assert_snapshot!(told(spun), @"SKILL_TIMEOUT: `hostile` was stopped after its deadline of 100 ms");
    still_serves(&registry).await;
}

#[tokio::test]
async fn a_guest_that_allocates_past_its_limit_runs_out_of_memory() {
    let registry = serving().await;
    assert_snapshot!(registry.refused("hostile/allocate-one").await, @"SKILL_MEMORY: `hostile` ran out of its 16777216 bytes of memory");
    still_serves(&registry).await;
}

#[tokio::test]
async fn a_skill_that_copes_with_refused_memory_may_go_on() {
    let registry = serving().await;
    assert_snapshot!(registry.refused("hostile/allocate-politely").await, @"it went well: was refused and went on");
    still_serves(&registry).await;
}

#[tokio::test]
async fn a_guest_that_calls_itself_for_ever_exhausts_its_own_stack_only() {
    let registry = serving().await;
    assert_snapshot!(registry.refused("hostile/recurse").await, @"SKILL_TRAPPED: `hostile` went over its limit of 524288 bytes of stack");
    still_serves(&registry).await;
}

#[tokio::test]
async fn a_result_over_the_limit_is_refused() {
    let registry = serving().await;
    assert_snapshot!(registry.refused("hostile/return-much").await, @"SKILL_OUTPUT: `hostile` returned more than 1048576 bytes at once");
    still_serves(&registry).await;
}

#[tokio::test]
async fn a_trap_names_its_kind() {
    let registry = serving().await;
    assert_snapshot!(registry.refused("hostile/trap").await, @"SKILL_TRAPPED: `hostile` trapped: wasm `unreachable` instruction executed");
    still_serves(&registry).await;
}

#[tokio::test]
async fn a_panic_is_told_with_its_message() {
    let registry = serving().await;
    assert_snapshot!(registry.refused("hostile/panic").await, @r#"SKILL_TRAPPED: `hostile` trapped: wasm `unreachable` instruction executed; it last said: panicked at tests/guests/hostile/src/trapping.rs:17:5:\nthe spoon is too big"#);
    still_serves(&registry).await;
}

#[tokio::test]
async fn a_guest_that_says_no_is_heard_in_its_own_words() {
    let registry = serving().await;
    let failed = registry.call("hostile/fail", json!({ "text": "the tap is dry" })).await;
    assert_snapshot!(told(failed), @"SKILL_FAILED: `hostile/fail` failed: the tap is dry");
    still_serves(&registry).await;
}

#[tokio::test]
async fn arguments_that_do_not_fit_the_schema_never_reach_the_guest() {
    let registry = serving().await;
    let wrong = registry.call("hostile/echo", json!({ "text": 7 })).await;
    assert_snapshot!(told(wrong), @r#"INVALID_ARGUMENTS: the arguments of `hostile/echo` are wrong at `/text`: 7 is not of type "string""#);
    let unknown = registry.call("hostile/echo", json!({ "text": "a", "more": 1 })).await;
    assert_snapshot!(told(unknown), @"INVALID_ARGUMENTS: the arguments of `hostile/echo` are wrong: Additional properties are not allowed ('more' was unexpected)");
    assert_snapshot!(registry.refused("hostile").await, @"SKILL_NOT_FOUND: name a tool of skill `hostile`; it has `echo`, `ask`, `context`, `count`, `show`, `fail`, `log-much-and-finish`, `write-pattern`, `read-pattern`, `spin`, `log-forever`, `recurse`, `allocate-one`, `allocate-politely`, `return-much`, `trap`, `panic`");
    assert_snapshot!(registry.refused("hostile/nothing").await, @"SKILL_NOT_FOUND: skill `hostile` has no tool `nothing`; it has `echo`, `ask`, `context`, `count`, `show`, `fail`, `log-much-and-finish`, `write-pattern`, `read-pattern`, `spin`, `log-forever`, `recurse`, `allocate-one`, `allocate-politely`, `return-much`, `trap`, `panic`");
    assert_snapshot!(registry.refused("nobody").await, @"SKILL_NOT_FOUND: no skill named `nobody` is installed and enabled");
    still_serves(&registry).await;
}

#[tokio::test]
async fn a_structured_result_that_breaks_its_output_schema_is_bad_output() {
    let registry = serving().await;
    assert_eq!(told(registry.call("hostile/count", json!({ "text": "abc" })).await), r#"it went well: {"bytes":3}"#);
    let broken = registry.call("hostile/count", json!({ "text": "abcd" })).await;
    assert_snapshot!(told(broken), @"SKILL_OUTPUT: `hostile` returned a structured result that breaks its output schema at `/bytes`: 4 is greater than the maximum of 3");
    still_serves(&registry).await;
}

#[tokio::test]
async fn every_kind_of_content_crosses() {
    let registry = serving().await;
    let ToolOutput::Complete(result) = registry.output("hostile/show", json!({}), None).await.unwrap() else {
        panic!("it asks nothing");
    };
    let kinds: Vec<String> = result.content.iter().map(|piece| format!("{piece:?}")).collect();
    assert_snapshot!(kinds.join("\n"), @r#"
    Text("text")
    Image(Media { mime_type: "image/png", data: b"\x89P" })
    Audio(Media { mime_type: "audio/wav", data: b"R\0" })
    Document(Document { uri: "test:here", title: Some("here"), mime_type: Some("text/plain"), body: Text("words") })
    Document(Document { uri: "test:bytes", title: Some("bytes"), mime_type: Some("text/plain"), body: Blob(b"\0\xff") })
    Document(Document { uri: "test:there", title: Some("there"), mime_type: Some("text/plain"), body: Link })
    "#);
}

#[tokio::test]
async fn a_guest_is_told_who_calls_and_in_which_trace() {
    let registry = serving().await;
    let trace = TraceId::new();
    let said = registry.call_in(trace, "hostile/context", json!({})).await.unwrap();
    let [tenant, caller, invocation, traced, left] = said.lines().collect::<Vec<_>>()[..] else { panic!("{said}") };
    assert_eq!((tenant, caller, traced), ("default", "cli", trace.to_string().as_str()));
    assert!(invocation.starts_with("inv_"), "{invocation}");
    assert!(left.parse::<u64>().unwrap() <= 120_000, "{left}");
}

#[tokio::test]
async fn arguments_too_long_for_a_thread_that_does_i_o_are_checked_elsewhere_with_the_same_result() {
    let registry = serving().await;
    let long = "x".repeat(100 << 10);
    let echoed = registry.call("hostile/echo", json!({ "text": long })).await.unwrap();
    assert_eq!(echoed.len(), long.len());
    let wrong = registry.call("hostile/echo", json!({ "text": 7, "more": long })).await;
    assert!(told(wrong).starts_with("INVALID_ARGUMENTS: the arguments of `hostile/echo` are wrong"));
    still_serves(&registry).await;
}

/// Each level of a value doubles what there is to evaluate: short values are fine, deep ones are not begun.
#[tokio::test]
async fn arguments_whose_check_would_take_too_long_are_refused_without_one() {
    let registry = TestRegistry::serving(&[]).await;
    let schema = r##"{"type":"object","properties":{"n":{"allOf":[{"$ref":"#"},{"$ref":"#"}]}}}"##;
    registry.take(RawSkill { schema: schema.to_owned(), ..RawSkill::default() }.file()).await.unwrap();
    let nested = |depth| (0..depth).fold(json!({}), |value, _| json!({ "n": value }));
    assert_eq!(told(registry.call("raw", nested(3)).await), "it went well: ok");
    assert_eq!(told(registry.call("raw", nested(12)).await), "it went well: ok");
    assert_snapshot!(told(registry.call("raw", nested(60)).await), @"INVALID_ARGUMENTS: the arguments of `raw/run` are wrong: too large or too deep for this schema: checking it would take too long");
}
