//! Slack's verification token: all the proof that its outgoing webhooks have, and what its signed requests still carry.
//!
//! Invariant: the token is taken out before anything else sees the body; every other byte stays as it came, so what a
//! transform reads is what Slack wrote.

use std::fmt;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use openclaw_domain::Refusal;
use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Takes the pair `token=…` out of a form and gives its decoded value with what is left.
///
/// # Errors
/// A form without the field is unauthorized; one with two is malformed, since readers differ on which one counts.
pub(super) fn take_token(form: &Bytes) -> Result<(String, Bytes), Refusal> {
    let mut found = None;
    let mut start = 0;
    for pair in form.split(|byte| *byte == b'&') {
        let end = start + pair.len();
        if let Some((name, value)) = form_urlencoded::parse(pair).next()
            && name == "token"
            && found.replace((start, end, value.into_owned())).is_some()
        {
            return Err(Refusal::invalid("token", "stands in the form more than once; send it once"));
        }
        start = end + 1;
    }
    let (start, end, token) = found.ok_or(Refusal::WebhookUnauthorized)?;
    Ok((token, without(form, start, end)))
}

/// A signed body without the token: a form loses the pair `token=…`, JSON (also that of a form's `payload`) keeps the
/// field with nothing in it.
///
/// # Errors
/// As [`take_token`], where the field stands twice.
pub(super) fn without_token(content_type: Option<&str>, body: Bytes) -> Result<Bytes, Refusal> {
    if content_type != Some("application/x-www-form-urlencoded") {
        return Ok(blanked(&body).map_or(body, Bytes::from));
    }
    let form = match take_token(&body) {
        Ok((_, rest)) => rest,
        Err(Refusal::WebhookUnauthorized) => body,
        Err(refusal) => return Err(refusal),
    };
    let mut start = 0;
    for pair in form.split(|byte| *byte == b'&') {
        let end = start + pair.len();
        if let Some((name, value)) = form_urlencoded::parse(pair).next()
            && name == "payload"
            && let Some(blank) = blanked(value.as_bytes())
        {
            let mut rest = BytesMut::with_capacity(form.len());
            rest.extend_from_slice(&form[..start]);
            rest.extend_from_slice(b"payload=");
            form_urlencoded::byte_serialize(&blank).for_each(|piece| rest.extend_from_slice(piece.as_bytes()));
            rest.extend_from_slice(&form[end..]);
            return Ok(rest.freeze());
        }
        start = end + 1;
    }
    Ok(form)
}

/// JSON whose own field `token` has nothing in it; `None` if it has none.
fn blanked(json: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(json).ok()?;
    let mut found = Vec::new();
    let spans = TokenSpans { start: text.as_ptr().addr(), found: &mut found };
    // JSON that ends in an error is nothing a transform could read either; what was found before is blanked all the same.
    let _ = serde_json::Deserializer::from_str(text).deserialize_map(spans);
    if found.is_empty() {
        return None;
    }
    let mut blank = Vec::with_capacity(json.len());
    let mut from = 0;
    for span in found {
        blank.extend_from_slice(&json[from..span.start]);
        blank.extend_from_slice(b"\"\"");
        from = span.end;
    }
    blank.extend_from_slice(&json[from..]);
    Some(blank)
}

/// Where the values of `token` stand in a text that begins at the address `start`.
struct TokenSpans<'a> {
    start: usize,
    found: &'a mut Vec<Range<usize>>,
}

impl<'de> Visitor<'de> for TokenSpans<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key != "token" {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = map.next_value::<&'de RawValue>()?.get();
            let start = value.as_ptr().addr() - self.start;
            self.found.push(start..start + value.len());
        }
        Ok(())
    }
}

