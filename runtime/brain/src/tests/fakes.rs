//! Fakes at the ports: guests by name, a model that follows a script, everything else in memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use openclaw_domain::ports::{
    AuditEntry, Conversations, DeltaSink, Guests, Journal, ModelCall, ModelReply, ModelRequest, ModelUse, Models,
    Records, TraceEntry, Usage,
};
use openclaw_domain::{
    Caller, Capability, Content, ConversationKey, ConversationSummary, Credential, Denial, Digest, Door, EgressCall,
    EgressReply, Event, EventKind, IngressCall, IngressReply, Installed, InvocationId, ManualClock, Memory, NewEvent,
    Powers, Refusal, Role, Said, TenantId, Timestamp, ToolCall, ToolHints, ToolOutput, ToolReply, ToolResult, ToolSpec,
    TraceId, TurnEvent, TurnRequest, TurnSink, World,
};
use tokio::sync::Semaphore;

use crate::{Agent, AgentParts, AgentSettings};

/// When every test happens.
pub(super) const NOW: Timestamp = Timestamp::from_millis(1_780_920_000_000);

pub(super) fn installed(name: &str, tools: &[(&str, &str)]) -> Installed {
    let tools = tools.iter().map(|(tool, schema)| ToolSpec {
        name: tool.parse().unwrap(),
        title: None,
        description: format!("Does {tool}"),
        input_schema: (*schema).to_owned(),
        output_schema: None,
        hints: ToolHints::default(),
    });
    Installed {
        tenant: TenantId::default(),
        name: name.parse().unwrap(),
        digest: Digest::from_bytes([1; 32]),
        version: "1.0.0".to_owned(),
        description: "A skill".to_owned(),
        world: World::Skill,
        imports: Vec::new(),
        requests: Vec::new(),
        settings: "{}".to_owned(),
        tools: tools.collect(),
        enabled: true,
        bundled: false,
        size: 1,
        installed_at: NOW,
    }
}

/// `echo` and `other/one`, `other/two` say their arguments; `strict` wants `service`; `trap` traps; `denied` lacks a
/// grant; `meet` waits until two of it run; `hang` never ends; `large` says a lot.
pub(super) struct FakeGuests {
    pub(super) calls: Mutex<Vec<ToolCall>>,
    meeting: Semaphore,
}

#[async_trait]
impl Guests for FakeGuests {
    fn installed(&self, _: &TenantId) -> Vec<Installed> {
        let strict = r#"{"type":"object","required":["service"],"properties":{"service":{"type":"string"}}}"#;
        let mut all =
            vec![installed("other", &[("one", "{}"), ("two", "{}")]), installed("strict", &[("run", strict)])];
        all.extend(["echo", "trap", "denied", "meet", "hang", "large"].map(|name| installed(name, &[("run", "{}")])));
        all.push(Installed { enabled: false, ..installed("off", &[("run", "{}")]) });
        all
    }

    async fn call_tool(&self, call: ToolCall) -> Result<ToolReply, Refusal> {
        self.calls.lock().unwrap().push(call.clone());
        let skill = call.target.skill.clone();
        let tool = call.target.tool.clone().unwrap();
        let text = match skill.as_str() {
            "strict" if !call.arguments.contains("service") => {
                let reason = "\"service\" is a required property".to_owned();
                return Err(Refusal::InvalidArguments { skill, tool, path: "/service".to_owned(), reason });
            }
            "trap" => return Err(Refusal::Trapped { guest: "trap".to_owned(), reason: "unreachable".to_owned() }),
            "denied" => {
                let denial = Box::new(Denial {
                    capability: Capability::Http,
                    wanted: "GET https://example.com".to_owned(),
                    missing: Powers::default(),
                    reason: None,
                });
                return Err(Refusal::CapabilityDenied { tenant: TenantId::default(), skill, denial });
            }
            "meet" => {
                self.meeting.add_permits(1);
                let both = self.meeting.acquire_many(2).await.unwrap();
                drop(both);
                "met".to_owned()
            }
            "hang" => std::future::pending().await,
            "large" => "ä".repeat(20_000),
            _ => call.arguments.to_string(),
        };
        let output = ToolOutput::Complete(ToolResult { content: vec![Content::Text(text)], structured: None });
        Ok(ToolReply { invocation: InvocationId::new(), skill, tool, output, duration: Duration::ZERO })
    }

