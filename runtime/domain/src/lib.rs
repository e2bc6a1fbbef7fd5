//! What the words of this gateway mean: identifiers, callers, skills, events, refusals, and the ports
//! between the crates that act on them.
//!
//! Invariant: no I/O, no serde, no wasmtime. A value of these types is valid; formats are the edge's problem.

mod call;
mod caller;
mod clock;
mod code;
mod delivery;
mod egress;
mod egress_transform;
mod event;
mod grant;
mod http_rule;
mod ids;
mod ingress;
mod limits;
mod origin;
mod progress;
mod refusal;
mod secret;
mod skill;
mod turn;

pub mod ports;

pub use call::{
    Answer, Content, Document, DocumentBody, Failure, FailureCode, InputNeeded, InputRequest, Media, Resumption,
    ToolCall, ToolOutput, ToolReply, ToolResult,
};
pub use caller::{Caller, Credential, Door, Role};
pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use code::Code;
pub use delivery::{
    Attempt, Backlog, BodySlot, DeliveryBody, DeliveryDetail, DeliveryId, DeliveryQuery, DeliveryRecord, DeliveryState,
    EndpointHealth, EndpointKey, Lease, Settlement,
};
pub use egress::{
    BodyStream, EgressError, EgressLimits, HeaderPart, Incoming, NamePolicy, Outgoing, OutgoingBody, SecretHeader,
};
pub use egress_transform::{EgressCall, EgressEvent, EgressOutcome, EgressReply};
pub use event::{Event, EventKind, NewEvent, Severity};
pub use grant::{
    Capability, Denial, Grant, GrantLimits, Powers, SecretPurpose, SecretUse, grant_command, secret_command,
    tenant_option,
};
pub use http_rule::{HttpRule, HttpRuleError};
pub use ids::{
    Digest, EndpointName, IdError, InvocationId, SecretName, SkillName, TenantId, ToolName, TraceId, WebhookId,
};
pub use ingress::{IngressCall, IngressOutcome, IngressReply, IngressRequest};
pub use limits::{CallLimits, TenantLimits, TenantUse};
pub use origin::{Origin, OriginError, Scheme};
pub use progress::{Progress, ProgressSink};
pub use refusal::{BoxError, Refusal};
pub use secret::Secret;
pub use skill::{CapabilityRequest, GrantShape, HeldUpgrade, Installed, SkillRef, ToolHints, ToolSpec, World};
pub use turn::{
    ConversationKey, ConversationSummary, Memory, Said, Speaker, TurnCall, TurnEvent, TurnReply, TurnRequest, TurnSink,
};