/// The form without the pair at `start..end` and without one of the `&` beside it.
fn without(form: &Bytes, start: usize, end: usize) -> Bytes {
    if start == 0 {
        return form.slice((end + 1).min(form.len())..);
    }
    if end == form.len() {
        return form.slice(..start - 1);
    }
    let mut rest = BytesMut::with_capacity(form.len());
    rest.extend_from_slice(&form[..start - 1]);
    rest.extend_from_slice(&form[end..]);
    rest.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(form: &'static str) -> (String, String) {
        let (token, rest) = take_token(&Bytes::from_static(form.as_bytes())).unwrap();
        (token, String::from_utf8(rest.to_vec()).unwrap())
    }

    #[test]
    fn the_token_is_taken_out_wherever_it_stands_and_the_rest_keeps_its_bytes() {
        assert_eq!(taken("token=abc&text=a+b%20c"), ("abc".into(), "text=a+b%20c".into()));
        assert_eq!(taken("text=a+b%20c&token=abc"), ("abc".into(), "text=a+b%20c".into()));
        assert_eq!(taken("a=%7e&token=a%2Bc&b=&&c"), ("a+c".into(), "a=%7e&b=&&c".into()));
        assert_eq!(taken("%74oken=abc&x=1"), ("abc".into(), "x=1".into()));
        assert_eq!(taken("token=abc"), ("abc".into(), String::new()));
        assert_eq!(taken("token"), (String::new(), String::new()));
    }

    #[test]
    fn a_signed_body_loses_its_token_and_no_other_byte() {
        const FORM: Option<&str> = Some("application/x-www-form-urlencoded");
        let without = |content_type, body: &'static str| {
            let rest = without_token(content_type, Bytes::from_static(body.as_bytes())).unwrap();
            String::from_utf8(rest.to_vec()).unwrap()
        };
        assert_eq!(without(FORM, "a=1&token=s3cr3t&text=a+b"), "a=1&text=a+b");
        assert_eq!(without(FORM, "a=1&text=a+b"), "a=1&text=a+b");
        let events = r#"{ "token" : "s3cr\"3t","event":{"token":"kept"}, "a":1.0 }"#;
        assert_eq!(without(None, events), r#"{ "token" : "","event":{"token":"kept"}, "a":1.0 }"#);
        assert_eq!(without(None, r#"{"token":"a","x":1,"\u0074oken":"b"}"#), r#"{"token":"","x":1,"\u0074oken":""}"#);
        assert_eq!(without(None, "not json"), "not json");
        assert_eq!(without(None, r#"{"a":1}"#), r#"{"a":1}"#);
        let interactive = "payload=%7B%22type%22%3A%22block_actions%22%2C%22token%22%3A%22s3cr3t%22%7D&x=1";
        assert_eq!(
            without(FORM, interactive),
            "payload=%7B%22type%22%3A%22block_actions%22%2C%22token%22%3A%22%22%7D&x=1"
        );
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(512))]

        #[test]
        fn whatever_stands_around_a_token_it_is_taken_out(before in ".{0,20}", token in "[a-z0-9\"\\\\é]{1,20}", after in "\\PC{0,20}") {
            let before_it = serde_json::json!({ "a": before }).to_string();
            let rest = serde_json::json!({ "z": { "token": after } }).to_string();
            let inner = |object: &str| object[1..object.len() - 1].to_owned();
            let json = |token: &str| {
                format!("{{{},\"token\":{},{}}}", inner(&before_it), serde_json::json!(token), inner(&rest))
            };
            let got = without_token(None, Bytes::from(json(&token))).unwrap();
            proptest::prop_assert_eq!(got, Bytes::from(json("")));
            // No text makes it fail, JSON or not.
            let _ = without_token(None, Bytes::from(format!("{before}{after}")));
            let _ = without_token(Some("application/x-www-form-urlencoded"), Bytes::from(format!("payload={before}&{after}")));
        }
    }

    #[test]
    fn a_form_with_no_token_or_two_is_refused() {
        let refused = |form: &'static str| take_token(&Bytes::from_static(form.as_bytes())).unwrap_err();
        assert!(matches!(refused("text=token"), Refusal::WebhookUnauthorized));
        assert!(matches!(refused(""), Refusal::WebhookUnauthorized));
        assert!(matches!(refused("tokens=1&Token=2"), Refusal::WebhookUnauthorized));
        assert!(matches!(refused("token=a&token=a"), Refusal::InvalidRequest { .. }));
        assert!(matches!(refused("token=a&tok%65n=b"), Refusal::InvalidRequest { .. }));
    }
}
