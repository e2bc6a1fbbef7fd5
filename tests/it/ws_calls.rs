//! Skills called over the wire: each request has one reply under its id, and each attack its own code.

use openclaw_tests::TestGateway;
use openclaw_tests::gateway::cli;
use serde_json::json;
use tempfile::TempDir;

use crate::guests::{HOSTILE, SLEEPER};

/// Limits small enough for every attack to end soon; the deadline is of the spinner only.
const SMALL: &str = "{ skills: { limits: { memoryBytes: 16777216, hostCalls: 10000 } } }";

async fn serving(component: &str) -> TestGateway {
    let home = TempDir::new().unwrap();
    cli(home.path(), &["skills", "install", component]).await.unwrap();
    TestGateway::start_in(home, SMALL).await
}

#[tokio::test]
async fn every_attack_ends_in_its_own_code_and_the_session_goes_on() {
    let gateway = serving(HOSTILE).await;
    let mut session = gateway.connect("").await;
    for (tool, expected) in [
        ("allocate-one", "SKILL_MEMORY: `hostile` ran out of its 16777216 bytes of memory"),
        ("log-forever", "SKILL_TRAPPED: `hostile` went over its limit of 10000 host calls"),
        ("recurse", "SKILL_TRAPPED: `hostile` went over its limit of 524288 bytes of stack"),
        ("return-much", "SKILL_OUTPUT: `hostile` returned more than 1048576 bytes at once"),
        ("trap", "SKILL_TRAPPED: `hostile` trapped: wasm `unreachable` instruction executed"),
    ] {
        assert_eq!(session.invoke(&format!("hostile/{tool}"), &json!({})).await, expected);
        assert_eq!(session.invoke("hostile/echo", &json!({ "text": tool })).await, format!("response: {tool}"));
    }
    let spin = json!({ "skill": "hostile/spin", "args": {}, "deadline_ms": 100 });
    let spun = session.ask("skill_invoke", "spin", &spin).await;
    assert_eq!(spun["payload"]["code"], "SKILL_TIMEOUT", "{spun}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_call_that_failed_is_found_under_its_trace_id() {
    let gateway = serving(HOSTILE).await;
    let mut session = gateway.connect("").await;
    for (tool, args, code) in [("fail", json!({ "text": "no" }), "SKILL_FAILED"), ("trap", json!({}), "SKILL_TRAPPED")]
    {
        let call = json!({ "skill": format!("hostile/{tool}"), "args": args });
        let refused = session.ask("skill_invoke", tool, &call).await;
        assert_eq!(refused["payload"]["code"], code, "{refused}");
        // The event is heard once it is on disk.
        session.first_of("agent.error").await.expect("the failure is an event");
        let trace = refused["payload"]["trace_id"].as_str().unwrap();
        let told = cli(gateway.home(), &["trace", trace]).await.unwrap();
        assert!(told.contains("agent.error") && told.contains(code), "{told}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_client_that_spins_a_skill_does_not_stop_another_client() {
    let gateway = serving(HOSTILE).await;
    let (mut spinning, mut honest) = (gateway.connect("").await, gateway.connect("").await);
    for number in 0..4 {
        let spin = json!({ "skill": "hostile/spin", "args": {} });
        spinning.send("skill_invoke", &format!("spin-{number}"), &spin).await;
        spinning.first_of("tool_call").await.expect("it has begun");
    }
    for round in 0..20 {
        let text = round.to_string();
        assert_eq!(honest.invoke("hostile/echo", &json!({ "text": text })).await, format!("response: {text}"));
    }
    for number in 0..4 {
        let cancel = json!({ "request_id": format!("spin-{number}") });
        let cancelled = spinning.ask("cancel", &format!("cancel-{number}"), &cancel).await;
        assert_eq!(cancelled["type"], "ack", "{cancelled}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_client_that_closes_right_after_its_request_is_answered_before_the_close() {
    let gateway = serving(SLEEPER).await;
    for round in 0..20 {
        let mut session = gateway.connect("").await;
        let id = format!("round-{round}");
        session.send("skill_invoke", &id, &json!({ "skill": "sleeper", "args": { "ms": 5 } })).await;
        session.close().await;
        let reply = session.reply(&id).await.expect("the reply comes before the close");
        assert_eq!(reply["payload"]["text"], "slept 5 ms");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_skill_replaced_through_a_running_gateway_serves_the_next_call() {
    let gateway = serving(SLEEPER).await;
    let mut session = gateway.connect("").await;
    session.send("skill_invoke", "slow", &json!({ "skill": "sleeper", "args": { "ms": 2000 } })).await;
    session.first_of("tool_call").await.expect("the call has begun");
    let file = gateway.home().join("new.wasm");
    std::fs::write(&file, openclaw_tests::raw::RawSkill::saying("sleeper", "I am new").file()).unwrap();
    cli(gateway.home(), &["skills", "install", file.to_str().unwrap()]).await.unwrap();

    let mut other = gateway.connect("").await;
    assert_eq!(other.invoke("sleeper", &json!({})).await, "response: I am new");
    let reply = session.reply("slow").await.expect("the old call is answered");
    assert_eq!(reply["payload"]["text"], "slept 2000 ms");
    gateway.stop().await;
}
