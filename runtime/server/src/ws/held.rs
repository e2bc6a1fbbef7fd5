//! Finished requests whose replies wait until their client has read what came before.
//!
//! A result grows when it is printed: each of its characters may take six bytes, and it stands in a reply three times.
//! So results wait as they are, and one is printed only when the one before it is nearly written.
//!
//! Invariant: what waits here is bounded by [`HELD_BYTES`] and one result, however many calls a client makes and
//! however little it reads. Beyond it the session polls its requests no further, so their guests wait too.

use std::collections::VecDeque;

use openclaw_domain::{Content, DocumentBody, ToolOutput};

use super::in_flight::{Finished, Outcome};

/// Bytes of results beyond which no further request is finished.
const HELD_BYTES: usize = 4 << 20;

/// Finished requests, first in, first out.
#[derive(Default)]
pub(super) struct Held {
    finished: VecDeque<(usize, Finished)>,
    bytes: usize,
}

impl Held {
    /// Whether one more may be put in.
    pub(super) const fn has_room(&self) -> bool {
        self.bytes < HELD_BYTES
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.finished.len()
    }

    /// Puts one in.
    pub(super) fn put(&mut self, finished: Finished) {
        let bytes = weight(&finished.outcome);
        self.bytes += bytes;
        self.finished.push_back((bytes, finished));
    }

    /// Takes the first out.
    pub(super) fn take(&mut self) -> Option<Finished> {
        let (bytes, finished) = self.finished.pop_front()?;
        self.bytes -= bytes;
        Some(finished)
    }
}

/// The bytes an outcome holds, near enough: what is not a result is small, or shared.
fn weight(outcome: &Outcome) -> usize {
    let reply = match outcome {
        Outcome::Tool(_, Ok(reply)) => reply,
        Outcome::Turn(_, Ok(reply)) => {
            return reply.text.len() + reply.tool_calls.iter().map(|call| call.arguments.len()).sum::<usize>();
        }
        _ => return 0,
    };
    match &reply.output {
        ToolOutput::Complete(result) => {
            result.content.iter().map(content_bytes).sum::<usize>() + result.structured.as_ref().map_or(0, String::len)
        }
        ToolOutput::InputRequired(needed) => {
            let asked = needed.requests.iter().map(|ask| ask.id.len() + ask.message.len() + ask.schema.len());
            asked.sum::<usize>() + needed.state.len()
        }
    }
}

fn content_bytes(content: &Content) -> usize {
    match content {
        Content::Text(text) => text.len(),
        Content::Image(media) | Content::Audio(media) => media.data.len(),
        Content::Document(document) => {
            document.uri.len()
                + match &document.body {
                    DocumentBody::Text(text) => text.len(),
                    DocumentBody::Blob(bytes) => bytes.len(),
                    DocumentBody::Link => 0,
                }
        }
    }
}
