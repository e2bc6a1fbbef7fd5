//! The payload of an `error` frame; the same object stands under `error` at HTTP doors.

use serde::Serialize;

/// Why a request is not done. The code is a promise; the text is not.
#[derive(Debug, Serialize)]
pub struct ErrorPayload<'a> {
    /// Stable code for programs.
    pub code: &'a str,
    /// What failed, by name.
    pub message: String,
    /// What the reader can do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// When the same request may succeed, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// The `type` of the refused request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<&'a str>,
    /// JSON pointer to the wrong argument.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Whether the guest thinks the same call may succeed later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retryable: Option<bool>,
    /// The trace this request belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
}
