//! A gateway that is told to stop finishes what it has begun, and only then ends.

use openclaw_tests::TestGateway;
use openclaw_tests::gateway::cli;
use serde_json::json;
use tempfile::TempDir;

use crate::guests::SLEEPER;

#[tokio::test]
async fn a_call_in_flight_is_answered_before_a_gateway_ends_on_sigterm() {
    let home = TempDir::new().unwrap();
    cli(home.path(), &["skills", "install", SLEEPER]).await.unwrap();
    let gateway = TestGateway::start_in(home, "{}").await;
    let mut session = gateway.connect("").await;
    session.send("skill_invoke", "slow", &json!({ "skill": "sleeper", "args": { "ms": 1000 } })).await;
    session.first_of("tool_call").await.expect("the call has begun");

    gateway.sigterm();
    let reply = session.reply("slow").await.expect("the call is answered");
    assert_eq!((&reply["type"], &reply["payload"]["text"]), (&json!("response"), &json!("slept 1000 ms")));
    assert!(session.next().await.is_none(), "nothing follows");
    assert_eq!(session.closed(), Some(1012), "clients are told to come back");
    let (status, _, said) = gateway.ended().await;
    assert!(status.success(), "{status}: {said}");
}

#[tokio::test]
async fn a_gateway_that_was_stopped_starts_again_on_its_home_with_what_it_knew() {
    let home = TempDir::new().unwrap();
    cli(home.path(), &["skills", "install", SLEEPER]).await.unwrap();
    let home = TestGateway::start_in(home, "{}").await.stop().await;
    let gateway = TestGateway::start_in(home, "{}").await;
    let mut session = gateway.connect("").await;
    assert_eq!(session.invoke("sleeper", &json!({ "ms": 0 })).await, "response: slept 0 ms");
    gateway.stop().await;
}
