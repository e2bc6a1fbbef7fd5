//! Facts: what happened, recorded once, told to whoever may know.

use crate::{TenantId, Timestamp, TraceId};

/// What kind of fact. The names are the guide's, but for `skill.event`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A skill or task is done.
    TaskCompleted,
    /// A call that reached its guest failed, said no or was cancelled; or a part of the gateway failed.
    Error,
    /// A message came in.
    MessageReceived,
    /// A channel lost its connection.
    ChannelDisconnected,
    /// Something a defender wants to know.
    SecurityAlert,
    /// An event of a skill's own, under a name the skill gave it.
    SkillEvent,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::TaskCompleted,
        Self::Error,
        Self::MessageReceived,
        Self::ChannelDisconnected,
        Self::SecurityAlert,
        Self::SkillEvent,
    ];

    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TaskCompleted => "agent.task.completed",
            Self::Error => "agent.error",
            Self::MessageReceived => "channel.message.received",
            Self::ChannelDisconnected => "channel.disconnected",
            Self::SecurityAlert => "security.alert",
            Self::SkillEvent => "skill.event",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// How much a security alert matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Worth knowing.
    Low,
    /// Worth looking at.
    Medium,
    /// Worth getting up for.
    High,
}

impl Severity {
    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// A fact about to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// Whose it is.
    pub tenant: TenantId,
    /// What kind.
    pub kind: EventKind,
    /// Its data: a JSON object as text.
    pub data: String,
    /// The trace it belongs to.
    pub trace: TraceId,
    /// When it happened.
    pub at: Timestamp,
    /// The session whose request caused it; `None` if it belongs to no session.
    pub session: Option<u64>,
}

/// A recorded fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place in the order of all events; only ever grows.
    pub seq: i64,
    /// Its id: `evt_` and 32 hex digits.
    pub id: String,
    /// The fact.
    pub fact: NewEvent,
}
