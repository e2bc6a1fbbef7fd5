//! World `egress-transform`: an event in, what its endpoint is sent out.
//!
//! Invariant: a header that leaves here can be written into a request as it is. It breaks no line, and it says nothing
//! about where the request goes, how it is framed, who sends it or that it is signed: that is the host's to say.

use openclaw_domain::{EgressEvent, EgressOutcome, TenantId, TraceId};

use crate::bindings::egress::exports::openclaw::gateway::egress as wit;
use crate::host::log::cut;

/// Bytes of a media type: the longest registered ones have some 90.
const CONTENT_TYPE_BYTES: usize = 256;
/// Headers of a payload.
const HEADERS: usize = 32;
/// Bytes of their names and values together: many servers take no more than 8 KiB of all headers.
const HEADER_BYTES: usize = 8 << 10;
/// Bytes of a reason that are kept.
const REASON_BYTES: usize = 4 << 10;

/// Headers a transform does not set, in order. They frame the request or route it (RFC 9110 §7.2, RFC 9112), speak for
/// a credential no component ever has, continue the trace, or are the payload's own field.
const RESERVED: [&str; 23] = [
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "signature",
    "signature-input",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
];
/// Beginnings of more of them: Standard Webhooks' own, what proxies add, and pseudo-headers.
const RESERVED_PREFIXES: [&str; 5] = ["webhook-", "proxy-", "x-forwarded-", "sec-", ":"];

/// An event on its way in.
pub(crate) fn event_to(event: &EgressEvent, tenant: &TenantId, trace: TraceId) -> wit::Event {
    wit::Event {
        id: event.id.clone(),
        kind: event.kind.clone(),
        timestamp: event.timestamp.to_string(),
        tenant: tenant.as_str().to_owned(),
        data: event.data.as_ref().to_owned(),
        trace_id: trace.to_string(),
        endpoint: event.endpoint.as_ref().to_owned(),
        settings: event.settings.as_ref().to_owned(),
    }
}

/// An outcome on its way out, its body against the call's limit; the error completes "the transform … failed: ".
pub(crate) fn outcome_from(outcome: wit::Outcome, output_bytes: usize) -> Result<EgressOutcome, String> {
    match outcome {
        wit::Outcome::Skip(reason) => Ok(EgressOutcome::Skip { reason: cut(&reason, REASON_BYTES).to_owned() }),
        wit::Outcome::Deliver(payload) => {
            if payload.body.len() > output_bytes {
                return Err(format!("a body of {} bytes; the limit is {output_bytes}", payload.body.len()));
            }
            check_content_type(&payload.content_type)?;
            check_headers(&payload.headers)?;
            Ok(EgressOutcome::Deliver {
                content_type: payload.content_type,
                headers: payload.headers.into_iter().map(|header| (header.name, header.value)).collect(),
                body: payload.body.into(),
                missing: payload.missing,
            })
        }
    }
}

fn check_content_type(content_type: &str) -> Result<(), String> {
    if content_type.len() > CONTENT_TYPE_BYTES {
        return Err(format!("a content type of {} bytes; the limit is {CONTENT_TYPE_BYTES}", content_type.len()));
    }
    if !content_type.contains('/') || !is_value(content_type) {
        return Err(format!("`{}` is no content type", content_type.escape_debug()));
    }
    Ok(())
}

fn check_headers(headers: &[wit::Header]) -> Result<(), String> {
    if headers.len() > HEADERS {
        return Err(format!("{} headers; the limit is {HEADERS}", headers.len()));
    }
    let bytes: usize = headers.iter().map(|header| header.name.len() + header.value.len()).sum();
    if bytes > HEADER_BYTES {
        return Err(format!("headers of {bytes} bytes; the limit is {HEADER_BYTES}"));
    }
    for header in headers {
        let name = header.name.as_str();
        if RESERVED.contains(&name) || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
            return Err(format!(
                "header `{}` is not a transform's to set; the endpoint's `headers` may",
                name.escape_debug()
            ));
        }
        if !is_name(name) {
            return Err(format!("`{}` is no header name: lower-case letters, digits and `-`", name.escape_debug()));
        }
        if !is_value(&header.value) {
            return Err(format!("the value of header `{name}` is not printable ASCII"));
        }
    }
    Ok(())
}

/// A token of RFC 9110 §5.6.2, in lower case.
fn is_name(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_token)
}

