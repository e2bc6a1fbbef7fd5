//! Messages, as Anthropic speaks them. What stays the same from one request to the next is marked for its cache.

use openclaw_domain::ports::{ModelCall, ModelMessage, ModelReply, ModelRequest};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Failure, MESSAGE_CHARS, Reader, marked, schema};

/// Blocks one answer may have.
const MOST_BLOCKS: usize = 256;

/// The body of a request.
pub(super) fn body(model: &str, request: &ModelRequest) -> Value {
    let mut messages = Vec::new();
    for message in &request.messages {
        match message {
            ModelMessage::User(text) => messages.push(json!({ "role": "user", "content": text })),
            ModelMessage::Assistant { text, calls } => {
                let mut content = Vec::new();
                if !text.is_empty() {
                    content.push(json!({ "type": "text", "text": text }));
                }
                content.extend(calls.iter().map(|call| {
                    // What was no object cannot be repeated: the model sees its mistake in the result.
                    let input = serde_json::from_str::<Value>(&call.arguments).ok().filter(Value::is_object);
                    let input = input.unwrap_or_else(|| json!({}));
                    json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": input })
                }));
                // An empty message is refused.
                if !content.is_empty() {
                    messages.push(json!({ "role": "assistant", "content": content }));
                }
            }
            ModelMessage::Results(results) => {
                let content: Vec<_> = results
                    .iter()
                    .map(|result| {
                        json!({
                            "type": "tool_result", "tool_use_id": result.id, "content": marked(result),
                            "is_error": result.is_error,
                        })
                    })
                    .collect();
                messages.push(json!({ "role": "user", "content": content }));
            }
        }
    }
    let mut body = json!({
        "model": model,
        "max_tokens": request.max_tokens,
        "system": [{ "type": "text", "text": request.system, "cache_control": { "type": "ephemeral" } }],
        "messages": messages,
        "stream": true,
    });
    // A conversation that holds calls is refused without the tools they name, so a model that may call no more is told
    // so instead.
    if !request.tools.is_empty() {
        let tools = request.tools.iter().map(
            |tool| json!({ "name": tool.name, "description": tool.description, "input_schema": schema(&tool.schema) }),
        );
        body["tools"] = tools.collect();
    } else {
        let names = called(&request.messages);
        if !names.is_empty() {
            let tools = names.iter().map(|name| json!({ "name": name, "input_schema": { "type": "object" } }));
            body["tools"] = tools.collect();
            body["tool_choice"] = json!({ "type": "none" });
        }
    }
    body
}

/// Names of the tools that were called so far.
fn called(messages: &[ModelMessage]) -> std::collections::BTreeSet<&str> {
    let calls = messages.iter().filter_map(|message| match message {
        ModelMessage::Assistant { calls, .. } => Some(calls),
        _ => None,
    });
    calls.flatten().map(|call| call.name.as_str()).collect()
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event {
    MessageStart {
        message: Started,
    },
    ContentBlockStart {
        index: usize,
        content_block: Block,
    },
    ContentBlockDelta {
        index: usize,
        delta: Delta,
    },
    MessageDelta {
        delta: Ending,
        #[serde(default)]
        usage: Used,
    },
    MessageStop,
    Error {
        error: Failed,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Started {
    #[serde(default)]
    usage: Used,
}

#[derive(Default, Deserialize)]
struct Used {
    input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block {
    Text {
        #[serde(default)]
        text: String,
    },
    ToolUse {
        id: String,
        name: String,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Delta {
    #[serde(rename = "text_delta")]
    Text { text: String },
    #[serde(rename = "input_json_delta")]
    InputJson { partial_json: String },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Ending {
    stop_reason: Option<String>,
}

#[derive(Deserialize)]
struct Failed {
    #[serde(default)]
    message: String,
}

/// Reads events of a message.
#[derive(Debug, Default)]
pub(super) struct Stream {
    reply: ModelReply,
    /// Which call each block is; `None` for text and what is not known here.
    blocks: Vec<Option<usize>>,
}

impl Reader for Stream {
    fn take(&mut self, data: &str, say: &mut (dyn FnMut(&str) + Send)) -> Result<bool, Failure> {
        let event: Event =
            serde_json::from_str(data).map_err(|error| Failure::lasting(format!("it sent no message: {error}")))?;
        match event {
            Event::MessageStart { message } => self.count(&message.usage),
            Event::ContentBlockStart { index, content_block } => self.begin_block(index, content_block, say)?,
            Event::ContentBlockDelta { index, delta } => match delta {
                Delta::Text { text } => self.say(&text, say),
                Delta::InputJson { partial_json } => {
                    let call = self.blocks.get(index).copied().flatten();
                    if let Some(call) = call.and_then(|place| self.reply.calls.get_mut(place)) {
                        call.arguments.push_str(&partial_json);
                    }
                }
                Delta::Other => {}
            },
            Event::MessageDelta { delta, usage } => {
                self.count(&usage);
                self.reply.is_cut = delta.stop_reason.as_deref() == Some("max_tokens");
            }
            Event::MessageStop => return Ok(true),
            Event::Error { error } => {
                return Err(Failure::passing(error.message.chars().take(MESSAGE_CHARS).collect::<String>()));
            }
            Event::Other => {}
        }
        Ok(false)
    }

    fn may_end(&self) -> bool {
        false
    }

    fn reply(self: Box<Self>) -> ModelReply {
        self.reply
    }
}

impl Stream {
    /// The counts are totals: a later one replaces an earlier.
    fn count(&mut self, used: &Used) {
        if let Some(input) = used.input_tokens {
            let cached = used.cache_creation_input_tokens.unwrap_or(0) + used.cache_read_input_tokens.unwrap_or(0);
            self.reply.input_tokens = input.saturating_add(cached);
        }
        if let Some(output) = used.output_tokens {
            self.reply.output_tokens = output;
        }
    }

    fn say(&mut self, text: &str, say: &mut (dyn FnMut(&str) + Send)) {
        if !text.is_empty() {
            say(text);
            self.reply.text.push_str(text);
        }
    }

    fn begin_block(&mut self, index: usize, block: Block, say: &mut (dyn FnMut(&str) + Send)) -> Result<(), Failure> {
        if index >= MOST_BLOCKS {
            return Err(Failure::lasting(format!("its answer has more than {MOST_BLOCKS} blocks")));
        }
        self.blocks.resize(self.blocks.len().max(index + 1), None);
        match block {
            Block::Text { text } => self.say(&text, say),
            Block::ToolUse { id, name } => {
                self.blocks[index] = Some(self.reply.calls.len());
                self.reply.calls.push(ModelCall { id, name, arguments: String::new() });
            }
            Block::Other => {}
        }
        Ok(())
    }
}
