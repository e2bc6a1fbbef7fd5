//! From a request's header and body to a report.

use webhook_body::{Body, Value};

use crate::event::Event;
use crate::events::{Report, describe};

/// Why a request could not be read as a webhook of GitHub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The header that names the event is missing or wrong.
    NoEvent(String),
    /// The body is not a JSON object, nor a form that carries one.
    UnsupportedBody(String),
}

/// Reports on one request: the value of its `x-github-event`, its media type and its body.
pub fn report(event: Option<&str>, content_type: Option<&str>, body: &[u8]) -> Result<Report, Refusal> {
    let name = event.ok_or_else(|| {
        let fix = "the header `x-github-event` is missing: point a GitHub webhook at this endpoint, or give the \
                   endpoint another transform";
        Refusal::NoEvent(fix.to_owned())
    })?;
    // The name goes into sentences and reasons, so nothing but a plain word may pass.
    if name.is_empty()
        || name.len() > 64
        || !name.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'0'..=b'9'))
    {
        let fix = "the header `x-github-event` is not the name of an event: 1 to 64 of `a-z`, `0-9` and `_`";
        return Err(Refusal::NoEvent(fix.to_owned()));
    }
    let body = Body::read(content_type, body).map_err(|reason| Refusal::UnsupportedBody(reason.to_string()))?;
    let payload = match &body {
        Body::Json(json) => json.value(),
        Body::Text(text) => Value::parse(text).map_err(|error| {
            Refusal::UnsupportedBody(format!("the body is not JSON: {error}; set the webhook's content type to JSON"))
        })?,
        Body::Form(_) => {
            let fix = "the body is a form without a `payload` that holds JSON; set the webhook's content type to JSON";
            return Err(Refusal::UnsupportedBody(fix.to_owned()));
        }
    };
    let event = Event::new(name, payload)
        .ok_or_else(|| Refusal::UnsupportedBody("the payload is not a JSON object".to_owned()))?;
    Ok(describe(&event))
}
