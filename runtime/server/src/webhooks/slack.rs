//! Slack's outgoing webhooks: a form whose field `token` is all the proof there is.
//!
//! Invariant: the pair `token=…` is taken out before anything else sees the body; every other byte stays as it came,
//! so what a transform reads is what Slack wrote.

use bytes::{Bytes, BytesMut};
use openclaw_domain::Refusal;

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
    fn a_form_with_no_token_or_two_is_refused() {
        let refused = |form: &'static str| take_token(&Bytes::from_static(form.as_bytes())).unwrap_err();
        assert!(matches!(refused("text=token"), Refusal::WebhookUnauthorized));
        assert!(matches!(refused(""), Refusal::WebhookUnauthorized));
        assert!(matches!(refused("tokens=1&Token=2"), Refusal::WebhookUnauthorized));
        assert!(matches!(refused("token=a&token=a"), Refusal::InvalidRequest { .. }));
        assert!(matches!(refused("token=a&tok%65n=b"), Refusal::InvalidRequest { .. }));
    }
}
