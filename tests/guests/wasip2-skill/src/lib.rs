//! A skill by somebody who has our WIT and nothing else: no SDK, plain wit-bindgen against world `skill`.
//!
//! It fetches through stock `wasi:http` and remembers through the older draft of `wasi:keyvalue`; what it does not call
//! it does not import.

/// The WIT as Rust.
mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit",
        world: "openclaw:gateway/skill",
        generate_all,
    });
}

use bindings::exports::openclaw::gateway::tools::{
    Content, Context, Failure, FailureCode, Guest, Output, Tool, ToolHints, ToolResult,
};
use bindings::wasi::http::outgoing_handler;
use bindings::wasi::http::types::{Fields, OutgoingRequest, Scheme};
use bindings::wasi::io::streams::StreamError;
use bindings::wasi::keyvalue0_2_0_draft::store;
use serde_json::{Value, json};

struct Component;

impl Guest for Component {
    fn list_tools() -> Vec<Tool> {
        let tool = |name: &str, required: &[&str]| {
            let properties: Value =
                required.iter().map(|property| ((*property).to_owned(), json!({ "type": "string" }))).collect();
            Tool {
                name: name.to_owned(),
                title: None,
                description: format!("The tool {name}."),
                input_schema: json!({ "type": "object", "properties": properties, "required": required }).to_string(),
                output_schema: None,
                hints: ToolHints::OPEN_WORLD,
            }
        };
        vec![tool("fetch", &["host", "path"]), tool("remember", &["value"])]
    }

    fn call_tool(name: String, arguments: String, _context: Context) -> Result<Output, Failure> {
        let arguments: Value = serde_json::from_str(&arguments).map_err(|error| failed(error.to_string()))?;
        let text = |name: &str| arguments[name].as_str().unwrap_or_default();
        let said = match name.as_str() {
            "fetch" => fetch(text("host"), text("path")).map_err(failed)?,
            _ => remember(text("value")).map_err(|error| failed(format!("not remembered: {error}")))?,
        };
        Ok(Output::Complete(ToolResult { content: vec![Content::Text(said)], structured: None }))
    }
}

/// What the host calls.
#[expect(unsafe_code, reason = "generated: an export takes raw pointers")]
mod exported {
    use super::{Component, bindings};

    bindings::export!(Component with_types_in bindings);
}

fn failed(message: String) -> Failure {
    Failure { code: FailureCode::Denied, message, retryable: false }
}

fn fetch(host: &str, path: &str) -> Result<String, String> {
    let request = OutgoingRequest::new(Fields::new());
    let wrong = |()| "not a request".to_owned();
    request.set_scheme(Some(&Scheme::Http)).map_err(wrong)?;
    request.set_authority(Some(host)).map_err(wrong)?;
    request.set_path_with_query(Some(path)).map_err(wrong)?;
    let refused = |code| format!("not fetched: {code}");
    let answer = outgoing_handler::handle(request, None).map_err(refused)?;
    answer.subscribe().block();
    let response = answer.get().and_then(Result::ok).ok_or("no answer")?.map_err(refused)?;
    let body = response.consume().map_err(|()| "no body")?;
    let stream = body.stream().map_err(|()| "no stream")?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(4096) {
            Ok(piece) => bytes.extend(piece),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(error)) => return Err(error.to_debug_string()),
        }
    }
    Ok(format!("{} {}", response.status(), String::from_utf8_lossy(&bytes)))
}

fn remember(value: &str) -> Result<String, store::Error> {
    let bucket = store::open("default")?;
    let last = bucket.get("last")?;
    bucket.set("last", value.as_bytes())?;
    Ok(match last {
        Some(last) => format!("before it was {}", String::from_utf8_lossy(&last)),
        None => "nothing before".to_owned(),
    })
}
