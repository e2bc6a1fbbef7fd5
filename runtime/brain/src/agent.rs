//! The agent: remembers, bounds and records a turn around its rounds.
//!
//! Invariant: a turn is remembered once it has its answer, question and answer together, or not at all; a turn without
//! memory touches no conversation.

use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use openclaw_domain::ports::{Brain, Conversations, Guests, Journal, ModelMessage, Models, Usage};
use openclaw_domain::{Clock, Code, EventKind, Memory, NewEvent, Refusal, Said, Speaker, TurnReply, TurnRequest};
use serde_json::json;
use tokio::time::Instant;

use crate::announced::Witness;
use crate::settings::AgentSettings;

/// What an agent is made of.
pub struct AgentParts {
    /// Its bounds; a reload stores new ones here.
    pub settings: Arc<ArcSwap<AgentSettings>>,
    /// Whom it asks.
    pub models: Arc<dyn Models>,
    /// Runs its tools.
    pub guests: Arc<dyn Guests>,
    /// What it remembers.
    pub conversations: Arc<dyn Conversations>,
    /// What its models used.
    pub usage: Arc<dyn Usage>,
    /// Records what its tools did.
    pub journal: Arc<dyn Journal>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Takes turns. One for the whole gateway.
pub struct Agent {
    pub(crate) settings: Arc<ArcSwap<AgentSettings>>,
    pub(crate) models: Arc<dyn Models>,
    pub(crate) guests: Arc<dyn Guests>,
    pub(crate) usage: Arc<dyn Usage>,
    pub(crate) witness: Witness,
    conversations: Arc<dyn Conversations>,
}

impl Agent {
    /// Puts an agent together.
    pub fn new(parts: AgentParts) -> Self {
        let AgentParts { settings, models, guests, conversations, usage, journal, clock } = parts;
        Self { settings, models, guests, usage, conversations, witness: Witness { journal, clock } }
    }

    async fn remembered_turn(
        &self,
        request: &TurnRequest,
        settings: &AgentSettings,
        model: &str,
        deadline: Instant,
    ) -> Result<TurnReply, Refusal> {
        let asked_at = self.witness.clock.now();
        let mut messages = match request.memory {
            Memory::Off => Vec::new(),
            Memory::Kept => {
                let said = self.conversations.load(&request.conversation, settings.conversation_bytes).await?;
                // Trimming may leave an answer without its question, and no provider takes one at the beginning.
                said.into_iter().skip_while(|said| said.speaker == Speaker::Agent).map(message).collect()
            }
        };
        messages.push(ModelMessage::User(request.text.clone()));
        let reply = self.rounds(request, settings, model, messages, deadline).await?;
        if request.memory == Memory::Kept {
            let question = Said { speaker: Speaker::User, text: request.text.clone(), at: asked_at };
            let answer = Said { speaker: Speaker::Agent, text: reply.text.clone(), at: self.witness.clock.now() };
            let said = vec![question, answer];
            self.conversations.append(&request.conversation, said, settings.conversation_bytes).await?;
        }
        Ok(reply)
    }

    /// Records a turn that failed through no fault of its request.
    fn record_fault(&self, request: &TurnRequest, refusal: &Refusal) {
        if !matches!(refusal.code(), Code::ModelFailed | Code::SkillTimeout | Code::Internal) {
            return;
        }
        let context = json!({
            "code": refusal.code().as_str(), "task_name": "chat", "request_id": request.request,
        });
        self.witness.journal.record(NewEvent {
            tenant: request.caller.tenant().clone(),
            kind: EventKind::Error,
            data: json!({ "message": refusal.to_string(), "stack": "", "context": context }).to_string(),
            trace: request.caller.trace,
            at: self.witness.clock.now(),
            session: request.session,
        });
    }
}

fn message(said: Said) -> ModelMessage {
    match said.speaker {
        Speaker::User => ModelMessage::User(said.text),
        Speaker::Agent => ModelMessage::Assistant { text: said.text, calls: Vec::new() },
    }
}

#[async_trait]
impl Brain for Agent {
    async fn turn(&self, request: TurnRequest) -> Result<TurnReply, Refusal> {
        let settings = self.settings.load_full();
        let model = self.models.resolve(request.model.as_deref())?;
        let limit = request.deadline.map_or(settings.deadline, |own| own.min(settings.deadline));
        let began = Instant::now();
        let deadline = began + limit;
        let turn = self.remembered_turn(&request, &settings, &model, deadline);
        let result = tokio::time::timeout_at(deadline, turn)
            .await
            .unwrap_or_else(|_| Err(Refusal::TimedOut { guest: "chat".to_owned(), limit }));
        match result {
            Ok(reply) => Ok(TurnReply { duration: began.elapsed(), ..reply }),
            Err(refusal) => {
                self.record_fault(&request, &refusal);
                Err(refusal)
            }
        }
    }
}
