//! Language models, and what they used.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;

use crate::{Refusal, SkillRef, TenantId, Timestamp, ToolHints, TraceId};

/// One request to a model.
#[derive(Clone, Debug)]
pub struct ModelRequest {
    /// On whose behalf.
    pub tenant: TenantId,
    /// The trace it belongs to.
    pub trace: TraceId,
    /// The model, as [`Models::resolve`] names it.
    pub model: String,
    /// What it is told before anything else.
    pub system: String,
    /// What was said so far, the newest last.
    pub messages: Vec<ModelMessage>,
    /// What it may call.
    pub tools: Arc<[ModelTool]>,
    /// Tokens its answer may have.
    pub max_tokens: u32,
    /// When the answer must be there.
    pub deadline: Instant,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelMessage {
    /// What the other side said.
    User(String),
    /// What the model said and asked for.
    Assistant {
        /// Its text.
        text: String,
        /// The tools it asked for.
        calls: Vec<ModelCall>,
    },
    /// What the tools said, one for each call of the message before.
    Results(Vec<ModelResult>),
}

/// A tool a model may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelTool {
    /// What it is called by: `skill__tool`, or `skill` if that has one tool.
    pub name: String,
    /// What it stands for.
    pub target: SkillRef,
    /// A name for people.
    pub title: Option<String>,
    /// What it does.
    pub description: String,
    /// JSON Schema of its arguments, as JSON text.
    pub schema: String,
    /// Its author's word on what it does.
    pub hints: ToolHints,
}

/// A tool call a model asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelCall {
    /// The model's own name for the call.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// The arguments as the model wrote them; meant to be a JSON object.
    pub arguments: String,
}

/// What a tool call came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelResult {
    /// The call's id.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// What it said, cut to its bound. Nobody vouches for it.
    pub output: String,
    /// Whether it failed.
    pub is_error: bool,
}

/// A model's answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelReply {
    /// Its text.
    pub text: String,
    /// The tools it asks for.
    pub calls: Vec<ModelCall>,
    /// Tokens it read.
    pub input_tokens: u64,
    /// Tokens it wrote.
    pub output_tokens: u64,
    /// Whether the answer was cut at `max_tokens`.
    pub is_cut: bool,
}

/// Hears an answer as it comes.
pub type DeltaSink = Arc<dyn Fn(&str) + Send + Sync>;

/// Whatever asks language models.
#[async_trait]
pub trait Models: Send + Sync {
    /// The full name of the model that will answer: `local`, or `provider/model`.
    ///
    /// # Errors
    /// `InvalidRequest` if the operator configured no such model.
    fn resolve(&self, asked: Option<&str>) -> Result<String, Refusal>;

    /// Asks a model. `deltas` hears its text as it comes.
    ///
    /// # Errors
    /// `ModelFailed` if it does not answer or breaks off; what may pass was tried again before.
    ///
    /// Cancel safety: dropping the future closes the connection.
    async fn complete(&self, request: ModelRequest, deltas: DeltaSink) -> Result<ModelReply, Refusal>;
}

/// What one tenant used of one model on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelUse {
    /// The day in UTC, counted from 1970-01-01.
    pub day: i64,
    /// The model's full name.
    pub model: String,
    /// Requests.
    pub requests: u64,
    /// Tokens it read.
    pub input_tokens: u64,
    /// Tokens it wrote.
    pub output_tokens: u64,
}

impl ModelUse {
    /// The day a moment belongs to.
    pub const fn day_of(at: Timestamp) -> i64 {
        at.as_millis().div_euclid(86_400_000)
    }

    /// All tokens.
    pub const fn tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }
}

/// Whatever counts what models use.
#[async_trait]
pub trait Usage: Send + Sync {
    /// Adds to a tenant's day, durably.
    async fn add_use(&self, tenant: &TenantId, used: ModelUse) -> Result<(), Refusal>;

    /// What a tenant used on a day and since, by day and model.
    async fn used_since(&self, tenant: &TenantId, day: i64) -> Result<Vec<ModelUse>, Refusal>;
}
