//! Transcripts of turns: what is seen, what the model is told, and what is left behind.

use std::time::Duration;

use futures_util::FutureExt as _;
use openclaw_domain::ports::{Brain as _, ModelMessage};
use openclaw_domain::{Code, Door, EventKind, Memory, Refusal, Speaker, TurnRequest};

use super::fakes::{Fixture, calls, says};
use crate::AgentSettings;

#[tokio::test]
async fn two_tools_run_at_the_same_time_and_their_results_stand_in_order() {
    let world = Fixture::new([calls(&[("meet", "{}"), ("meet", "{\"n\":2}")]), says("both met")]);
    let reply = world.agent.turn(world.request("meet twice")).await.unwrap();
    assert_eq!((reply.text.as_str(), reply.tokens_used, reply.model.as_str()), ("both met", 30, "test/model"));
    assert_eq!(reply.tool_calls.iter().map(|call| call.arguments.as_str()).collect::<Vec<_>>(), ["{}", "{\"n\":2}"]);
    assert_eq!(
        world.transcript(),
        ["> meet/run {}", "> meet/run {\"n\":2}", "< meet/run met", "< meet/run met", "both met"],
        "neither ends before both run"
    );
    assert_eq!(world.told(), [("met".to_owned(), false), ("met".to_owned(), false)]);
    assert_eq!(world.kinds(), [EventKind::TaskCompleted; 2]);
    let made = world.guests.calls.lock().unwrap();
    assert!(made.iter().all(|call| call.caller.door == Door::Agent && call.session == Some(7)));
    let events = world.memories.events.lock().unwrap();
    assert!(events.iter().all(|event| event.trace == made[0].caller.trace && event.data.contains("\"req-1\"")));
}

#[tokio::test]
async fn a_tool_of_several_is_called_by_skill_and_tool_and_nothing_that_is_off_is_offered() {
    let world = Fixture::new([calls(&[("other__two", "{\"a\":1}"), ("off", "{}")]), says("done")]);
    let reply = world.agent.turn(world.request("x")).await.unwrap();
    let offered: Vec<_> = world.model.asked.lock().unwrap()[0].tools.iter().map(|tool| tool.name.clone()).collect();
    assert_eq!(offered[..3], ["other__one", "other__two", "strict"]);
    assert!(!offered.contains(&"off".to_owned()));
    assert_eq!(world.transcript()[1], "< other/two {\"a\":1}");
    assert!(world.told()[1].0.starts_with("SKILL_NOT_FOUND"), "{:?}", world.told());
    assert_eq!(reply.tool_calls.len(), 2);
}

#[tokio::test]
async fn a_tool_that_traps_and_one_that_is_denied_are_told_to_the_model_and_the_turn_goes_on() {
    let world = Fixture::new([calls(&[("trap", "{}"), ("denied", "{}")]), says("neither worked")]);
    let reply = world.agent.turn(world.request("x")).await.unwrap();
    assert_eq!(reply.text, "neither worked");
    assert!(reply.tool_calls.iter().all(|call| call.is_error));
    let told = world.told();
    assert_eq!(told[0].0, "SKILL_TRAPPED: `trap` trapped: unreachable");
    assert!(told[1].0.starts_with("CAPABILITY_DENIED: `denied` was denied"), "{told:?}");
    assert!(told.iter().all(|(_, is_error)| *is_error));
    assert_eq!(world.kinds(), [EventKind::Error], "a denial is no failed run");
}

#[tokio::test]
async fn malformed_arguments_are_named_by_their_path_and_the_model_recovers() {
    let world = Fixture::new([
        calls(&[("strict", "{\"service\": ")]),
        calls(&[("strict", "{}")]),
        calls(&[("strict", "{\"service\":\"api\"}")]),
        says("checked"),
    ]);
    let reply = world.agent.turn(world.request("check")).await.unwrap();
    assert_eq!(reply.text, "checked");
    assert_eq!(reply.tool_calls.iter().map(|call| call.is_error).collect::<Vec<_>>(), [true, true, false]);
    let asked = world.model.asked.lock().unwrap();
    let told = |round: usize| match asked[round].messages.last().unwrap() {
        ModelMessage::Results(results) => results[0].output.clone(),
        other => panic!("{other:?}"),
    };
    assert!(told(1).contains("`arguments` are no JSON object (line 1, column 12)"), "{}", told(1));
    assert!(told(2).contains("at `/service`"), "{}", told(2));
    assert_eq!(world.guests.calls.lock().unwrap().len(), 2, "what is no object reaches no guest");
}

#[tokio::test]
async fn a_turn_ends_when_its_tokens_are_spent_and_says_so() {
    let settings = AgentSettings { turn_tokens: 30, ..AgentSettings::default() };
    let again = || calls(&[("echo", "{}")]);
    let world = Fixture::with(settings, [again(), again(), again()]);
    let reply = world.agent.turn(world.request("x")).await.unwrap();
    assert_eq!(reply.text, "[stopped: the turn's budget of 30 tokens is spent]");
    assert_eq!((reply.tool_calls.len(), reply.tokens_used), (1, 30));
}

