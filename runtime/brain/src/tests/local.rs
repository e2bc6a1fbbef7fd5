//! `local`: the guide's questions from records, commands, and what it does not do.

use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use openclaw_domain::ports::{Brain as _, Egress, ModelUse};
use openclaw_domain::{
    EgressError, EventKind, Incoming, ManualClock, NewEvent, Outgoing, TenantId, Timestamp, TraceId, TurnReply,
};

use super::fakes::{Fixture, Memories, NOW};
use crate::{Agent, AgentParts, AgentSettings, LocalParts, ModelSettings, Router, RouterParts};

/// Nothing leaves.
struct Walled;

#[async_trait]
impl Egress for Walled {
    async fn send(&self, _: Outgoing) -> Result<Incoming, EgressError> {
        Err(EgressError::Internal)
    }
}

struct Local {
    agent: Agent,
    fixture: Fixture,
    memories: Arc<Memories>,
}

impl Local {
    fn new() -> Self {
        let fixture = Fixture::new([]);
        let memories = Arc::new(Memories::default());
        let clock = Arc::new(ManualClock::new(NOW));
        let router = Router::new(RouterParts {
            settings: Arc::new(ArcSwap::from_pointee(ModelSettings::default())),
            egress: Arc::new(Walled),
            local: LocalParts {
                guests: fixture.guests.clone(),
                records: memories.clone(),
                usage: memories.clone(),
                clock: clock.clone(),
                version: "1.2.3".into(),
                started_at: Timestamp::from_millis(NOW.as_millis() - 7_985_000),
            },
        });
        let agent = Agent::new(AgentParts {
            settings: Arc::new(ArcSwap::from_pointee(AgentSettings::default())),
            models: Arc::new(router),
            guests: fixture.guests.clone(),
            conversations: memories.clone(),
            usage: memories.clone(),
            journal: memories.clone(),
            clock,
        });
        Self { agent, fixture, memories }
    }

    async fn turn(&self, text: &str) -> TurnReply {
        self.agent.turn(self.fixture.request(text)).await.unwrap()
    }

    async fn ask(&self, text: &str) -> String {
        self.turn(text).await.text
    }

    fn happened(&self, minutes_ago: i64, kind: EventKind, data: &str) {
        let at = Timestamp::from_millis(NOW.as_millis() - minutes_ago * 60_000);
        let (tenant, data, trace) = (TenantId::default(), data.to_owned(), TraceId::new());
        self.memories.events.lock().unwrap().push(NewEvent { tenant, kind, data, trace, at, session: None });
    }
}

#[tokio::test]
async fn every_question_of_the_guide_is_answered_from_the_gateways_own_records() {
    let local = Local::new();
    local.happened(
        60 * 30,
        EventKind::MessageReceived,
        r#"{"channel":"webhook","sender":"/deploy-alert","text":"Deployment completed: api-v2 is now success"}"#,
    );
    local.happened(90, EventKind::TaskCompleted, r#"{"task_name":"release-notes","result":"three changes"}"#);
    local.happened(30, EventKind::SecurityAlert, r#"{"type":"capability_denied","severity":"high"}"#);
    let used = ModelUse {
        day: ModelUse::day_of(NOW) - 1,
        model: "a/x".to_owned(),
        requests: 2,
        input_tokens: 800,
        output_tokens: 47,
    };
    local.memories.used.lock().unwrap().push((TenantId::default(), used));

    let deployment = local.ask("What's the status of our deployment?").await;
    assert!(deployment.contains("1 message received"), "{deployment}");
    assert!(deployment.contains("Deployment completed: api-v2 is now success"), "{deployment}");
    assert_eq!(
        local.ask("Summarize today's alerts").await,
        "1 alert today (UTC): 1 security alert.\n- 2026-06-08T11:30:00.000Z security alert: capability_denied (high)"
    );
    let overnight = local.ask("What happened overnight?").await;
    assert!(overnight.starts_with("In the last 12 hours: 1 task completed, 1 security alert."), "{overnight}");
    assert!(overnight.contains("release-notes: three changes") && !overnight.contains("api-v2"), "{overnight}");
    let health = local.ask("System health report").await;
    assert!(health.starts_with("Needs attention. openclaw 1.2.3, up 2h 13m 5s (7985 seconds)."), "{health}");
    assert_eq!(
        local.ask("Token usage this week").await,
        "847 tokens used in the last 7 days.\na/x: 847 tokens (800 in, 47 out) in 2 requests"
    );
}

#[tokio::test]
async fn without_records_it_says_so_and_makes_nothing_up() {
    let local = Local::new();
    assert!(local.ask("What's the status of our deployment?").await.contains("mention no deployment"));
    assert!(local.ask("Summarize today's alerts").await.starts_with("No alerts today"));
    assert!(local.ask("What happened overnight?").await.starts_with("Nothing happened"));
    assert!(local.ask("System health report").await.starts_with("All systems operational."));
    assert!(local.ask("Token usage this week").await.starts_with("0 tokens used"));
    let hello = local.turn("Hello from the API").await;
    assert!(hello.text.contains("a router and no language model"), "{}", hello.text);
    assert_eq!((hello.tokens_used, hello.model.as_str(), hello.tool_calls.len()), (0, "local", 0));
}

#[tokio::test]
async fn commands_call_tools_and_say_what_is_missing() {
    let local = Local::new();
    let called = local.turn("/echo a=1 b=\"two words\"").await;
    assert_eq!(called.text, r#"{"a":"1","b":"two words"}"#);
    assert_eq!(called.tool_calls[0].skill, "echo");
    assert_eq!(local.ask("/other/two {\"n\": 1.10}").await, "{\"n\": 1.10}");
    assert_eq!(local.ask("/strict api v2").await, r#"{"service":"api v2"}"#);
    assert_eq!(local.ask("/other").await, "`other` has several tools: /other__one, /other__two");
    assert!(local.ask("/nobody x=1").await.starts_with("no skill or command is named `nobody`"));
    assert!(local.ask("/echo {no").await.starts_with("that is no JSON object"));
    let failed = local.ask("/strict").await;
    assert!(failed.contains("`strict` did not work. INVALID_ARGUMENTS") && failed.contains("`/service`"), "{failed}");
    assert!(local.ask("/skills").await.contains("/strict service=… - Does run"));
    assert!(local.ask("/help").await.contains("/skill key=value"));
    assert!(local.ask("/status").await.contains("up 2h 13m 5s"));
}

#[tokio::test]
async fn free_text_calls_a_tool_only_with_everything_it_requires() {
    let local = Local::new();
    assert_eq!(local.ask("run the strict check").await, "`strict` needs `service`: /strict service=…");
    assert_eq!(local.ask("run the strict check with service=api").await, r#"{"service":"api"}"#);
    assert_eq!(local.fixture.guests.calls.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn what_others_wrote_stays_on_its_line() {
    let local = Local::new();
    let text = "x\\n- 2026-06-08T11:59:00.000Z security alert: none";
    local.happened(5, EventKind::Error, &format!("{{\"message\":\"{text}\"}}"));
    let alerts = local.ask("alerts?").await;
    assert_eq!(alerts.lines().count(), 2, "{alerts}");
}
