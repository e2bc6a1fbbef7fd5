//! A webhook's body, read as its media type says.
//!
//! Invariant: a body is never taken for something its sender did not say it is; only where the
//! sender said nothing is JSON tried before text.

use std::borrow::Cow;
use std::fmt;

use crate::form::Form;
use crate::value::{Kind, Value};

/// A readable body.
#[derive(Clone, Debug)]
pub enum Body<'a> {
    /// JSON, or a form whose only field is `payload` and holds a JSON object or array.
    Json(Json<'a>),
    /// Any other form.
    Form(Form<'a>),
    /// Anything else that is text.
    Text(&'a str),
}

/// A JSON body: its exact text, already checked.
#[derive(Clone, Debug)]
pub struct Json<'a> {
    text: Cow<'a, str>,
}

impl Json<'_> {
    /// The exact text, whitespace and all.
    pub fn source(&self) -> &str {
        &self.text
    }

    /// The value it spells.
    pub fn value(&self) -> Value<'_> {
        Value::trusted(without_bom(&self.text).trim_matches([' ', '\t', '\n', '\r']))
    }
}

/// Why a body cannot be read; the text says what would help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(String);

impl fmt::Display for Unreadable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl<'a> Body<'a> {
    /// Reads a body of this media type (lower case, without parameters).
    pub fn read(content_type: Option<&str>, bytes: &'a [u8]) -> Result<Self, Unreadable> {
        if content_type.is_some_and(|media| media.starts_with("multipart/")) {
            return Err(Unreadable("a multipart body cannot be read; send JSON or a url-encoded form".into()));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            Unreadable(format!("the body is not UTF-8 text (byte {}); send it as UTF-8", error.valid_up_to()))
        })?;
        match content_type {
            Some("application/x-www-form-urlencoded") => Ok(Self::form(text)),
            Some(media) if is_json(media) => match Value::parse(without_bom(text)) {
                Ok(_) => Ok(Self::Json(Json { text: Cow::Borrowed(text) })),
                Err(error) => Err(Unreadable(format!("the body is sent as `{media}` and is not JSON: {error}"))),
            },
            Some(_) => Ok(Self::Text(text)),
            None if Value::parse(without_bom(text)).is_ok() => Ok(Self::Json(Json { text: Cow::Borrowed(text) })),
            None => Ok(Self::Text(text)),
        }
    }

    fn form(text: &'a str) -> Self {
        let form = Form::new(text);
        let mut fields = form.fields();
        // GitHub and Slack's interactive messages wrap their JSON like this. With a second field beside
        // it the form is somebody else's, and reading only `payload` would lose what they sent.
        if let (Some(field), None) = (fields.next(), fields.next())
            && field.name() == "payload"
        {
            let text = field.value();
            let holds_json = Value::parse(&text).is_ok_and(|value| matches!(value.kind(), Kind::Object | Kind::Array));
            if holds_json {
                return Self::Json(Json { text });
            }
        }
        Self::Form(form)
    }

    /// The exact text; of a `payload` form, that field's.
    pub fn text(&self) -> &str {
        match self {
            Self::Json(json) => json.source(),
            Self::Form(form) => form.source(),
            Self::Text(text) => text,
        }
    }
}

/// Whether a media type is JSON: `application/json`, or any with the `+json` suffix of RFC 6839.
fn is_json(media: &str) -> bool {
    media == "application/json" || media.ends_with("+json")
}

/// RFC 8259 §8.1: a parser may ignore a byte order mark, and some senders write one.
fn without_bom(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kind(media: Option<&str>, bytes: &[u8]) -> String {
        match Body::read(media, bytes) {
            Ok(Body::Json(json)) => format!("json {}", json.value().source()),
            Ok(Body::Form(form)) => format!("form {}", form.source()),
            Ok(Body::Text(text)) => format!("text {text}"),
            Err(error) => format!("error {error}"),
        }
    }

    #[test]
    fn a_body_is_read_as_its_media_type_says() {
        const FORM: Option<&str> = Some("application/x-www-form-urlencoded");
        assert_eq!(kind(Some("application/json"), b" {\"a\":1}\n"), "json {\"a\":1}");
        assert_eq!(kind(Some("application/cloudevents+json"), b"[]"), "json []");
        assert_eq!(kind(Some("application/json"), "\u{feff}{}".as_bytes()), "json {}");
        assert_eq!(kind(Some("text/plain"), b"{}"), "text {}");
        assert_eq!(kind(Some("application/xml"), b"<a/>"), "text <a/>");
        assert_eq!(kind(None, b"[1]"), "json [1]");
        assert_eq!(kind(None, b"[1"), "text [1");
        assert_eq!(kind(FORM, b"a=1"), "form a=1");
        assert_eq!(kind(FORM, b"payload=%7B%22a%22%3A+1%7D"), "json {\"a\": 1}");
        assert_eq!(kind(FORM, b"payload=%7B%7D&x=1"), "form payload=%7B%7D&x=1");
        assert_eq!(kind(FORM, b"payload=7"), "form payload=7");
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_the_place_and_the_fix() {
        assert_eq!(
            kind(Some("application/json"), b"{\n\"a\":}"),
            "error the body is sent as `application/json` and is not JSON: expected a value at line 2, column 5"
        );
        assert_eq!(kind(None, b"ab\xff"), "error the body is not UTF-8 text (byte 2); send it as UTF-8");
        assert!(kind(Some("multipart/form-data"), b"").starts_with("error a multipart body"));
    }

    proptest! {
        #[test]
        fn no_body_panics(bytes in any::<Vec<u8>>(), media in prop::sample::select(vec![
            None, Some("application/json"), Some("application/x-www-form-urlencoded"), Some("text/plain"),
        ])) {
            if let Ok(body) = Body::read(media, &bytes) {
                let _ = body.text();
            }
        }
    }
}