#[tokio::test]
async fn a_tenants_day_is_spent_before_the_next_request_and_local_costs_nothing() {
    let settings = AgentSettings { tenant_tokens_per_day: Some(15), ..AgentSettings::default() };
    let world = Fixture::with(settings, [says("one"), says("two")]);
    world.agent.turn(world.request("x")).await.unwrap();
    let refusal = world.agent.turn(world.request("x")).await.unwrap_err();
    assert_eq!(refusal.code(), Code::RateLimited);
    // The test's day has twelve hours left.
    assert_eq!(refusal.retry_after(), Some(Duration::from_secs(12 * 3600)));
    let local = TurnRequest { model: Some("local".to_owned()), ..world.request("x") };
    assert_eq!(world.agent.turn(local).await.unwrap().text, "two");
    let used = world.memories.used.lock().unwrap();
    assert_eq!(
        used.iter().map(|(_, one)| (one.model.as_str(), one.tokens())).collect::<Vec<_>>(),
        [("test/model", 15)]
    );
}

#[tokio::test]
async fn no_more_than_the_bound_of_tools_is_called_and_then_none_is_offered() {
    let many: Vec<_> = (0..6).map(|_| ("echo", "{}")).collect();
    let world = Fixture::new([calls(&many), calls(&many), calls(&[("echo", "{}")])]);
    let reply = world.agent.turn(world.request("x")).await.unwrap();
    assert_eq!((reply.tool_calls.len(), world.guests.calls.lock().unwrap().len()), (8, 8));
    assert_eq!(reply.text, "[stopped: the turn's 8 tool calls are made]");
    assert_eq!(world.told().iter().filter(|(output, _)| output.starts_with("not called")).count(), 4);
    assert!(world.model.asked.lock().unwrap()[2].tools.is_empty());
}

#[tokio::test(start_paused = true)]
async fn at_its_deadline_a_turn_ends_with_every_call_that_ran() {
    let world = Fixture::new([calls(&[("hang", "{}"), ("echo", "{}")])]);
    let request = TurnRequest { deadline: Some(Duration::from_millis(50)), ..world.request("x") };
    let refusal = world.agent.turn(request).await.unwrap_err();
    assert!(matches!(&refusal, Refusal::TimedOut { limit, .. } if limit.as_millis() == 50), "{refusal}");
    assert_eq!(
        world.transcript(),
        ["> hang/run {}", "> echo/run {}", "< echo/run {}", "< hang/run ! the request was cancelled"]
    );
    assert_eq!(world.kinds(), [EventKind::TaskCompleted, EventKind::Error, EventKind::Error]);
    assert!(world.memories.said.lock().unwrap().is_empty(), "half a turn is not remembered");
    assert!(world.guests.calls.lock().unwrap()[0].deadline.unwrap() <= Duration::from_millis(50));
}

#[tokio::test]
async fn a_cancelled_turn_ends_its_tools_and_each_gets_its_result() {
    let world = Fixture::new([calls(&[("hang", "{}")])]);
    let mut turn = Box::pin(world.agent.turn(world.request("x")));
    assert!((&mut turn).now_or_never().is_none());
    assert_eq!(world.transcript(), ["> hang/run {}"]);
    drop(turn);
    assert_eq!(world.transcript(), ["> hang/run {}", "< hang/run ! the request was cancelled"]);
    assert_eq!(world.kinds(), [EventKind::Error]);
}

#[tokio::test]
async fn a_turn_knows_what_was_said_before_and_one_without_memory_leaves_no_row() {
    let world = Fixture::new([says("hello ada"), says("who?"), says("ada")]);
    world.agent.turn(world.request("i am ada")).await.unwrap();
    let forgetful = TurnRequest { memory: Memory::Off, ..world.request("who am i?") };
    world.agent.turn(forgetful).await.unwrap();
    assert_eq!(world.memories.said.lock().unwrap().len(), 2);
    world.agent.turn(world.request("who am i?")).await.unwrap();
    let asked = world.model.asked.lock().unwrap();
    assert_eq!(asked.iter().map(|request| request.messages.len()).collect::<Vec<_>>(), [1, 1, 3]);
    assert_eq!(asked[2].messages[0], ModelMessage::User("i am ada".to_owned()));
    let said = world.memories.said.lock().unwrap();
    let said: Vec<_> = said.iter().map(|(_, said)| (said.speaker, said.text.as_str())).collect();
    assert_eq!(said[2..], [(Speaker::User, "who am i?"), (Speaker::Agent, "ada")]);
}

#[tokio::test]
async fn a_large_result_is_cut_before_a_model_reads_it() {
    let world = Fixture::new([calls(&[("large", "{}")]), says("long")]);
    world.agent.turn(world.request("x")).await.unwrap();
    let told = &world.told()[0].0;
    assert!(told.ends_with("\n[cut: 23616 bytes more]") && told.len() < 17_000, "{}", told.len());
}

#[tokio::test]
async fn a_model_that_fails_leaves_an_error_and_one_nobody_knows_leaves_nothing() {
    let world = Fixture::new([]);
    assert_eq!(world.agent.turn(world.request("x")).await.unwrap_err().code(), Code::ModelFailed);
    assert_eq!(world.kinds(), [EventKind::Error]);
    let unknown = TurnRequest { model: Some("nobody".to_owned()), ..world.request("x") };
    assert_eq!(world.agent.turn(unknown).await.unwrap_err().code(), Code::InvalidRequest);
    assert_eq!(world.kinds().len(), 1);
}