    async fn transform_ingress(&self, _: IngressCall) -> Result<IngressReply, Refusal> {
        Err(Refusal::SkillNotFound("none".to_owned()))
    }

    async fn transform_egress(&self, _: EgressCall) -> Result<EgressReply, Refusal> {
        Err(Refusal::SkillNotFound("none".to_owned()))
    }
}

/// Says what the script says, one step a request, and remembers what it was asked.
#[derive(Default)]
pub(super) struct ScriptedModel {
    pub(super) script: Mutex<VecDeque<ModelReply>>,
    pub(super) asked: Mutex<Vec<ModelRequest>>,
}

#[async_trait]
impl Models for ScriptedModel {
    fn resolve(&self, asked: Option<&str>) -> Result<String, Refusal> {
        match asked {
            Some("nobody") => Err(Refusal::invalid("payload.options.model", "is `nobody`")),
            Some(name) => Ok(name.to_owned()),
            None => Ok("test/model".to_owned()),
        }
    }

    async fn complete(&self, request: ModelRequest, deltas: DeltaSink) -> Result<ModelReply, Refusal> {
        self.asked.lock().unwrap().push(request);
        let Some(reply) = self.script.lock().unwrap().pop_front() else {
            let (model, hint) = ("test/model".to_owned(), String::new());
            return Err(Refusal::ModelFailed { model, reason: "the script is over".to_owned(), hint });
        };
        deltas(&reply.text);
        Ok(reply)
    }
}

/// Everything that is remembered, in memory.
#[derive(Default)]
pub(super) struct Memories {
    pub(super) said: Mutex<Vec<(ConversationKey, Said)>>,
    pub(super) used: Mutex<Vec<(TenantId, ModelUse)>>,
    pub(super) events: Mutex<Vec<NewEvent>>,
}

#[async_trait]
impl Conversations for Memories {
    async fn load(&self, key: &ConversationKey, _: usize) -> Result<Vec<Said>, Refusal> {
        let said = self.said.lock().unwrap();
        Ok(said.iter().filter(|(of, _)| of == key).map(|(_, said)| said.clone()).collect())
    }

    async fn append(&self, key: &ConversationKey, said: Vec<Said>, _: usize) -> Result<(), Refusal> {
        self.said.lock().unwrap().extend(said.into_iter().map(|said| (key.clone(), said)));
        Ok(())
    }

    async fn trim(&self, _: &ConversationKey, _: usize) -> Result<u64, Refusal> {
        Ok(0)
    }

    async fn forget(&self, _: &ConversationKey) -> Result<u64, Refusal> {
        Ok(0)
    }

    async fn conversations(&self, _: &TenantId) -> Result<Vec<ConversationSummary>, Refusal> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl Usage for Memories {
    async fn add_use(&self, tenant: &TenantId, used: ModelUse) -> Result<(), Refusal> {
        self.used.lock().unwrap().push((tenant.clone(), used));
        Ok(())
    }

    async fn used_since(&self, tenant: &TenantId, day: i64) -> Result<Vec<ModelUse>, Refusal> {
        let used = self.used.lock().unwrap();
        Ok(used.iter().filter(|(of, one)| of == tenant && one.day >= day).map(|(_, one)| one.clone()).collect())
    }
}

#[async_trait]
impl Records for Memories {
    async fn recent(&self, tenant: &TenantId, since: Timestamp, limit: usize) -> Result<Vec<Event>, Refusal> {
        let events = self.events.lock().unwrap();
        let events = events.iter().rev().filter(|fact| fact.tenant == *tenant && fact.at >= since).take(limit);
        Ok(events.map(|fact| Event { seq: 1, id: String::new(), fact: fact.clone() }).collect())
    }
}

#[async_trait]
impl Journal for Memories {
    fn record(&self, event: NewEvent) {
        self.events.lock().unwrap().push(event);
    }

    async fn events_since(&self, _: &TenantId, _: i64, _: usize) -> Result<Vec<Event>, Refusal> {
        Ok(Vec::new())
    }

    async fn last_seq(&self, _: &TenantId) -> Result<i64, Refusal> {
        Ok(0)
    }

    async fn audit(&self, _: AuditEntry) -> Result<(), Refusal> {
        Ok(())
    }

