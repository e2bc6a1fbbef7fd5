//! One call of a tool, and what it came to.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::{Caller, InvocationId, ProgressSink, SkillName, SkillRef, ToolName};

/// A request to run a tool.
#[derive(Clone, Debug)]
pub struct ToolCall {
    /// Who asks.
    pub caller: Caller,
    /// What to run.
    pub target: SkillRef,
    /// The arguments: JSON text, as the client sent it.
    pub arguments: Arc<str>,
    /// The caller's own deadline, if shorter than the skill's.
    pub deadline: Option<Duration>,
    /// Answers to an earlier [`InputNeeded`].
    pub resumed: Option<Resumption>,
    /// Who hears how far it is.
    pub progress: ProgressSink,
    /// The session whose request it is; events the guest emits are also for it.
    pub session: Option<u64>,
}

/// Answers to what an earlier call asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumption {
    /// The state that call returned.
    pub state: Vec<u8>,
    /// The answers.
    pub answers: Vec<Answer>,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The request it answers.
    pub id: String,
    /// JSON text.
    pub value: String,
}

/// A finished call, with what it used.
#[derive(Clone, Debug)]
pub struct ToolReply {
    /// Which run it was.
    pub invocation: InvocationId,
    /// The skill that ran.
    pub skill: SkillName,
    /// The tool that ran.
    pub tool: ToolName,
    /// What came of it.
    pub output: ToolOutput,
    /// Wall-clock time from admission to result.
    pub duration: Duration,
}

/// What a call came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolOutput {
    /// The tool is done.
    Complete(ToolResult),
    /// The tool needs answers first.
    InputRequired(InputNeeded),
}

/// The result of a finished call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolResult {
    /// What to show, in order.
    pub content: Vec<Content>,
    /// The same for programs: one JSON value as text.
    pub structured: Option<String>,
}

impl ToolResult {
    /// All its text, pieces joined by a line feed; other content by a word that names it.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for piece in &self.content {
            if !text.is_empty() {
                text.push('\n');
            }
            match piece {
                Content::Text(words) => text.push_str(words),
                Content::Image(media) => push_media(&mut text, "image", media),
                Content::Audio(media) => push_media(&mut text, "audio", media),
                Content::Document(document) => match &document.body {
                    DocumentBody::Text(words) => text.push_str(words),
                    DocumentBody::Blob(_) | DocumentBody::Link => text.push_str(&document.uri),
                },
            }
        }
        if text.is_empty()
            && let Some(structured) = &self.structured
        {
            text.push_str(structured);
        }
        text
    }
}

fn push_media(text: &mut String, kind: &str, media: &Media) {
    text.push_str(&format!("[{kind} {}, {} bytes]", media.mime_type, media.data.len()));
}

/// One piece of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Text, Markdown allowed.
    Text(String),
    /// An image.
    Image(Media),
    /// A sound.
    Audio(Media),
    /// A document.
    Document(Document),
}

/// Bytes with their type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// Media type.
    pub mime_type: String,
    /// The bytes.
    pub data: Bytes,
}

/// A document that belongs to a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its URI.
    pub uri: String,
    /// A name for people.
    pub title: Option<String>,
    /// Its media type.
    pub mime_type: Option<String>,
    /// What it holds.
    pub body: DocumentBody,
}

/// Where a document's contents are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DocumentBody {
    /// Here, as text.
    Text(String),
    /// Here, as bytes.
    Blob(Bytes),
    /// Elsewhere.
    Link,
}

/// What a tool asks for before it can go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputNeeded {
    /// The questions.
    pub requests: Vec<InputRequest>,
    /// Whatever the guest wants back.
    pub state: Bytes,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputRequest {
    /// Names the question.
    pub id: String,
    /// The question.
    pub message: String,
    /// JSON Schema of the answer, as JSON text.
    pub schema: String,
}

/// What kind of no a guest said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureCode {
    /// The arguments pass the schema and are wrong all the same.
    InvalidArguments,
    /// What was asked for does not exist.
    NotFound,
    /// A capability or the other side refused.
    Denied,
    /// Something it needs is not there now.
    Unavailable,
    /// Somebody asks too often.
    RateLimited,
    /// Anything else.
    Failed,
}

impl FailureCode {
    /// Its name, as in WIT.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidArguments => "invalid-arguments",
            Self::NotFound => "not-found",
            Self::Denied => "denied",
            Self::Unavailable => "unavailable",
            Self::RateLimited => "rate-limited",
            Self::Failed => "failed",
        }
    }
}

/// A refusal by a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind.
    pub code: FailureCode,
    /// What went wrong, in the guest's words.
    pub message: String,
    /// Whether the same call may succeed later.
    pub retryable: bool,
}
