//! One attempt: the request as it is sent, and what is read of the answer.
//!
//! Invariant: an attempt ends by its deadline, reads at most [`READ_BYTES`] of what is answered, and keeps at most
//! [`EXCERPT_BYTES`] of it, without any credential of ours that was echoed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use openclaw_domain::ports::Egress;
use openclaw_domain::{
    Attempt, BodyStream, Clock, DeliveryBody, DeliveryId, EgressError, EgressLimits, Event, NamePolicy, Outgoing,
    OutgoingBody,
};

use super::fill::fill;
use super::redact::Credentials;
use super::schedule::retry_after;
use super::settings::OutgoingEndpoint;
use super::signing::sign;
use super::verdict::{Ending, complaint};

/// Bytes of an answer that are read: a receiver that writes for ever is cut.
const READ_BYTES: u64 = 64 << 10;
/// Bytes of them that are kept when the answer is no success.
const EXCERPT_BYTES: usize = 1 << 10;
/// The way out keeps the deadline; should it not, an attempt still ends.
const GRACE: Duration = Duration::from_secs(5);

/// Who sends.
pub(super) struct Sender<'a> {
    pub(super) egress: &'a dyn Egress,
    pub(super) clock: &'a dyn Clock,
    pub(super) user_agent: &'a HeaderValue,
}

impl Sender<'_> {
    /// Makes one attempt at a delivery whose body is decided.
    ///
    /// Cancel safety: dropping it closes the connection; the receiver may have had everything.
    pub(super) async fn attempt(
        &self,
        endpoint: &OutgoingEndpoint,
        id: DeliveryId,
        event: &Event,
        body: &DeliveryBody,
    ) -> (Ending, Attempt) {
        let (at, began) = (self.clock.now(), Instant::now());
        let outgoing = self.request(endpoint, id, event, body, began + endpoint.timeout);
        let (ending, excerpt) = match outgoing {
            Ok(outgoing) => self.exchange(outgoing, endpoint).await,
            Err(error) => (Ending::Failed(error), String::new()),
        };
        let status = match &ending {
            Ending::Answered { status, .. } => Some(*status),
            Ending::Failed(_) => None,
        };
        let error = match &ending {
            // Such an error may quote what the receiver said.
            Ending::Failed(error @ EgressError::Protocol(_)) => {
                Some(Credentials::of(endpoint).cut_out(&error.to_string(), EXCERPT_BYTES))
            }
            _ => complaint(&ending, endpoint),
        };
        let excerpt = if error.is_some() { excerpt } else { String::new() };
        (ending, Attempt { at, duration: began.elapsed(), status, error, excerpt })
    }

    fn request(
        &self,
        endpoint: &OutgoingEndpoint,
        id: DeliveryId,
        event: &Event,
        body: &DeliveryBody,
        deadline: Instant,
    ) -> Result<Outgoing, EgressError> {
        // Filled in here, last, and nowhere kept: what lies in the outbox names its variables.
        let filled = match &body.slots[..] {
            [] => body.body.clone(),
            slots => match fill(slots, endpoint.transform.slots(), &body.body) {
                Ok(filled) => Bytes::from(filled.expose().clone()),
                Err(name) => {
                    let reason = format!(
                        "needs `${{{name}}}`, which `{}` names no more; name it there again, then replay",
                        endpoint.at
                    );
                    return Err(EgressError::BadRequest { part: "body".to_owned(), reason });
                }
            },
        };
        let signed = sign(&endpoint.keys, id, self.clock.now(), &filled);
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, self.user_agent.clone());
        headers.insert(CONTENT_TYPE, header_value("content-type", &body.content_type)?);
        for (name, value) in &body.headers {
            let name: HeaderName = name
                .parse()
                .map_err(|_| EgressError::BadRequest { part: format!("header {name}"), reason: "is no name".into() })?;
            let value = header_value(name.as_str(), value)?;
            headers.insert(name, value);
        }
        // The operator's own come last and win; those that sign or route cannot be among them.
        for (name, value) in endpoint.headers.expose() {
            headers.insert(name.clone(), value.clone());
        }
        headers.insert("webhook-id", header_value("webhook-id", &signed.id)?);
        headers.insert("webhook-timestamp", header_value("webhook-timestamp", &signed.timestamp)?);
        if let Some(signatures) = &signed.signatures {
            headers.insert("webhook-signature", header_value("webhook-signature", signatures)?);
        }
        headers.insert("traceparent", header_value("traceparent", &event.fact.trace.to_traceparent())?);
        Ok(Outgoing {
            tenant: endpoint.key.tenant.clone(),
            sender: format!("webhook {}", endpoint.key.name).into(),
            method: http::Method::POST,
            origin: endpoint.origin.clone(),
            path_and_query: endpoint.path_and_query.expose().clone(),
            headers,
            secret_headers: Vec::new(),
            body: OutgoingBody::Full(filled),
            names: NamePolicy::Configured,
            allow_private: endpoint.allow_private,
            limits: EgressLimits { response_body_bytes: READ_BYTES, ..EgressLimits::default() },
            deadline,
        })
    }

    async fn exchange(&self, outgoing: Outgoing, endpoint: &OutgoingEndpoint) -> (Ending, String) {
        let deadline = outgoing.deadline;
        let answer = tokio::time::timeout_at((deadline + GRACE).into(), self.egress.send(outgoing)).await;
        let incoming = match answer {
            Ok(Ok(incoming)) => incoming,
            Ok(Err(error)) => return (Ending::Failed(error), String::new()),
            Err(_) => return (Ending::Failed(EgressError::TimedOut), String::new()),
        };
        let after = incoming.headers.get(RETRY_AFTER).and_then(|header| header.to_str().ok());
        let after = after.and_then(|header| retry_after(header, self.clock.now()));
        // The status has decided. The rest is read so that a receiver can finish its sentence, and no longer.
        let credentials = Credentials::of(endpoint);
        let (mut read, bound) = (Vec::new(), EXCERPT_BYTES + credentials.longest());
        drop(tokio::time::timeout_at(deadline.into(), drain(incoming.body, &mut read, bound)).await);
        let status = incoming.status.as_u16();
        (Ending::Answered { status, retry_after: after }, excerpt(&read, &credentials))
    }
}

fn header_value(name: &str, value: &str) -> Result<HeaderValue, EgressError> {
    let wrong =
        |_| EgressError::BadRequest { part: format!("header {name}"), reason: "has no value HTTP allows".into() };
    HeaderValue::from_str(value).map_err(wrong)
}

/// Reads an answer to its end, its bound or its first error, keeping its beginning.
async fn drain(mut body: BodyStream, kept: &mut Vec<u8>, bound: usize) {
    let mut left = READ_BYTES;
    while let Some(Ok(chunk)) = body.next().await {
        let room = bound.saturating_sub(kept.len());
        kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
        left = left.saturating_sub(chunk.len() as u64);
        if left == 0 {
            return;
        }
    }
}

/// What is kept of an answer: text, without control characters and without our own credentials.
fn excerpt(read: &[u8], credentials: &Credentials) -> String {
    let text: String = String::from_utf8_lossy(read)
        .chars()
        .map(|letter| if letter.is_control() && !matches!(letter, '\n' | '\t') { ' ' } else { letter })
        .collect();
    credentials.cut_out(&text, EXCERPT_BYTES)
}

/// The name this gateway goes by.
pub(super) fn user_agent(version: &str) -> Arc<HeaderValue> {
    Arc::new(HeaderValue::from_str(&format!("openclaw/{version}")).unwrap_or(HeaderValue::from_static("openclaw")))
}
