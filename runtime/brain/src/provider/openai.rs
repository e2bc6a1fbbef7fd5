//! Chat completions, as OpenAI, vLLM, llama.cpp and Ollama speak them.

use openclaw_domain::ports::{ModelCall, ModelMessage, ModelReply, ModelRequest};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Failure, MESSAGE_CHARS, Reader, marked, schema};

/// Tools one answer may ask for; more are a stream gone wrong.
const MOST_CALLS: usize = 64;

/// The body of a request.
pub(super) fn body(model: &str, request: &ModelRequest) -> Value {
    let mut messages = vec![json!({ "role": "system", "content": request.system })];
    for message in &request.messages {
        match message {
            ModelMessage::User(text) => messages.push(json!({ "role": "user", "content": text })),
            ModelMessage::Assistant { text, calls } if calls.is_empty() => {
                messages.push(json!({ "role": "assistant", "content": text }));
            }
            ModelMessage::Assistant { text, calls } => {
                let calls: Vec<_> = calls.iter().map(call).collect();
                let content = if text.is_empty() { Value::Null } else { text.as_str().into() };
                messages.push(json!({ "role": "assistant", "content": content, "tool_calls": calls }));
            }
            ModelMessage::Results(results) => messages.extend(
                results
                    .iter()
                    .map(|result| json!({ "role": "tool", "tool_call_id": result.id, "content": marked(result) })),
            ),
        }
    }
    let mut body = json!({
        "model": model,
        "messages": messages,
        "stream": true,
        "stream_options": { "include_usage": true },
        "max_tokens": request.max_tokens,
    });
    if !request.tools.is_empty() {
        let tools = request.tools.iter().map(|tool| {
            let function =
                json!({ "name": tool.name, "description": tool.description, "parameters": schema(&tool.schema) });
            json!({ "type": "function", "function": function })
        });
        body["tools"] = tools.collect();
    }
    body
}

fn call(call: &ModelCall) -> Value {
    let function = json!({ "name": call.name, "arguments": call.arguments });
    json!({ "id": call.id, "type": "function", "function": function })
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Used>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Delta,
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Delta {
    content: Option<String>,
    tool_calls: Option<Vec<CallPart>>,
}

#[derive(Deserialize)]
struct CallPart {
    index: Option<usize>,
    id: Option<String>,
    #[serde(default)]
    function: FunctionPart,
}

#[derive(Default, Deserialize)]
struct FunctionPart {
    name: Option<String>,
    arguments: Option<String>,
}

#[derive(Deserialize)]
struct Used {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

/// Reads chunks of a completion.
#[derive(Debug, Default)]
pub(super) struct Stream {
    reply: ModelReply,
    is_finished: bool,
}

impl Reader for Stream {
    fn take(&mut self, data: &str, say: &mut (dyn FnMut(&str) + Send)) -> Result<bool, Failure> {
        if data == "[DONE]" {
            return Ok(true);
        }
        let chunk: Chunk =
            serde_json::from_str(data).map_err(|error| Failure::lasting(format!("it sent no completion: {error}")))?;
        if let Some(error) = chunk.error {
            let message = error.get("message").and_then(Value::as_str).unwrap_or("an error without a message");
            return Err(Failure::passing(message.chars().take(MESSAGE_CHARS).collect::<String>()));
        }
        if let Some(used) = chunk.usage {
            (self.reply.input_tokens, self.reply.output_tokens) = (used.prompt_tokens, used.completion_tokens);
        }
        let Some(choice) = chunk.choices.into_iter().next() else { return Ok(false) };
        if let Some(text) = choice.delta.content.filter(|text| !text.is_empty()) {
            say(&text);
            self.reply.text.push_str(&text);
        }
        for part in choice.delta.tool_calls.into_iter().flatten() {
            self.take_call(part)?;
        }
        if let Some(reason) = choice.finish_reason {
            self.is_finished = true;
            self.reply.is_cut = reason == "length";
        }
        Ok(false)
    }

    /// Some servers send no `[DONE]`, and usage comes after the finish.
    fn may_end(&self) -> bool {
        self.is_finished
    }

    fn reply(self: Box<Self>) -> ModelReply {
        self.reply
    }
}

impl Stream {
    fn take_call(&mut self, part: CallPart) -> Result<(), Failure> {
        let calls = &mut self.reply.calls;
        // Some servers send whole calls without an index: one that brings a name begins a new one.
        let place = part.index.unwrap_or(calls.len() - usize::from(part.function.name.is_none() && !calls.is_empty()));
        if place >= MOST_CALLS {
            return Err(Failure::lasting(format!("it asked for more than {MOST_CALLS} tools at once")));
        }
        while calls.len() <= place {
            let id = format!("call_{}", calls.len());
            calls.push(ModelCall { id, name: String::new(), arguments: String::new() });
        }
        let Some(call) = calls.get_mut(place) else { return Ok(()) };
        if let Some(id) = part.id.filter(|id| !id.is_empty()) {
            call.id = id;
        }
        call.name.push_str(part.function.name.as_deref().unwrap_or_default());
        call.arguments.push_str(part.function.arguments.as_deref().unwrap_or_default());
        Ok(())
    }
}
