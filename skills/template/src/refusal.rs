//! Why a message could not be rendered.

use std::fmt;

use webhook_body::Unreadable;

/// Most bytes of a rendered message, as the contract allows: 256 KiB.
pub const MAX_MESSAGE_BYTES: usize = 256 * 1024;

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
    /// The message would be too long.
    TooLong,
}

impl Refusal {
    pub(crate) fn settings(message: impl Into<String>) -> Self {
        Self { kind: Kind::BadSettings, message: message.into() }
    }

    pub(crate) fn too_long() -> Self {
        let message = format!(
            "the message would be longer than {MAX_MESSAGE_BYTES} bytes (256 KiB); name single fields instead of `{{{{body}}}}`"
        );
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
