//! Tools that stay within their limits: they show that a registry still serves after an attack.

use std::sync::atomic::{AtomicU8, Ordering};

use openclaw_guest::{Context, Document, DocumentBody, Failure, InputRequired, Json, Output, Reply, info, tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Text to say again.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Words {
    /// What is said.
    text: String,
}

/// Says what it was told.
#[tool]
pub(crate) fn echo(words: Words) -> String {
    words.text
}

/// Asks for a name, then greets it.
#[tool]
pub(crate) fn ask(context: &Context) -> Result<Reply, Failure> {
    match context.answer::<String>("name")? {
        None => Ok(Reply::Ask(InputRequired::new("asked once").ask::<String>("name", "Who is there?"))),
        Some(name) => {
            let state = String::from_utf8_lossy(context.state().unwrap_or_default()).into_owned();
            Ok(Reply::Done(Output::new().with_text(format!("hello {name} ({state})"))))
        }
    }
}

/// Tells what it was told about its call, a line each.
#[tool(name = "context")]
pub(crate) fn tell_context(call: &Context) -> String {
    let Context { tenant, caller, invocation_id, trace_id, deadline_ms, .. } = call;
    format!("{tenant}\n{caller}\n{invocation_id}\n{trace_id}\n{deadline_ms}")
}

/// How long a text is, which its schema says is at most three.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Count {
    /// Bytes.
    #[schemars(range(max = 3))]
    bytes: usize,
}

/// Counts bytes; a longer text breaks its own promise.
#[tool]
pub(crate) fn count(words: &Words) -> Json<Count> {
    Json(Count { bytes: words.text.len() })
}

/// Returns one of each kind of content.
#[tool]
pub(crate) fn show() -> Output {
    let document = |title: &str, body: DocumentBody| Document {
        uri: format!("test:{title}"),
        title: Some(title.to_owned()),
        mime_type: Some("text/plain".to_owned()),
        body,
    };
    Output::new()
        .with_text("text")
        .with_image("image/png", vec![0x89, b'P'])
        .with_audio("audio/wav", vec![b'R', 0])
        .with_resource(document("here", DocumentBody::Text("words".to_owned())))
        .with_resource(document("bytes", DocumentBody::Blob(vec![0, 255])))
        .with_resource(document("there", DocumentBody::Link))
}

/// Says no, in the words it was given.
#[tool]
pub(crate) fn fail(words: Words) -> Result<(), Failure> {
    Err(Failure::unavailable(words.text))
}

/// Logs sixteen times the default log budget and finishes all the same.
#[tool]
pub(crate) fn log_much_and_finish() -> &'static str {
    let line = "x".repeat(1 << 10);
    for _ in 0..1024 {
        info!("{line}");
    }
    "done"
}

/// A static array: an instance that was used before would still hold what a call wrote here.
static PATTERN: [AtomicU8; 32 << 10] = [const { AtomicU8::new(0) }; 32 << 10];

/// Fills static memory with a pattern.
#[tool]
pub(crate) fn write_pattern() -> String {
    for byte in &PATTERN {
        byte.store(0xA5, Ordering::Relaxed);
    }
    count_pattern()
}

/// Counts the bytes of static memory that are not zero.
#[tool]
pub(crate) fn read_pattern() -> String {
    count_pattern()
}

fn count_pattern() -> String {
    PATTERN.iter().filter(|byte| byte.load(Ordering::Relaxed) != 0).count().to_string()
}
