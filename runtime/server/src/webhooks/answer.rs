//! What the sender hears: one place where a result becomes an HTTP response.
//!
//! Invariant: of what a guest chose, only status, media type and body get out; no other header is its to set.

use std::fmt::Display;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{
    ALLOW, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use openclaw_domain::ports::InboxRecord;
use openclaw_domain::{Code, Refusal, TraceId};
use openclaw_protocol::ErrorPayload;
use serde::Serialize;

use super::handshake::Handshake;
use super::measures::{Ending, Measures};
use crate::reply::error_payload;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// An answer on its way out.
pub(super) struct Answer {
    status: StatusCode,
    content_type: HeaderValue,
    body: Bytes,
    /// The code of the refusal it is, if it is one.
    code: Option<Code>,
    /// How the request ended; `None` if it was refused.
    ending: Option<Ending>,
    /// The kept request it is about, for the log: what a transform chose to answer does not say.
    id: Option<String>,
    retry_after: Option<Duration>,
    closes: bool,
    is_guest_made: bool,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: ErrorPayload<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate: Option<bool>,
}

impl Answer {
    fn json(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            content_type: JSON,
            body: body.into(),
            code: None,
            ending: None,
            id: None,
            retry_after: None,
            closes: false,
            is_guest_made: false,
        }
    }

    /// Accepted: on disk, under this id.
    pub(super) fn accepted(id: impl Display, ending: Ending) -> Self {
        Self::json(StatusCode::OK, format!(r#"{{"ok":true,"id":"{id}","duplicate":false}}"#)).ending(ending)
    }

    /// Accepted, and nothing follows from it.
    pub(super) fn discarded(id: impl Display) -> Self {
        Self::json(StatusCode::OK, format!(r#"{{"ok":true,"id":"{id}","duplicate":false,"outcome":"discard"}}"#))
            .ending(Ending::Discard)
    }

    /// Accepted, and decided when the pause ends.
    pub(super) fn queued(id: impl Display) -> Self {
        Self::json(StatusCode::OK, format!(r#"{{"ok":true,"id":"{id}","duplicate":false,"outcome":"queued"}}"#))
            .ending(Ending::Queued)
    }

    /// What the transform chose.
    pub(super) fn chosen(status: u16, content_type: HeaderValue, body: Bytes) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
        Self { content_type, is_guest_made: true, ..Self::json(status, body).ending(Ending::Respond) }
    }

    /// The transform could not; the request is kept under this id.
    pub(super) fn failed(refusal: &Refusal, id: impl Display, trace: TraceId) -> Self {
        let error = error_payload(refusal, None, Some(trace));
        Self::error(refusal, &ErrorBody { error, id: Some(id.to_string()), duplicate: Some(false) })
            .ending(Ending::Failed)
    }

    /// The answer to the same request before.
    pub(super) fn repeated(record: InboxRecord, trace: TraceId) -> Self {
        let InboxRecord { id, status, response } = record;
        if let Some((content_type, body)) = response {
            let content_type = HeaderValue::try_from(content_type).unwrap_or(HeaderValue::from_static("text/plain"));
            return Self::chosen(status, content_type, body).ending(Ending::Duplicate).naming(id);
        }
        if status == Code::TransformFailed.http_status() {
            // What it said then is in the inbox; the sender needs the code, which is the same.
            let refusal = Refusal::TransformFailed { transform: String::new(), reason: String::new() };
            let message = "the transform failed when this request first came; it is kept for replay".to_owned();
            let error = ErrorPayload { message, ..error_payload(&refusal, None, Some(trace)) };
            return Self::error(&refusal, &ErrorBody { error, id: Some(id.clone()), duplicate: Some(true) })
                .ending(Ending::Duplicate)
                .naming(id);
        }
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
        let body = format!(r#"{{"ok":true,"id":"{id}","duplicate":true}}"#);
        Self::json(status, body).ending(Ending::Duplicate).naming(id)
    }

    /// No.
    pub(super) fn refused(refusal: &Refusal, trace: TraceId) -> Self {
        let error = error_payload(refusal, None, Some(trace));
        Self::error(refusal, &ErrorBody { error, id: None, duplicate: None })
    }

    /// No: this endpoint's requests are signed, and this one is not, or not rightly.
    pub(super) fn unsigned(scheme: &str, reason: &str, trace: TraceId) -> Self {
        let refusal = Refusal::WebhookUnauthorized;
        let mut error = error_payload(&refusal, None, Some(trace));
        error.message = format!("the webhook's signature is missing or wrong: {reason}");
        error.hint = Some(format!("sign the bytes of the body as `{scheme}` does, with a secret of this endpoint"));
        Self::error(&refusal, &ErrorBody { error, id: None, duplicate: None })
    }

    /// No: a subscription with another token.
    pub(super) fn wrong_subscription(trace: TraceId) -> Self {
        let refusal = Refusal::WebhookUnauthorized;
        let mut error = error_payload(&refusal, None, Some(trace));
        error.message = "this is no subscription with the verify token of this endpoint".to_owned();
        error.hint = Some("compare `hub.verify_token` with `auth.verifyToken` of the endpoint".to_owned());
        let answer = Self::error(&refusal, &ErrorBody { error, id: None, duplicate: None });
        // What Meta's documentation asks for.
        Self { status: StatusCode::FORBIDDEN, ..answer }
    }

    /// A handshake's answer, in the words of who asked.
    pub(super) fn handshake(handshake: Handshake) -> Option<Self> {
        let (status, content_type, body) = match handshake {
            Handshake::Text(text) => (StatusCode::OK, HeaderValue::from_static("text/plain"), text),
            Handshake::Json(json) => (StatusCode::OK, JSON, json),
            Handshake::NoContent => (StatusCode::NO_CONTENT, JSON, String::new()),
            Handshake::Empty => (StatusCode::OK, HeaderValue::from_static("text/plain"), String::new()),
            Handshake::Recorded(_) => return None,
        };
        // A stranger's challenge must not run as a page of this origin either.
        let answer = Self::json(status, body).ending(Ending::Handshake);
        Some(Self { content_type, is_guest_made: true, ..answer })
    }

    /// No: only POST.
    pub(super) fn wrong_method(trace: TraceId) -> Self {
        let refusal = Refusal::invalid("method", "is not taken here; send POST");
        Self { status: StatusCode::METHOD_NOT_ALLOWED, ..Self::refused(&refusal, trace) }
    }

    fn error(refusal: &Refusal, body: &ErrorBody<'_>) -> Self {
        let body = serde_json::to_vec(body).expect("strings and numbers always serialise");
        let status = StatusCode::from_u16(refusal.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { code: Some(refusal.code()), retry_after: refusal.retry_after(), ..Self::json(status, body) }
    }

    const fn ending(mut self, ending: Ending) -> Self {
        self.ending = Some(ending);
        self
    }

    /// Says which kept request it is about.
    pub(super) fn naming(mut self, id: String) -> Self {
        self.id = Some(id);
        self
    }

    /// The kept request's id, if one is kept.
    pub(super) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Counts it and names its code for the log: `OK`, or the refusal's.
    pub(super) fn measure(&self, measures: &Measures) -> &'static str {
        match (self.ending, self.code) {
            (Some(ending), _) => measures.ended(ending),
            (None, Some(code)) => measures.refused(code),
            (None, None) => {}
        }
        self.code.map_or("OK", Code::as_str)
    }

    /// The connection ends with this answer: part of its request was not read.
    pub(super) const fn closing(mut self, closes: bool) -> Self {
        self.closes = closes;
        self
    }

    /// The status, for the log.
    pub(super) const fn status(&self) -> StatusCode {
        self.status
    }

    /// The response.
    pub(super) fn into_response(self, trace: TraceId) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if self.status != StatusCode::NO_CONTENT {
            headers.insert(CONTENT_TYPE, self.content_type);
        }
        if let Ok(traceparent) = HeaderValue::try_from(trace.to_traceparent()) {
            headers.insert(TRACEPARENT, traceparent);
        }
        if let Some(wait) = self.retry_after {
            // Whole seconds, rounded up: earlier would be refused again.
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)));
        }
        if self.status == StatusCode::METHOD_NOT_ALLOWED && !self.is_guest_made {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        if self.closes {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if self.is_guest_made {
            // A guest's bytes must not run as a page of this origin, which also serves the dashboard.
            headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
            headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        }
        response
    }
}