/// What RFC 9110 §5.5 calls a field value, without the bytes above ASCII that peers read differently.
fn is_value(value: &str) -> bool {
    value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) && value.trim_ascii().len() == value.len()
}

/// A transform's no: the code as WIT names it, and its words.
pub(crate) fn failure_text(failure: &wit::Failure) -> String {
    let code = match failure.code {
        wit::FailureCode::UnsupportedEvent => "unsupported-event",
        wit::FailureCode::BadSettings => "bad-settings",
        wit::FailureCode::Failed => "failed",
    };
    format!("{code}: {}", cut(&failure.message, REASON_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(content_type: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<EgressOutcome, String> {
        let payload = wit::Payload {
            content_type: content_type.to_owned(),
            headers: headers
                .iter()
                .map(|(name, value)| wit::Header { name: (*name).to_owned(), value: (*value).to_owned() })
                .collect(),
            body: body.to_vec(),
            missing: 2,
        };
        outcome_from(wit::Outcome::Deliver(payload), 16)
    }

    #[test]
    fn a_payload_leaves_as_it_was_made() {
        let outcome = judged("application/json; charset=utf-8", &[("x-a", "1, \"2\"\t"), ("x-a", "")], b"{}");
        assert_eq!(outcome.unwrap_err(), "the value of header `x-a` is not printable ASCII");
        let outcome = judged("application/json; charset=utf-8", &[("x-a", "1, \"2\""), ("x-a", "")], b"{}").unwrap();
        let EgressOutcome::Deliver { content_type, headers, body, missing } = outcome else { panic!("{outcome:?}") };
        assert_eq!((content_type.as_str(), &body[..], missing), ("application/json; charset=utf-8", &b"{}"[..], 2));
        assert_eq!(headers, [("x-a".to_owned(), "1, \"2\"".to_owned()), ("x-a".to_owned(), String::new())]);
    }

    #[test]
    fn a_payload_that_is_too_large_is_refused_with_its_limit() {
        assert_eq!(judged("a/b", &[], &[0; 17]).unwrap_err(), "a body of 17 bytes; the limit is 16");
        assert!(judged("a/b", &[], &[0; 16]).is_ok());
        let many = vec![("x-a", ""); 33];
        assert_eq!(judged("a/b", &many, b"").unwrap_err(), "33 headers; the limit is 32");
        let long = "x".repeat(8190);
        assert_eq!(judged("a/b", &[("x-a", &long)], b"").unwrap_err(), "headers of 8193 bytes; the limit is 8192");
        assert!(judged(&format!("a/{}", "b".repeat(255)), &[], b"").unwrap_err().contains("limit is 256"));
    }

    #[test]
    fn a_header_can_neither_break_a_line_nor_speak_for_the_host() {
        for content_type in ["", "json", "a/b\r\nx-a: 1", "a/é", "a/b "] {
            assert!(judged(content_type, &[], b"").unwrap_err().contains("is no content type"), "{content_type}");
        }
        for name in RESERVED.into_iter().chain(["webhook-id", "webhook-x", "proxy-authorization", "x-forwarded-for"]) {
            let error = judged("a/b", &[(name, "x")], b"").unwrap_err();
            assert!(error.contains("not a transform's to set"), "{error}");
        }
        for name in ["", "X-A", "a b", "a:b", "a\r\n", "é"] {
            assert!(judged("a/b", &[(name, "x")], b"").unwrap_err().contains("no header name"), "{name}");
        }
        for value in ["a\r\nb: c", "a\nb", "\0", "é", " a", "\u{7f}"] {
            assert!(judged("a/b", &[("x-a", value)], b"").unwrap_err().contains("printable"), "{value}");
        }
    }

    #[test]
    fn a_no_begins_with_its_code_and_long_reasons_are_cut() {
        let failure =
            wit::Failure { code: wit::FailureCode::UnsupportedEvent, message: "x".repeat(5000), retryable: false };
        let text = failure_text(&failure);
        assert!(text.starts_with("unsupported-event: xxx") && text.len() <= 4200, "{} bytes", text.len());
        let skip = outcome_from(wit::Outcome::Skip("x".repeat(5000)), 16).unwrap();
        assert!(matches!(skip, EgressOutcome::Skip { reason } if reason.len() <= 4096));
    }
}
