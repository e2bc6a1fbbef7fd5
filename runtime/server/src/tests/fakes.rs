//! Ports for tests: guests that do what their name says, a journal and inbox in memory, settings.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use openclaw_domain::ports::{Accepted, Inbox, InboxEntry, InboxRecord, OwedCall};
use openclaw_domain::ports::{AuditEntry, Brain, Guests, Journal, NamedToken, NewToken, Tokens, TraceEntry};
use openclaw_domain::{
    Content, Credential, Digest, EgressCall, EgressReply, Event, Failure, FailureCode, IngressCall, IngressReply,
    Installed, InvocationId, Memory, NewEvent, Progress, Refusal, Role, Secret, TenantId, Timestamp, ToolCall,
    ToolOutput, ToolReply, ToolResult, TurnCall, TurnEvent, TurnReply, TurnRequest, TurnSink, WebhookId, World,
};
use sha2::Digest as _;
use std::time::Duration;
use tokio::sync::Semaphore;

use crate::bus::Bus;
use crate::settings::{ConfiguredToken, ServerSettings};

/// The token of the tenant `default`, role operator, in [`settings`].
pub(crate) const TOKEN: &str = "secret";
/// The token of the tenant `acme`, role invoke, in [`settings`].
pub(crate) const ACME_TOKEN: &str = "acme-secret";

/// Settings with authentication and two tenants.
pub(crate) fn settings() -> ServerSettings {
    let token = |token: &str, tenant: TenantId, role, name: &str| ConfiguredToken {
        token: Secret::new(token.to_owned()),
        credential: Credential { tenant, role, name: name.into() },
    };
    ServerSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        auth_required: true,
        tokens: vec![
            token(TOKEN, TenantId::default(), Role::Operator, "gateway.auth.token"),
            token(ACME_TOKEN, "acme".parse().unwrap(), Role::Invoke, "tenants.acme.auth.token"),
        ],
        allowed_hosts: vec!["gateway.example".to_owned()],
        allowed_origins: vec!["https://app.example".to_owned()],
        trusted_proxies: Vec::new(),
        max_connections: 64,
        commands_per_minute: 60_000,
        ingress: Vec::new(),
    }
}

/// A named token of the tenant `default`, role read.
pub(crate) fn named_token(name: &str, token: &str) -> NamedToken {
    NamedToken {
        token: NewToken {
            name: name.to_owned(),
            tenant: TenantId::default(),
            role: Role::Read,
            hash: sha2::Sha256::digest(token.as_bytes()).into(),
            created_at: Timestamp::from_millis(0),
            expires_at: None,
        },
        revoked_at: None,
    }
}

/// Skills by name: `echo` returns its arguments, `wait` returns when the test lets it, `fail` says no, `trap` traps,
/// `large` returns a mebibyte, `wait-large` both.
pub(crate) struct FakeGuests {
    /// One permit lets one `wait` go on.
    pub(crate) gate: Semaphore,
    /// One permit for each `wait` that began.
    pub(crate) begun: Semaphore,
    /// One permit for each `wait` that ended, one way or the other.
    pub(crate) ended: Semaphore,
    /// Calls that ran to their end or were dropped, by what happened.
    pub(crate) log: Mutex<Vec<String>>,
}

impl Default for FakeGuests {
    fn default() -> Self {
        Self { gate: Semaphore::new(0), begun: Semaphore::new(0), ended: Semaphore::new(0), log: Mutex::default() }
    }
}

struct Noted<'a>(&'a FakeGuests, &'static str);

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        self.0.log.lock().unwrap().push(self.1.to_owned());
        self.0.ended.add_permits(1);
    }
}

#[async_trait]
impl Guests for FakeGuests {
    fn installed(&self, tenant: &TenantId) -> Vec<Installed> {
        vec![Installed {
            tenant: tenant.clone(),
            name: "echo".parse().unwrap(),
            digest: Digest::from_bytes([1; 32]),
            version: "1.0.0".to_owned(),
            description: "Says it again".to_owned(),
            world: World::Skill,
            imports: Vec::new(),
            requests: Vec::new(),
            settings: "{}".to_owned(),
            tools: Vec::new(),
            enabled: true,
            bundled: false,
            size: 1,
            installed_at: Timestamp::from_millis(0),
        }]
    }

