//! Turns a [`Refusal`] into a frame's payload or an HTTP response: the one place where that happens.
//!
//! Invariant: what is internal is logged whole here and never sent.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use openclaw_domain::{Refusal, TraceId};
use openclaw_protocol::ErrorPayload;
use serde::Serialize;

/// The payload of the `error` frame; `request` is the `type` of the refused request.
pub(crate) fn error_payload<'a>(
    refusal: &Refusal,
    request: Option<&'a str>,
    trace: Option<TraceId>,
) -> ErrorPayload<'a> {
    if let Refusal::Internal(source) = refusal {
        tracing::error!(error = source.as_ref(), request, ?trace, "a request failed inside the gateway");
    }
    let (path, retryable) = match refusal {
        Refusal::InvalidArguments { path, .. } => (Some(path.clone()), None),
        Refusal::SkillFailed { failure, .. } => (None, Some(failure.retryable)),
        _ => (None, None),
    };
    ErrorPayload {
        code: refusal.code().as_str(),
        message: refusal.to_string(),
        hint: refusal.hint(),
        retry_after_ms: refusal.retry_after().map(millis_up),
        request,
        path,
        retryable,
        trace_id: trace.map(|trace| trace.to_string()),
    }
}

/// The response at an HTTP door: `{"error":{"code","message","hint",…}}` with the refusal's status.
pub(crate) fn http_refusal(refusal: &Refusal, trace: Option<TraceId>) -> Response {
    #[derive(Serialize)]
    struct Body<'a> {
        error: ErrorPayload<'a>,
    }
    let error = error_payload(refusal, None, trace);
    let status = StatusCode::from_u16(refusal.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let retry_after = refusal.retry_after();
    let body = serde_json::to_string(&Body { error }).unwrap_or_default();
    let mut response = (status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
    if let Some(after) = retry_after {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// Whole milliseconds, never rounded down to a moment that is too early.
fn millis_up(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use openclaw_domain::Code;

    #[test]
    fn an_internal_failure_says_nothing_of_its_cause() {
        let payload = error_payload(&Refusal::internal("disk /dev/sda1 is full"), Some("status"), None);
        let text = serde_json::to_string(&payload).unwrap();
        assert_eq!(
            text,
            r#"{"code":"INTERNAL","message":"the gateway could not finish the request","request":"status"}"#
        );
    }

    /// The table of the documentation. A code's status is part of its promise.
    const STATUSES: [(&str, u16); 24] = [
        ("AUTH_REQUIRED", 401),
        ("AUTH_INVALID", 401),
        ("RATE_LIMITED", 429),
        ("SKILL_NOT_FOUND", 404),
        ("GATEWAY_BUSY", 503),
        ("WEBHOOK_INVALID", 401),
        ("INVALID_REQUEST", 400),
        ("INVALID_ARGUMENTS", 400),
        ("FORBIDDEN", 403),
        ("CAPABILITY_DENIED", 403),
        ("APPROVAL_REQUIRED", 403),
        ("SKILL_FAILED", 422),
        ("SKILL_TRAPPED", 502),
        ("SKILL_TIMEOUT", 504),
        ("SKILL_MEMORY", 502),
        ("SKILL_OUTPUT", 502),
        ("TRANSFORM_FAILED", 422),
        ("PAYLOAD_TOO_LARGE", 413),
        ("UNSUPPORTED_TYPE", 415),
        ("QUEUE_FULL", 503),
        ("CANCELLED", 499),
        ("NOT_CONFIGURED", 501),
        ("MODEL_FAILED", 502),
        ("INTERNAL", 500),
    ];

    #[test]
    fn every_code_has_the_http_status_that_was_promised() {
        assert_eq!(Code::ALL.map(|code| (code.as_str(), code.http_status())), STATUSES);
        let (guest, skill, tool) = ("s".to_owned(), "s".parse().unwrap(), "t".parse().unwrap());
        let second = Duration::from_secs(1);
        for (refusal, status) in [
            (Refusal::WebhookUnauthorized, 401),
            (Refusal::WebhookUnknownPath, 404),
            (Refusal::Busy(String::new()), 503),
            (Refusal::QueueFull("inbox"), 503),
            (Refusal::Foreign { header: "Host", value: String::new(), key: "k" }, 403),
            (Refusal::Trapped { guest: guest.clone(), reason: String::new() }, 502),
            (Refusal::OverLimit { guest: guest.clone(), what: "handles", limit: 1 }, 502),
            (Refusal::OutOfMemory { guest: guest.clone(), limit_bytes: 1 }, 502),
            (Refusal::BadOutput { guest: guest.clone(), reason: String::new() }, 502),
            (Refusal::TimedOut { guest, limit: second }, 504),
            (Refusal::InvalidArguments { skill, tool, path: String::new(), reason: String::new() }, 400),
            (Refusal::Cancelled, 499),
        ] {
            assert_eq!(http_refusal(&refusal, None).status().as_u16(), status, "{refusal}");
        }
    }

    #[test]
    fn a_busy_gateway_blames_no_limit_that_was_not_reached() {
        let refusal = Refusal::Busy("all instances are in use".to_owned());
        assert_eq!(error_payload(&refusal, None, None).hint.as_deref(), Some("try again in a moment"));
    }

    #[test]
    fn a_rate_limit_tells_when_to_come_back() {
        let refusal =
            Refusal::RateLimited { what: "commands".to_owned(), retry_after: Duration::from_micros(1_200_001) };
        assert_eq!(error_payload(&refusal, None, None).retry_after_ms, Some(1201));
        let response = http_refusal(&refusal, None);
        assert_eq!((response.status().as_u16(), response.headers()["retry-after"].to_str().unwrap()), (429, "2"));
    }
}
