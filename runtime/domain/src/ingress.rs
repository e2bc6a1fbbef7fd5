//! A webhook request on its way through a transform.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::{SkillName, TenantId, Timestamp, TraceId};

/// A verified webhook request, without anything that authenticates it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngressRequest {
    /// The endpoint's path as configured.
    pub path: Arc<str>,
    /// HTTP method, upper case.
    pub method: String,
    /// Query parameters in order, decoded.
    pub query: Vec<(String, String)>,
    /// Headers in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Media type of the body, lower case, without parameters.
    pub content_type: Option<String>,
    /// The body as it was verified.
    pub body: Bytes,
    /// When it was accepted.
    pub received_at: Timestamp,
    /// What the configuration gives the transform: a JSON object as text.
    pub settings: Arc<str>,
}

/// One run of an ingress transform.
#[derive(Clone, Debug)]
pub struct IngressCall {
    /// Whose endpoint it is.
    pub tenant: TenantId,
    /// Which transform.
    pub transform: SkillName,
    /// The request.
    pub request: IngressRequest,
    /// The trace it belongs to.
    pub trace: TraceId,
}

/// A finished transform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngressReply {
    /// What the transform decided.
    pub outcome: IngressOutcome,
    /// Digest of the component that decided.
    pub digest: crate::Digest,
    /// Wall-clock time it took.
    pub duration: Duration,
}

/// What the gateway does about a webhook request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IngressOutcome {
    /// Say this to the agent, as untrusted text.
    Message {
        /// What is said.
        text: String,
        /// A conversation within the endpoint.
        conversation: Option<String>,
        /// How many placeholders found no value.
        missing: u32,
    },
    /// Call a skill's tool.
    Invoke {
        /// `name` or `name/tool`, as the guest wrote it.
        skill: String,
        /// JSON object as text, as the guest wrote it.
        arguments: String,
    },
    /// Answer the sender with this.
    Respond {
        /// HTTP status, 200 to 599.
        status: u16,
        /// Media type of the body.
        content_type: String,
        /// The body.
        body: Bytes,
    },
    /// Do nothing, for this reason.
    Discard {
        /// Why.
        reason: String,
    },
}

impl IngressOutcome {
    /// Its name, as in WIT.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Message { .. } => "message",
            Self::Invoke { .. } => "invoke",
            Self::Respond { .. } => "respond",
            Self::Discard { .. } => "discard",
        }
    }
}
