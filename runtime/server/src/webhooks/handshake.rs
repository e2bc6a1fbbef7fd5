//! Requests by which a provider asks whether anybody is there: answered by the host, shown to no transform.
//!
//! Invariants: what needs a signature has one by the time it gets here, except Slack's check of the certificate, which
//! has none and is answered with nothing. A key signs no text that could be a request: Zoom's token is letters and
//! digits, and what Zoom signs begins with `v0:`.

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::verify::{Proof, Verifier};

/// Longest challenge that is sent back, in bytes.
const LONGEST_CHALLENGE: usize = 512;

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Handshake {
    /// 200 and this text.
    Text(String),
    /// 200 and this JSON.
    Json(String),
    /// 204.
    NoContent,
    /// 200 and nothing.
    Empty,
    /// 200; the request is recorded as discarded, for this reason.
    Recorded(&'static str),
}

#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    challenge: Option<&'a RawValue>,
    #[serde(borrow, default)]
    event: Option<&'a RawValue>,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
    #[serde(borrow, default)]
    zen: Option<&'a RawValue>,
    #[serde(borrow, default)]
    hook_id: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ZoomPayload {
    #[serde(rename = "plainToken")]
    plain_token: String,
}

/// The answer to a verified request, if it is a handshake. `json` is its body, or the JSON its form carries.
pub(super) fn answer(
    verifier: &Verifier,
    proof: &Proof,
    headers: &HeaderMap,
    json: Option<&[u8]>,
) -> Option<Handshake> {
    let scheme = verifier.scheme();
    if !matches!(scheme, "slack" | "discord" | "zoom" | "github") {
        return None;
    }
    let asked: Asked<'_> = serde_json::from_slice(json?).ok()?;
    match scheme {
        "slack" if text(asked.kind)? == "url_verification" => {
            let challenge = text(asked.challenge)?;
            is_challenge(&challenge).then_some(Handshake::Text(challenge))
        }
        // Interactions ping with 1, webhook events with 0; an event of theirs is a 1 with an `event`.
        "discord" => match asked.kind?.get() {
            "1" if asked.event.is_none() => Some(Handshake::Json(r#"{"type":1}"#.to_owned())),
            "0" => Some(Handshake::NoContent),
            _ => None,
        },
        "zoom" if text(asked.event)? == "endpoint.url_validation" => {
            let ZoomPayload { plain_token } = serde_json::from_str(asked.payload?.get()).ok()?;
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_+/=".contains(&byte);
            if plain_token.is_empty() || plain_token.len() > LONGEST_CHALLENGE || !plain_token.bytes().all(is_plain) {
                return None;
            }
            let encrypted = hex::encode(verifier.mac_keys()?.sign(proof.key, &[plain_token.as_bytes()]));
            Some(Handshake::Json(format!(r#"{{"plainToken":"{plain_token}","encryptedToken":"{encrypted}"}}"#)))
        }
        // The header is not signed; the two fields only a ping has are.
        "github" if headers.get("x-github-event").is_some_and(|event| event == "ping") => {
            (asked.zen.is_some() && asked.hook_id.is_some()).then_some(Handshake::Recorded("github's ping"))
        }
        _ => None,
    }
}

/// Whether a form is Slack's check of the certificate, which is unsigned and wants an answer and nothing else.
pub(super) fn is_ssl_check(body: &[u8]) -> bool {
    form_urlencoded::parse(body).any(|(name, value)| name == "ssl_check" && value == "1")
}

/// Whether a challenge may be sent back as text.
pub(super) fn is_challenge(text: &str) -> bool {
    (1..=LONGEST_CHALLENGE).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What a GET that subscribes says; each part stands there once or counts for nothing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Subscription {
    pub(super) mode: Option<String>,
    pub(super) verify_token: Option<String>,
    pub(super) challenge: Option<String>,
}

impl Subscription {
    pub(super) fn from_query(query: &str) -> Self {
        let single = |wanted: &str| {
            let mut found = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == wanted);
            found.next().filter(|_| found.next().is_none()).map(|(_, value)| value.into_owned())
        };
        Self { mode: single("hub.mode"), verify_token: single("hub.verify_token"), challenge: single("hub.challenge") }
    }
}

/// The JSON of a request: its body, or the field `payload` of a form.
pub(super) fn json_of<'a>(content_type: Option<&str>, body: &'a Bytes) -> Option<Cow<'a, [u8]>> {
    if content_type == Some("application/x-www-form-urlencoded") {
        let (_, payload) = form_urlencoded::parse(body).find(|(name, _)| name == "payload")?;
        return Some(Cow::Owned(payload.into_owned().into_bytes()));
    }
    Some(Cow::Borrowed(body))
}

fn text(value: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(value?.get()).ok()
}