    async fn call_tool(&self, call: ToolCall) -> Result<ToolReply, Refusal> {
        let skill = call.target.skill.clone();
        let tool = call.target.tool.clone().unwrap_or_else(|| "run".parse().unwrap());
        let mut structured = None;
        let text = match skill.as_str() {
            "echo" => {
                structured = Some(call.arguments.to_string());
                call.arguments.to_string()
            }
            "wait" | "wait-large" => {
                let mut noted = Noted(self, "dropped");
                self.begun.add_permits(1);
                self.gate.acquire().await.unwrap().forget();
                noted.1 = "done";
                if skill.as_str() == "wait" { "waited".to_owned() } else { "x".repeat(1 << 20) }
            }
            "large" => "x".repeat(1 << 20),
            "tell" => {
                call.progress.say(Progress { fraction: Some(0.5), message: "half".to_owned() });
                self.begun.add_permits(1);
                self.gate.acquire().await.unwrap().forget();
                call.progress.say(Progress { fraction: None, message: "nearly".to_owned() });
                "told".to_owned()
            }
            "fail" => {
                let failure = Failure { code: FailureCode::Denied, message: "I will not".to_owned(), retryable: false };
                return Err(Refusal::SkillFailed { skill, tool, failure });
            }
            "trap" => return Err(Refusal::Trapped { guest: "trap".to_owned(), reason: "unreachable".to_owned() }),
            "disk" => return Err(Refusal::internal("the disk /dev/secret is full")),
            other => return Err(Refusal::SkillNotFound(other.to_owned())),
        };
        let output = ToolOutput::Complete(ToolResult { content: vec![Content::Text(text)], structured });
        Ok(ToolReply { invocation: InvocationId::new(), skill, tool, output, duration: Duration::from_micros(1500) })
    }

    async fn transform_ingress(&self, _: IngressCall) -> Result<IngressReply, Refusal> {
        Err(Refusal::SkillNotFound("no transform here".to_owned()))
    }

    async fn transform_egress(&self, _: EgressCall) -> Result<EgressReply, Refusal> {
        Err(Refusal::SkillNotFound("no transform here".to_owned()))
    }
}

/// An agent that says what it was asked: `{text, model, user, channel, no_memory}`. `wait` first waits like the skill of
/// that name, `call` calls it between a `tool_call` and its result, `fail` fails, `speak` says two pieces first.
pub(crate) struct FakeBrain {
    pub(crate) guests: Arc<FakeGuests>,
}

/// Says how its tool ended, as the agent's own guard does.
struct Announced {
    sink: TurnSink,
    output: &'static str,
}

impl Drop for Announced {
    fn drop(&mut self) {
        self.sink.say(TurnEvent::ToolResult {
            call_id: "call-1".to_owned(),
            skill: "wait".to_owned(),
            tool: "run".to_owned(),
            output: self.output.to_owned(),
            is_error: self.output != "waited",
            duration: Duration::from_millis(1),
        });
    }
}

#[async_trait]
impl Brain for FakeBrain {
    async fn turn(&self, request: TurnRequest) -> Result<TurnReply, Refusal> {
        let TurnRequest { text, model, conversation, memory, sink, .. } = &request;
        match text.as_str() {
            "fail" => {
                let reason = "`test` answered 401".to_owned();
                return Err(Refusal::ModelFailed {
                    model: "test/x".to_owned(),
                    reason,
                    hint: "set the key".to_owned(),
                });
            }
            "speak" => ["good ", "day"].into_iter().for_each(|piece| sink.say(TurnEvent::Delta(piece.to_owned()))),
            "wait" | "call" => {
                let mut announced = None;
                if text == "call" {
                    sink.say(TurnEvent::ToolCall {
                        call_id: "call-1".to_owned(),
                        skill: "wait".to_owned(),
                        tool: "run".to_owned(),
                        arguments: "{\"n\": 1.10}".to_owned(),
                    });
                    announced = Some(Announced { sink: sink.clone(), output: "the request was cancelled" });
                }
                self.guests.begun.add_permits(1);
                self.guests.gate.acquire().await.unwrap().forget();
                announced.iter_mut().for_each(|announced| announced.output = "waited");
            }
            _ => {}
        }
        let text = serde_json::json!({
            "text": text, "model": model, "user": conversation.user, "channel": conversation.channel,
            "tenant": conversation.tenant.as_str(), "no_memory": *memory == Memory::Off,
        });
        let call = TurnCall {
            call_id: "call-1".to_owned(),
            skill: "wait".to_owned(),
            tool: "run".to_owned(),
            arguments: "not json".to_owned(),
            is_error: false,
            duration: Duration::from_millis(1),
        };
        Ok(TurnReply {
            text: text.to_string(),
            tool_calls: if request.text == "call" { vec![call] } else { Vec::new() },
            tokens_used: 847,
            model: "test/x".to_owned(),
            duration: Duration::from_millis(2),
        })
    }
}

