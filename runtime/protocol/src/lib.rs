//! What goes over the wire: the guide's frames, their payloads and how a frame is read.
//!
//! Invariant: these shapes are only ever extended. Reading is tolerant (unknown fields are ignored, missing ones have
//! defaults, and a refused frame still yields its `id`); writing is exact. Nothing here knows what a command does.

mod error;
mod event;
mod frame;
mod reply;
mod request;

pub use error::ErrorPayload;
pub use event::{
    AgentError, DeltaEvent, ErrorContext, EventPayload, Gap, ProgressEvent, TaskCompleted, ToolCallEvent,
    ToolResultEvent,
};
pub use frame::{Envelope, FrameError, Incoming, RequestId, decode};
pub use reply::{
    CancelAck, ChatCall, ChatReply, InputQuestion, InputRequired, InvokeReply, LimitsInfo, ProtocolInfo, ResultValue,
    SkillInfo, StatusReply, SubscribeAck,
};
pub use request::{Answer, Cancel, Chat, ChatContext, ChatOptions, Resume, SkillInvoke, Subscribe};
