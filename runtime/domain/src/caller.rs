//! Who is asking. Only authentication makes a [`Caller`]; nothing a client says of itself ends up in one.

use std::sync::Arc;

use crate::{TenantId, TraceId};

/// What a credential allows. Each role includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// May look: `status`, `subscribe`.
    Read,
    /// May also act: `chat`, `skill_invoke`, `heartbeat_trigger`, `cancel`.
    Invoke,
    /// May also approve. No role can change a grant over the network.
    Operator,
}

impl Role {
    /// Its name in files and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Invoke => "invoke",
            Self::Operator => "operator",
        }
    }

    /// The role with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Read, Self::Invoke, Self::Operator].into_iter().find(|role| role.as_str() == name)
    }
}

/// What began a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    /// A WebSocket client.
    WebSocket,
    /// The command line, through the admin socket or directly.
    Cli,
    /// An incoming webhook.
    Webhook,
    /// A channel.
    Channel,
    /// An MCP client.
    Mcp,
    /// A scheduled job.
    Job,
    /// The agent's own turn.
    Agent,
    /// Another skill.
    Skill,
}

impl Door {
    /// Every door.
    pub const ALL: [Self; 8] =
        [Self::WebSocket, Self::Cli, Self::Webhook, Self::Channel, Self::Mcp, Self::Job, Self::Agent, Self::Skill];

    /// The door with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|door| door.as_str() == name)
    }

    /// Its name in logs, receipts and the guest's context.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::Cli => "cli",
            Self::Webhook => "webhook",
            Self::Channel => "channel",
            Self::Mcp => "mcp",
            Self::Job => "job",
            Self::Agent => "agent",
            Self::Skill => "skill",
        }
    }
}

/// A server-side credential: it alone decides tenant and role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Whose it is.
    pub tenant: TenantId,
    /// What it allows.
    pub role: Role,
    /// What operators call it: `gateway.auth.token`, `tenants.acme.auth.token` or a named token's name.
    pub name: Arc<str>,
}

/// Who is asking, at which door, as part of which trace.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The credential that was shown.
    pub credential: Credential,
    /// The door it came through.
    pub door: Door,
    /// The trace the request belongs to.
    pub trace: TraceId,
}

impl Caller {
    /// The tenant everything this caller does belongs to.
    pub const fn tenant(&self) -> &TenantId {
        &self.credential.tenant
    }
}