/// A journal in memory; what is recorded goes to the bus at once.
pub(crate) struct MemoryJournal {
    pub(crate) bus: Arc<Bus>,
    pub(crate) events: Mutex<Vec<Event>>,
}

#[async_trait]
impl Journal for MemoryJournal {
    fn record(&self, fact: NewEvent) {
        let event = {
            let mut events = self.events.lock().unwrap();
            let seq = i64::try_from(events.len()).unwrap() + 1;
            let event = Event { seq, id: format!("evt_{seq:032x}"), fact };
            events.push(event.clone());
            event
        };
        self.bus.publish(&[event]);
    }

    async fn events_since(&self, tenant: &TenantId, seq: i64, limit: usize) -> Result<Vec<Event>, Refusal> {
        let events = self.events.lock().unwrap();
        let after = events.iter().filter(|event| event.seq > seq && event.fact.tenant == *tenant);
        Ok(after.take(limit).cloned().collect())
    }

    async fn last_seq(&self, tenant: &TenantId) -> Result<i64, Refusal> {
        let events = self.events.lock().unwrap();
        Ok(events.iter().filter(|event| event.fact.tenant == *tenant).map(|event| event.seq).max().unwrap_or(0))
    }

    async fn audit(&self, _: AuditEntry) -> Result<(), Refusal> {
        Ok(())
    }

    async fn trace(&self, _: &TenantId, _: &str) -> Result<Vec<TraceEntry>, Refusal> {
        Ok(Vec::new())
    }
}

/// An inbox that takes nothing: these tests post no webhooks.
pub(crate) struct NoInbox;

#[async_trait]
impl Inbox for NoInbox {
    async fn find(&self, _: &TenantId, _: &str, _: &str) -> Result<Option<InboxRecord>, Refusal> {
        Ok(None)
    }

    async fn accept(&self, _: InboxEntry) -> Result<Accepted, Refusal> {
        Err(Refusal::QueueFull("inbox"))
    }

    async fn owed(&self) -> Result<Vec<OwedCall>, Refusal> {
        Ok(Vec::new())
    }

    async fn settle(&self, _: &TenantId, _: WebhookId, _: Timestamp) -> Result<(), Refusal> {
        Ok(())
    }
}

/// Named tokens in memory.
#[derive(Default)]
pub(crate) struct MemoryTokens(pub(crate) Mutex<VecDeque<NamedToken>>);

#[async_trait]
impl Tokens for MemoryTokens {
    async fn create(&self, token: NewToken) -> Result<(), Refusal> {
        self.0.lock().unwrap().push_back(NamedToken { token, revoked_at: None });
        Ok(())
    }

    async fn list(&self) -> Result<Vec<NamedToken>, Refusal> {
        Ok(self.0.lock().unwrap().iter().cloned().collect())
    }

    async fn revoke(&self, tenant: &TenantId, name: &str, at: Timestamp) -> Result<bool, Refusal> {
        let mut tokens = self.0.lock().unwrap();
        let found = tokens.iter_mut().find(|known| known.token.tenant == *tenant && known.token.name == name);
        Ok(found.map(|known| known.revoked_at = Some(at)).is_some())
    }
}
