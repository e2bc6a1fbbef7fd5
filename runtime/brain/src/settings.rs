//! What an operator may set of the agent.

use std::collections::BTreeMap;
use std::time::Duration;

use openclaw_domain::{Origin, SecretName};

/// The model that needs neither network nor key. It is always there.
pub const LOCAL: &str = "local";

/// The bounds of turns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentSettings {
    /// Wall-clock time of one turn, models and tools together. Default 120 s.
    pub deadline: Duration,
    /// Tools called in one turn. Default 8.
    pub tool_calls: usize,
    /// Tokens of one turn, in and out, over all its requests to the model. Default 100,000.
    pub turn_tokens: u64,
    /// Tokens a tenant may use in one day (UTC). Default none.
    pub tenant_tokens_per_day: Option<u64>,
    /// Tokens one answer may have. Default 4,096.
    pub reply_tokens: u32,
    /// Bytes of text a conversation keeps and a turn is given of it. Default 64 KiB, about 16,000 tokens.
    pub conversation_bytes: usize,
    /// Bytes of one tool's result that a model is given. Default 16 KiB.
    pub result_bytes: usize,
    /// What the operator tells every model. Default nothing.
    pub prompt: Option<String>,
}

impl Default for AgentSettings {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(120),
            tool_calls: 8,
            turn_tokens: 100_000,
            tenant_tokens_per_day: None,
            reply_tokens: 4096,
            conversation_bytes: 64 << 10,
            result_bytes: 16 << 10,
            prompt: None,
        }
    }
}

/// Which models there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelSettings {
    /// The model of a turn that names none: an alias, `provider/model`, or `local`. Default `local`.
    pub default: Option<String>,
    /// Other names of models.
    pub aliases: BTreeMap<String, String>,
    /// Whom to ask.
    pub providers: Vec<ProviderSettings>,
}

/// The protocol a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// `POST …/chat/completions`: OpenAI, vLLM, llama.cpp, Ollama.
    OpenAiCompletions,
    /// `POST …/v1/messages`.
    AnthropicMessages,
}

impl Api {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::OpenAiCompletions, Self::AnthropicMessages];

    /// Its name in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAiCompletions => "openai-completions",
            Self::AnthropicMessages => "anthropic-messages",
        }
    }
}

/// One provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderSettings {
    /// What it is called in `provider/model`.
    pub name: String,
    /// What it speaks.
    pub api: Api,
    /// Where it is.
    pub origin: Origin,
    /// The path its API stands under, without a slash at its end: `/v1`, or nothing.
    pub path: String,
    /// The secret of tenant `default` that holds its key; `None` if it asks for none.
    pub key: Option<SecretName>,
    /// Whether it may be at a private or loopback address.
    pub allow_private: bool,
    /// The models a turn may name without naming the provider; with `provider/model` any may be named.
    pub models: Vec<String>,
}
