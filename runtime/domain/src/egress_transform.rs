//! An event on its way through a transform, to the one endpoint it is owed to.
//!
//! Invariant: everything a transform may see of a delivery is in [`EgressEvent`], so the same event gives the same
//! bytes for ever. Values of `${VAR}` are no part of it: the host fills them in afterwards.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::{Digest, SkillName, TenantId, Timestamp, TraceId};

/// An event as a transform sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EgressEvent {
    /// The event's id: `evt_` and 32 hex digits.
    pub id: String,
    /// What kind, for example `agent.task.completed`.
    pub kind: String,
    /// When it happened.
    pub timestamp: Timestamp,
    /// Its data: a JSON object as text.
    pub data: Arc<str>,
    /// The endpoint's name: what the operator's commands and metrics call it.
    pub endpoint: Arc<str>,
    /// What the configuration gives the transform: a JSON object as text. For `template` it is the `transform` object
    /// itself, each `${VAR}` still in it as it was written.
    pub settings: Arc<str>,
}

/// One run of an egress transform.
#[derive(Clone, Debug)]
pub struct EgressCall {
    /// Whose event and endpoint it is.
    pub tenant: TenantId,
    /// Which transform.
    pub transform: SkillName,
    /// The event.
    pub event: EgressEvent,
    /// The trace the event belongs to.
    pub trace: TraceId,
}

/// A finished transform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EgressReply {
    /// What the transform decided.
    pub outcome: EgressOutcome,
    /// Digest of the component that decided.
    pub digest: Digest,
    /// Wall-clock time it took.
    pub duration: Duration,
}

/// What the gateway does about an event that is owed to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EgressOutcome {
    /// Send this.
    Deliver {
        /// Media type of the body; what a header value may hold.
        content_type: String,
        /// Headers besides, names in lower case; names and values are what HTTP allows, and none is one that frames,
        /// routes, authenticates or signs the request. The endpoint's own `headers` come after them and win.
        headers: Vec<(String, String)>,
        /// The body, exactly as it is to be signed and sent, once the host has filled in the values of `${VAR}`.
        body: Bytes,
        /// How many placeholders found no value.
        missing: u32,
    },
    /// Send nothing, for this reason.
    Skip {
        /// Why.
        reason: String,
    },
}

impl EgressOutcome {
    /// Its name, as in WIT.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Deliver { .. } => "deliver",
            Self::Skip { .. } => "skip",
        }
    }
}