    async fn trace(&self, _: &TenantId, _: &str) -> Result<Vec<TraceEntry>, Refusal> {
        Ok(Vec::new())
    }
}

/// An agent over all of them, and the events of its turns.
pub(super) struct Fixture {
    pub(super) agent: Agent,
    pub(super) guests: Arc<FakeGuests>,
    pub(super) model: Arc<ScriptedModel>,
    pub(super) memories: Arc<Memories>,
    pub(super) seen: Arc<Mutex<Vec<TurnEvent>>>,
}

impl Fixture {
    pub(super) fn new(script: impl IntoIterator<Item = ModelReply>) -> Self {
        Self::with(AgentSettings::default(), script)
    }

    pub(super) fn with(settings: AgentSettings, script: impl IntoIterator<Item = ModelReply>) -> Self {
        let guests = Arc::new(FakeGuests { calls: Mutex::default(), meeting: Semaphore::new(0) });
        let model = Arc::new(ScriptedModel { script: Mutex::new(script.into_iter().collect()), ..Default::default() });
        let memories = Arc::new(Memories::default());
        let agent = Agent::new(AgentParts {
            settings: Arc::new(ArcSwap::from_pointee(settings)),
            models: model.clone(),
            guests: guests.clone(),
            conversations: memories.clone(),
            usage: memories.clone(),
            journal: memories.clone(),
            clock: Arc::new(ManualClock::new(NOW)),
        });
        Self { agent, guests, model, memories, seen: Arc::default() }
    }

    pub(super) fn request(&self, text: &str) -> TurnRequest {
        let seen = Arc::clone(&self.seen);
        TurnRequest {
            caller: caller(),
            request: "req-1".to_owned(),
            conversation: ConversationKey {
                tenant: TenantId::default(),
                door: Door::WebSocket,
                channel: "api".to_owned(),
                user: "ada".to_owned(),
            },
            text: text.to_owned(),
            model: None,
            memory: Memory::Kept,
            deadline: None,
            session: Some(7),
            sink: TurnSink::new(move |event| seen.lock().unwrap().push(event)),
        }
    }

    /// What was seen, a line each: text as it came, `> skill/tool arguments` and `< skill/tool output`.
    pub(super) fn transcript(&self) -> Vec<String> {
        let line = |event: &TurnEvent| match event {
            TurnEvent::Delta(text) => text.clone(),
            TurnEvent::ToolCall { skill, tool, arguments, .. } => format!("> {skill}/{tool} {arguments}"),
            TurnEvent::ToolResult { skill, tool, output, is_error, .. } => {
                format!("< {skill}/{tool} {}{output}", if *is_error { "! " } else { "" })
            }
        };
        self.seen.lock().unwrap().iter().map(line).filter(|line| !line.is_empty()).collect()
    }

    /// What the model was told of its tools in its last request.
    pub(super) fn told(&self) -> Vec<(String, bool)> {
        use openclaw_domain::ports::ModelMessage;
        let asked = self.model.asked.lock().unwrap();
        match asked.last().unwrap().messages.last().unwrap() {
            ModelMessage::Results(results) => {
                results.iter().map(|result| (result.output.clone(), result.is_error)).collect()
            }
            other => panic!("the model was told {other:?}"),
        }
    }

    pub(super) fn kinds(&self) -> Vec<EventKind> {
        self.memories.events.lock().unwrap().iter().map(|fact| fact.kind).collect()
    }
}

pub(super) fn caller() -> Caller {
    Caller {
        credential: Credential { tenant: TenantId::default(), role: Role::Operator, name: "test".into() },
        door: Door::WebSocket,
        trace: TraceId::new(),
    }
}

/// A model's answer in words.
pub(super) fn says(text: &str) -> ModelReply {
    ModelReply { text: text.to_owned(), input_tokens: 10, output_tokens: 5, ..ModelReply::default() }
}

/// A model's request for tools.
pub(super) fn calls(calls: &[(&str, &str)]) -> ModelReply {
    let calls = calls.iter().enumerate().map(|(number, (name, arguments))| ModelCall {
        id: format!("c{number}"),
        name: (*name).to_owned(),
        arguments: (*arguments).to_owned(),
    });
    ModelReply { calls: calls.collect(), ..says("") }
}
