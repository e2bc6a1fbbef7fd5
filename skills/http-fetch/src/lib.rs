//! Fetches a URL and returns its text.
//!
//! Invariant: it sends GET and HEAD, nothing else, and follows no redirect: where one points is in the result, and
//! whoever called decides.

use openclaw_guest::http::{Request, Response};
use openclaw_guest::{Failure, Report, tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// So much is returned unless asked otherwise.
const DEFAULT_BYTES: usize = 64 << 10;
/// More would not fit a result.
const MAX_BYTES: usize = 512 << 10;

/// How to ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// For the body.
    #[default]
    Get,
    /// For status and headers alone.
    Head,
}

/// What to fetch.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// An `http://` or `https://` URL, percent-encoded.
    #[schemars(length(min = 1, max = 4096))]
    url: String,
    /// `GET` without it.
    #[serde(default)]
    method: Method,
    /// Bytes of the body to return; 65536 without it.
    #[schemars(range(min = 1, max = 524_288))]
    max_bytes: Option<usize>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Fetched {
    /// The HTTP status.
    status: u16,
    /// The media type, as the other side says.
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    /// Where a redirect points.
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    /// Bytes of the body that were read.
    bytes: usize,
    /// Whether the body went on.
    truncated: bool,
}

/// Fetches a URL with GET or HEAD and returns its text. Redirects are reported, not followed.
#[tool(title = "Fetch a URL", read_only, idempotent, open_world)]
pub fn fetch(arguments: &Arguments) -> Result<Report<Fetched>, Failure> {
    let request = match arguments.method {
        Method::Get => Request::get(&arguments.url),
        Method::Head => Request::head(&arguments.url),
    };
    let limit = arguments.max_bytes.unwrap_or(DEFAULT_BYTES).min(MAX_BYTES);
    let response = request.header("accept", "text/*, application/json, */*;q=0.5").cut_body_at(limit).send()?;
    let value = Fetched {
        status: response.status,
        content_type: response.header("content-type").map(str::to_owned),
        location: response.header("location").map(str::to_owned),
        bytes: response.body().len(),
        truncated: response.was_cut(),
    };
    Ok(Report { text: shown(&response, &value), value })
}

openclaw_guest::skill!(fetch);

fn shown(response: &Response, fetched: &Fetched) -> String {
    let mut text = format!("HTTP {}", fetched.status);
    if let Some(kind) = &fetched.content_type {
        text.push_str(&format!(", {kind}"));
    }
    if let Some(location) = &fetched.location {
        text.push_str(&format!(", points to {location}"));
    }
    if response.body().is_empty() {
        return text;
    }
    let body = readable(response.body(), fetched.truncated);
    let Some(body) = body else {
        text.push_str(&format!("\n\n{} bytes that are no text", fetched.bytes));
        return text;
    };
    text.push_str("\n\n");
    text.push_str(body);
    if fetched.truncated {
        text.push_str(&format!("\n\n(cut after {} bytes)", fetched.bytes));
    }
    text
}

/// The body if it is text. One that was cut may end within a character.
fn readable(body: &[u8], was_cut: bool) -> Option<&str> {
    match std::str::from_utf8(body) {
        Ok(text) => Some(text),
        Err(error) if was_cut && error.error_len().is_none() => std::str::from_utf8(&body[..error.valid_up_to()]).ok(),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_body_may_end_within_a_character_and_no_other_may() {
        assert_eq!(readable("é".as_bytes(), false), Some("é"));
        assert_eq!(readable(&"aé".as_bytes()[..2], true), Some("a"));
        assert_eq!(readable(&"aé".as_bytes()[..2], false), None);
        assert_eq!(readable(&[0xff, b'a'], true), None);
    }
}
