//! A tool may ask first: its questions go out, and the answers come back to a fresh instance with the tool's own state.

use std::sync::Arc;
use std::time::Duration;

use insta::assert_snapshot;
use openclaw_domain::{Answer, ManualClock, Refusal, Resumption, TenantId, Timestamp, ToolOutput};
use openclaw_tests::{Opening, TestRegistry, tenant, told};
use serde_json::json;

use crate::guests::HOSTILE;

#[tokio::test]
async fn a_tool_that_asks_is_called_again_with_the_answers_and_its_state() {
    let registry = TestRegistry::serving(&[HOSTILE]).await;
    let ToolOutput::InputRequired(needed) = registry.output("hostile/ask", json!({}), None).await.unwrap() else {
        panic!("it asks first");
    };
    assert_eq!(needed.requests.len(), 1);
    assert_eq!(needed.requests[0].id, "name");
    assert_eq!(needed.requests[0].message, "Who is there?");

    let answers = vec![Answer { id: "name".to_owned(), value: "\"Ada\"".to_owned() }];
    let resumed = Resumption { state: needed.state.to_vec(), answers };
    let output = registry.output("hostile/ask", json!({}), Some(resumed)).await.unwrap();
    let ToolOutput::Complete(result) = output else { panic!("it has its answer") };
    assert_eq!(result.to_text(), "hello Ada (asked once)");
}

/// What the tool asks, as it leaves the gateway.
async fn asked(registry: &TestRegistry) -> Vec<u8> {
    match registry.output("hostile/ask", json!({}), None).await.unwrap() {
        ToolOutput::InputRequired(needed) => needed.state.to_vec(),
        ToolOutput::Complete(result) => panic!("it asks first, and said {}", result.to_text()),
    }
}

async fn resumed(registry: &TestRegistry, owner: &TenantId, target: &str, state: Vec<u8>, value: &str) -> String {
    let answers = vec![Answer { id: "name".to_owned(), value: value.to_owned() }];
    let arguments = if target == "hostile/echo" { json!({ "text": "reached" }) } else { json!({}) };
    let output = registry.output_as(owner, target, arguments, Some(Resumption { state, answers })).await;
    told(output.map(|output| match output {
        ToolOutput::Complete(result) => result.to_text(),
        ToolOutput::InputRequired(_) => "it asks again".to_owned(),
    }) as Result<String, Refusal>)
}

#[tokio::test]
async fn state_that_the_tool_did_not_give_to_this_tenant_never_reaches_it() {
    let registry = TestRegistry::serving(&[HOSTILE]).await;
    let (owner, stranger) = (TenantId::default(), tenant("stranger"));
    let bytes = std::fs::read(HOSTILE).unwrap();
    registry.registry.install(&stranger, bytes.into(), None, false).await.unwrap();
    let state = asked(&registry).await;

    let forged = resumed(&registry, &owner, "hostile/ask", b"asked once".to_vec(), "\"Eve\"").await;
    assert_snapshot!(forged, @"INVALID_ARGUMENTS: the arguments of `hostile/ask` are wrong: the `state` of `resume` is not one this tool gave to this tenant within the last hour");
    let mut changed = state.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert_eq!(resumed(&registry, &owner, "hostile/ask", changed, "\"Eve\"").await, forged);
    assert_eq!(resumed(&registry, &stranger, "hostile/ask", state.clone(), "\"Eve\"").await, forged);
    let elsewhere = resumed(&registry, &owner, "hostile/echo", state.clone(), "\"Eve\"").await;
    assert_eq!(elsewhere, forged.replace("/ask", "/echo"));
    let no_json = resumed(&registry, &owner, "hostile/ask", state.clone(), "Eve").await;
    assert_snapshot!(no_json, @"INVALID_ARGUMENTS: the arguments of `hostile/ask` are wrong: the answer to `name` is not JSON: expected value at line 1 column 1");

    // The positive control: the same state, as it was, to whom it was given.
    let honest = resumed(&registry, &owner, "hostile/ask", state, "\"Ada\"").await;
    assert_eq!(honest, "it went well: hello Ada (asked once)");
}

#[tokio::test]
async fn a_question_may_be_answered_within_an_hour() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_780_920_000_000)));
    let opening = Opening { clock: Arc::clone(&clock) as _, ..Opening::default() };
    let registry = opening.open().await;
    registry.install(HOSTILE).await;
    let state = asked(&registry).await;
    let owner = TenantId::default();
    clock.advance(Duration::from_secs(59 * 60));
    let in_time = resumed(&registry, &owner, "hostile/ask", state.clone(), "\"Ada\"").await;
    assert_eq!(in_time, "it went well: hello Ada (asked once)");
    clock.advance(Duration::from_secs(60));
    let late = resumed(&registry, &owner, "hostile/ask", state, "\"Ada\"").await;
    assert!(late.starts_with("INVALID_ARGUMENTS: the arguments of `hostile/ask` are wrong: the `state`"), "{late}");
}
