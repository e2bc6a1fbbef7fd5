//! Why a message or a body could not be rendered.

use std::fmt;

use webhook_body::Unreadable;

/// Most bytes of a rendered message, as the contract allows: 256 KiB.
pub const MAX_MESSAGE_BYTES: usize = 256 * 1024;

/// Most bytes of a rendered egress body: what the contract allows, 1 MiB, less room for the rest of the payload.
pub const MAX_BODY_BYTES: usize = 1024 * 1024 - 4096;

/// How long a rendered text may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// A message for the agent.
    Message,
    /// A body for an endpoint.
    Body,
}

impl Limit {
    /// In bytes.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Message => MAX_MESSAGE_BYTES,
            Self::Body => MAX_BODY_BYTES,
        }
    }
}

/// A reason with its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What kind.
    pub kind: Kind,
    /// What is wrong and what would help.
    pub message: String,
}

/// The kinds of the contract's `failure-code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The endpoint's settings are wrong.
    BadSettings,
    /// The body is not what its media type says, or not text.
    UnsupportedBody,
    /// The data of the event is not a JSON object.
    UnsupportedEvent,
    /// The message or body would be too long.
    TooLong,
}

impl Refusal {
    pub(crate) fn settings(message: impl Into<String>) -> Self {
        Self { kind: Kind::BadSettings, message: message.into() }
    }

    pub(crate) fn event(message: impl Into<String>) -> Self {
        Self { kind: Kind::UnsupportedEvent, message: message.into() }
    }

    pub(crate) fn too_long(limit: Limit) -> Self {
        let bytes = limit.bytes();
        let message = match limit {
            Limit::Message => format!(
                "the message would be longer than {bytes} bytes (256 KiB); name single fields instead of `{{{{body}}}}`"
            ),
            Limit::Body => format!(
                "the body would be longer than {bytes} bytes; name single fields of the event, and fewer of them"
            ),
        };
        Self { kind: Kind::TooLong, message }
    }
}

impl From<Unreadable> for Refusal {
    fn from(reason: Unreadable) -> Self {
        Self { kind: Kind::UnsupportedBody, message: reason.to_string() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}
