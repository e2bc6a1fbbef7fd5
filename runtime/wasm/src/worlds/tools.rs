//! World `skill`: listing tools and calling one.

use bytes::Bytes;
use openclaw_domain::{
    Answer, CallLimits, Content, Document, DocumentBody, Failure, FailureCode, InputNeeded, InputRequest, Media,
    Refusal, ToolHints, ToolOutput, ToolResult, ToolSpec,
};

use crate::arguments::Schemas;
use crate::bindings::skill::exports::openclaw::gateway::tools as wit;
use crate::host::log::cut;

/// A skill may have so many tools.
const MAX_TOOLS: usize = 64;
/// Bytes of a description, and of a failure's message, that are kept.
const TEXT_BYTES: usize = 4 << 10;
/// Questions one call may ask.
const MAX_QUESTIONS: usize = 16;
/// Bytes of state a call may want back.
const STATE_BYTES: usize = 64 << 10;

/// Checks and converts what `list-tools` returned. The error completes "tool … ".
pub(crate) fn tools_from(listed: Vec<wit::Tool>) -> Result<Vec<ToolSpec>, String> {
    if listed.is_empty() || listed.len() > MAX_TOOLS {
        return Err(format!("`list-tools` returned {} tools; a skill has 1 to {MAX_TOOLS}", listed.len()));
    }
    let mut tools: Vec<ToolSpec> = Vec::with_capacity(listed.len());
    for tool in listed {
        let name = tool.name.parse().map_err(|error: openclaw_domain::IdError| error.to_string())?;
        if tools.iter().any(|other| other.name == name) {
            return Err(format!("`list-tools` names `{name}` twice"));
        }
        if tool.description.trim().is_empty() || tool.description.len() > TEXT_BYTES {
            return Err(format!("tool `{name}` needs a description of 1 to {TEXT_BYTES} bytes"));
        }
        let tool = ToolSpec {
            name,
            title: tool.title,
            description: tool.description,
            input_schema: tool.input_schema,
            output_schema: tool.output_schema,
            hints: ToolHints {
                read_only: tool.hints.contains(wit::ToolHints::READ_ONLY),
                destructive: tool.hints.contains(wit::ToolHints::DESTRUCTIVE),
                idempotent: tool.hints.contains(wit::ToolHints::IDEMPOTENT),
                open_world: tool.hints.contains(wit::ToolHints::OPEN_WORLD),
            },
        };
        Schemas::of(&tool)?;
        tools.push(tool);
    }
    Ok(tools)
}

/// Answers on their way in, with the state that was inside its seal.
pub(crate) fn resumption_to(state: &[u8], answers: &[Answer]) -> wit::Resumption {
    wit::Resumption {
        state: state.to_vec(),
        answers: answers
            .iter()
            .map(|answer| wit::Answer { id: answer.id.clone(), value: answer.value.clone() })
            .collect(),
    }
}

/// A result on its way out, its sizes summed against the limit.
pub(crate) fn output_from(output: wit::Output, guest: &str, limits: &CallLimits) -> Result<ToolOutput, Refusal> {
    let bad = |reason: String| Refusal::BadOutput { guest: guest.to_owned(), reason };
    match output {
        wit::Output::Complete(result) => {
            let size = size_of(&result);
            if size > limits.output_bytes {
                return Err(bad(format!("{size} bytes; its limit is {}", limits.output_bytes)));
            }
            if let Some(structured) = &result.structured
                && let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(structured)
            {
                return Err(bad(format!("a structured result that is not JSON: {error}")));
            }
            Ok(ToolOutput::Complete(ToolResult {
                content: result.content.into_iter().map(content_from).collect(),
                structured: result.structured,
            }))
        }
        wit::Output::InputRequired(needed) => {
            if needed.requests.is_empty() || needed.requests.len() > MAX_QUESTIONS {
                return Err(bad(format!("{} questions; a call asks 1 to {MAX_QUESTIONS}", needed.requests.len())));
            }
            if needed.state.len() > STATE_BYTES {
                return Err(bad(format!("{} bytes of state; the limit is {STATE_BYTES}", needed.state.len())));
            }
            Ok(ToolOutput::InputRequired(InputNeeded {
                requests: needed
                    .requests
                    .into_iter()
                    .map(|request| InputRequest { id: request.id, message: request.message, schema: request.schema })
                    .collect(),
                state: Bytes::from(needed.state),
            }))
        }
    }
}

fn size_of(result: &wit::ToolResult) -> usize {
    let content: usize = result
        .content
        .iter()
        .map(|piece| match piece {
            wit::Content::Text(text) => text.len(),
            wit::Content::Image(media) | wit::Content::Audio(media) => media.data.len() + media.mime_type.len(),
            wit::Content::Resource(document) => {
                document.uri.len()
                    + match &document.body {
                        wit::DocumentBody::Text(text) => text.len(),
                        wit::DocumentBody::Blob(bytes) => bytes.len(),
                        wit::DocumentBody::Link => 0,
                    }
            }
        })
        .sum();
    content + result.structured.as_ref().map_or(0, String::len)
}

fn content_from(piece: wit::Content) -> Content {
    match piece {
        wit::Content::Text(text) => Content::Text(text),
        wit::Content::Image(media) => Content::Image(media_from(media)),
        wit::Content::Audio(media) => Content::Audio(media_from(media)),
        wit::Content::Resource(document) => Content::Document(Document {
            uri: document.uri,
            title: document.title,
            mime_type: document.mime_type,
            body: match document.body {
                wit::DocumentBody::Text(text) => DocumentBody::Text(text),
                wit::DocumentBody::Blob(bytes) => DocumentBody::Blob(bytes.into()),
                wit::DocumentBody::Link => DocumentBody::Link,
            },
        }),
    }
}

fn media_from(media: wit::Media) -> Media {
    Media { mime_type: media.mime_type, data: media.data.into() }
}

/// A guest's no.
pub(crate) fn failure_from(failure: &wit::Failure) -> Failure {
    Failure {
        code: match failure.code {
            wit::FailureCode::InvalidArguments => FailureCode::InvalidArguments,
            wit::FailureCode::NotFound => FailureCode::NotFound,
            wit::FailureCode::Denied => FailureCode::Denied,
            wit::FailureCode::Unavailable => FailureCode::Unavailable,
            wit::FailureCode::RateLimited => FailureCode::RateLimited,
            wit::FailureCode::Failed => FailureCode::Failed,
        },
        message: cut(&failure.message, TEXT_BYTES).to_owned(),
        retryable: failure.retryable,
    }
}
