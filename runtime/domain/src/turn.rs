//! One turn of the agent: what somebody said, and what came of it.
//!
//! Invariant: which conversation a turn belongs to is decided by its tenant and its door; what a client says of channel
//! and user only names one within them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::{Caller, Door, TenantId, Timestamp};

/// Names a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConversationKey {
    /// Whose it is.
    pub tenant: TenantId,
    /// The door it is held at: `channel: "telegram"` of a WebSocket client reaches no telegram conversation.
    pub door: Door,
    /// The channel within the door.
    pub channel: String,
    /// With whom.
    pub user: String,
}

/// Who said something in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// The other side.
    User,
    /// The agent.
    Agent,
}

impl Speaker {
    /// Its name in storage and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Agent => "agent",
        }
    }

    /// The speaker with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::User, Self::Agent].into_iter().find(|speaker| speaker.as_str() == name)
    }
}

/// Something that was said. What tools returned is not kept: it is a stranger's text, and it is long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Who.
    pub speaker: Speaker,
    /// What.
    pub text: String,
    /// When.
    pub at: Timestamp,
}

/// A conversation as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationSummary {
    /// Which.
    pub key: ConversationKey,
    /// How much is kept, in messages.
    pub messages: u64,
    /// How much is kept, in bytes of text.
    pub bytes: u64,
    /// When something was last said.
    pub last_at: Timestamp,
}

/// Whether a turn knows what was said before, and is remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Memory {
    /// It reads its conversation and is added to it.
    #[default]
    Kept,
    /// It neither reads nor writes: `no_memory`.
    Off,
}

/// A request for one turn.
#[derive(Clone, Debug)]
pub struct TurnRequest {
    /// Who asks.
    pub caller: Caller,
    /// The id of the request, for the events its tool calls leave.
    pub request: String,
    /// Which conversation it belongs to.
    pub conversation: ConversationKey,
    /// What was said.
    pub text: String,
    /// The model that was asked for; without one the configured default.
    pub model: Option<String>,
    /// Whether it is remembered.
    pub memory: Memory,
    /// The caller's own deadline, if shorter than the agent's.
    pub deadline: Option<Duration>,
    /// The session whose request it is.
    pub session: Option<u64>,
    /// Who hears what happens on the way.
    pub sink: TurnSink,
}

/// What came of a turn.
#[derive(Clone, Debug, PartialEq)]
pub struct TurnReply {
    /// The answer.
    pub text: String,
    /// Every tool that was called, in the order the calls were asked for.
    pub tool_calls: Vec<TurnCall>,
    /// Tokens of all requests to the model, in and out.
    pub tokens_used: u64,
    /// The model that answered: `local`, or `provider/model`.
    pub model: String,
    /// Wall-clock time.
    pub duration: Duration,
}

/// One tool call of a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnCall {
    /// Ties the result to the call.
    pub call_id: String,
    /// The skill; what the model wrote, if there is none of that name.
    pub skill: String,
    /// The tool.
    pub tool: String,
    /// The arguments as the model wrote them: JSON text, unless it wrote something else.
    pub arguments: String,
    /// Whether it failed.
    pub is_error: bool,
    /// Wall-clock time.
    pub duration: Duration,
}

/// What happens on the way of a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TurnEvent {
    /// The answer goes on with this text.
    Delta(String),
    /// A tool is being called; its result follows under the same call id, whatever happens.
    ToolCall {
        /// Ties the result to the call.
        call_id: String,
        /// The skill.
        skill: String,
        /// The tool.
        tool: String,
        /// The arguments as the model wrote them.
        arguments: String,
    },
    /// What a tool call came to.
    ToolResult {
        /// As in the call.
        call_id: String,
        /// As in the call.
        skill: String,
        /// As in the call.
        tool: String,
        /// Its text, or why it failed.
        output: String,
        /// Whether it failed.
        is_error: bool,
        /// Wall-clock time.
        duration: Duration,
    },
}

/// Where a turn's events go. It never waits.
#[derive(Clone, Default)]
pub struct TurnSink(Option<Arc<dyn Fn(TurnEvent) + Send + Sync>>);

impl TurnSink {
    /// One that calls `hear` for each.
    pub fn new(hear: impl Fn(TurnEvent) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hear)))
    }

    /// Says what happened, if anybody listens.
    pub fn say(&self, event: TurnEvent) {
        if let Some(hear) = &self.0 {
            hear(event);
        }
    }
}

impl fmt::Debug for TurnSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "listening" } else { "nobody listens" })
    }
}
