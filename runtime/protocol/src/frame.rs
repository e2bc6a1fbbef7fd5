//! The envelope `{type, id?, payload?, timestamp?}` of the guide, in both directions.
//!
//! Invariant: as long as a text is a JSON object with a usable `id`, that id is found, whatever else is wrong with it:
//! a refused request must be answered under its id.

use std::borrow::Cow;
use std::fmt::{self, Display};

use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

/// Longest `id` that is taken, in bytes of its JSON text.
const MAX_ID_BYTES: usize = 256;

/// The `id` of a request, kept as the JSON text that came (a string or a number) and sent back the same.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct RequestId(Box<RawValue>);

impl RequestId {
    /// The id with this text; for ids the gateway makes itself.
    pub fn from_text(text: &str) -> Self {
        let json = serde_json::to_string(text).expect("a string is always JSON");
        Self(RawValue::from_string(json).expect("it was just printed as JSON"))
    }

    /// Takes a string or a number; anything else, or something too long, is no id.
    fn from_raw(raw: &RawValue) -> Option<Self> {
        let json = raw.get();
        let first = *json.as_bytes().first()?;
        if json.len() > MAX_ID_BYTES {
            return None;
        }
        match first {
            // Escapes are normalised, so that `"a"` and its escaped twin are the same id.
            b'"' if json.contains('\\') => serde_json::from_str::<String>(json).ok().map(|text| Self::from_text(&text)),
            b'"' | b'-' | b'0'..=b'9' => Some(Self(raw.to_owned())),
            _ => None,
        }
    }

    /// Its JSON text.
    pub fn as_json(&self) -> &str {
        self.0.get()
    }
}

impl<'de> Deserialize<'de> for RequestId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        Self::from_raw(raw).ok_or_else(|| serde::de::Error::custom("is no string or number of at most 256 bytes"))
    }
}

impl PartialEq for RequestId {
    fn eq(&self, other: &Self) -> bool {
        self.as_json() == other.as_json()
    }
}

impl Eq for RequestId {}

impl Display for RequestId {
    /// Prints the text of a string without its quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_json().trim_matches('"'))
    }
}

/// A frame from a client, borrowed from the text it came in.
#[derive(Clone, Debug)]
pub struct Incoming<'a> {
    /// What is asked.
    pub kind: Cow<'a, str>,
    /// What the answer must carry; `None` if the client sent none.
    pub id: Option<RequestId>,
    /// The payload as JSON text; `{}` if it was missing or `null`.
    pub payload: &'a str,
    /// W3C trace context, if the client put it beside the payload.
    pub traceparent: Option<Cow<'a, str>>,
}

/// Why a text is no frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameError {
    /// The id of the request, if it could be read.
    pub id: Option<RequestId>,
    /// The field that is wrong.
    pub field: &'static str,
    /// Why, as the rest of a sentence that begins with the field.
    pub reason: String,
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    #[serde(borrow)]
    traceparent: Option<&'a RawValue>,
}

/// Reads a frame.
///
/// # Errors
/// The text is no JSON object, or `type`, `id` or `payload` has the wrong shape.
pub fn decode(text: &str) -> Result<Incoming<'_>, FrameError> {
    let fields: Fields<'_> = serde_json::from_str(text).map_err(|error| FrameError {
        id: None,
        field: "frame",
        reason: format!("must be a JSON object `{{type, id, payload}}`: {error}"),
    })?;
    let id = match fields.id {
        None => None,
        Some(raw) => Some(RequestId::from_raw(raw).ok_or_else(|| FrameError {
            id: None,
            field: "id",
            reason: "must be a string or a number of at most 256 bytes".to_owned(),
        })?),
    };
    let Some(kind) = fields.kind.and_then(as_text) else {
        return Err(FrameError { id, field: "type", reason: "must be a string that names the request".to_owned() });
    };
    let payload = fields.payload.map_or("{}", RawValue::get);
    if !payload.starts_with('{') {
        return Err(FrameError { id, field: "payload", reason: "must be a JSON object".to_owned() });
    }
    Ok(Incoming { kind, id, payload, traceparent: fields.traceparent.and_then(as_text) })
}

/// The text of a JSON string, borrowed if it holds no escapes.
fn as_text(raw: &RawValue) -> Option<Cow<'_, str>> {
    let inner = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        return serde_json::from_str(raw.get()).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}

/// A frame to a client. Written straight into the outgoing buffer, so nothing in it is owned.
#[derive(Debug, Serialize)]
pub struct Envelope<'a, Payload, Time: Display> {
    /// What it is: `response`, `error`, `tool_call`, an event's name.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// The request it answers. Only the one reply or error of a request carries it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a RequestId>,
    /// The payload.
    pub payload: Payload,
    /// RFC 3339 in UTC.
    #[serde(serialize_with = "as_display")]
    pub timestamp: Time,
}

/// Prints a value without making a string of it first.
pub(crate) fn as_display<Value: Display, S: Serializer>(value: &Value, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_needs_only_its_type() {
        let frame = decode(r#"{"type":"status"}"#).unwrap();
        assert_eq!((frame.kind.as_ref(), frame.id.is_none(), frame.payload), ("status", true, "{}"));
    }

    #[test]
    fn unknown_fields_are_ignored_and_null_means_missing() {
        let frame = decode(r#"{"type":"chat","id":null,"payload":null,"timestamp":7,"x":[1]}"#).unwrap();
        assert_eq!((frame.id.is_none(), frame.payload), (true, "{}"));
    }

    #[test]
    fn an_id_comes_back_as_it_was_sent() {
        for (sent, back) in [(r#""req-1""#, r#""req-1""#), ("7", "7"), (r#""\u0061\"""#, r#""a\"""#)] {
            let text = format!(r#"{{"type":"status","id":{sent}}}"#);
            assert_eq!(decode(&text).unwrap().id.unwrap().as_json(), back);
        }
    }

    #[test]
    fn a_refused_frame_still_yields_its_id() {
        for text in [r#"{"id":"a"}"#, r#"{"id":"a","type":7}"#, r#"{"id":"a","type":"x","payload":[]}"#] {
            assert_eq!(decode(text).unwrap_err().id, Some(RequestId::from_text("a")), "{text}");
        }
    }

    #[test]
    fn what_is_no_object_or_has_an_impossible_id_is_no_frame() {
        for text in
            ["", "[]", "7", "{", r#"{"type":"x","id":{}}"#, &format!(r#"{{"type":"x","id":"{}"}}"#, "a".repeat(300))]
        {
            assert_eq!(decode(text).unwrap_err().id, None, "{text}");
        }
    }

    #[test]
    fn an_envelope_without_an_id_has_no_id_field() {
        let frame = Envelope { kind: "gap", id: None, payload: crate::Gap { missed: 3 }, timestamp: "T" };
        let text = serde_json::to_string(&frame).unwrap();
        assert_eq!(text, r#"{"type":"gap","payload":{"missed":3},"timestamp":"T"}"#);
    }
}
