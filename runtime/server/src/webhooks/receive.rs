//! One webhook request from its head to its answer.
//!
//! Invariant: `accept` has returned before the answer is made, so a 2xx is on disk; what follows from a request follows
//! from its commit.

use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use http::header::EXPECT;
use openclaw_domain::ports::{Accepted, Guests, Inbox, InboxEntry};
use openclaw_domain::{Clock, IngressCall, IngressRequest, Refusal, Timestamp, TraceId, WebhookId};
use tokio::sync::Semaphore;

use super::address::{EndpointAddress, sender_address};
use super::admission::{Admission, Arrival, Denial};
use super::answer::Answer;
use super::endpoints::{Endpoints, PreparedAuth, PreparedEndpoint};
use super::invocation::{Invocation, Invocations};
use super::measures::{Ending, Measures};
use super::verdict::{Decision, Judgement, judge};
use super::{IngressParts, body, slack, visible};
use crate::auth::ClientAddress;

/// Bodies that are read at one time for endpoints whose proof is in the body: each holds up to its endpoint's limit.
const UNPROVEN_BODIES: usize = 64;

/// What all webhook requests share.
pub(super) struct Ingress {
    guests: Arc<dyn Guests>,
    inbox: Arc<dyn Inbox>,
    clock: Arc<dyn Clock>,
    admission: Admission,
    invocations: Invocations,
    measures: Measures,
    /// Places for bodies of senders that have proven nothing yet.
    unproven: Semaphore,
}

/// Where a request came from, which trace it belongs to and when it came.
#[derive(Clone, Copy)]
struct Origin {
    sender: ClientAddress,
    trace: TraceId,
    now: Timestamp,
}

impl Ingress {
    /// Runs the skill calls that an earlier process owed; the count of them. Call it before the first request.
    ///
    /// # Errors
    /// The inbox cannot be read; the calls stay owed.
    pub(super) async fn resume(&self) -> Result<usize, Refusal> {
        self.invocations.resume().await
    }

    /// Puts the parts together and registers the metrics.
    pub(super) fn new(parts: IngressParts) -> Self {
        let IngressParts { guests, inbox, journal, clock, settings, tasks } = parts;
        Self {
            invocations: Invocations::new(
                Arc::clone(&guests),
                Arc::clone(&inbox),
                journal,
                Arc::clone(&clock),
                tasks,
                Arc::clone(&settings),
            ),
            admission: Admission::new(Endpoints::new(settings)),
            unproven: Semaphore::new(UNPROVEN_BODIES),
            measures: Measures::new(),
            guests,
            inbox,
            clock,
        }
    }
}

/// Serves one request: every method of every path below `/webhook`.
///
/// Cancel safety: a sender that hangs up before `accept` was reached leaves nothing; afterwards all goes on.
pub(super) async fn receive(State(ingress): State<Arc<Ingress>>, request: Request) -> Response {
    let started = Instant::now();
    let (head, body) = request.into_parts();
    let traceparent = head.headers.get("traceparent").and_then(|value| value.to_str().ok());
    let origin = Origin {
        sender: sender_address(&head),
        trace: traceparent.and_then(TraceId::from_traceparent).unwrap_or_default(),
        now: ingress.clock.now(),
    };
    let address = EndpointAddress::from_uri_path(head.uri.path());
    let answer = ingress.serve(&head, body, address.as_ref(), origin).await;

    let elapsed = started.elapsed();
    ingress.measures.took(elapsed);
    let code = answer.measure(&ingress.measures);
    let (tenant, path) = address.as_ref().map_or(("", ""), |address| (address.tenant, &*address.path));
    tracing::info!(
        tenant = shortened(tenant),
        path = shortened(path),
        address = %origin.sender.0,
        code,
        status = answer.status().as_u16(),
        ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        trace = %origin.trace,
        "webhook"
    );
    answer.into_response(origin.trace)
}

/// As much of a name as the log needs: an unknown path is a stranger's text.
fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(128)]
}

impl Ingress {
    async fn serve(&self, head: &Parts, body: Body, address: Option<&EndpointAddress<'_>>, origin: Origin) -> Answer {
        let announced_bytes = body.size_hint().lower();
        let arrival = Arrival { head, address, announced_bytes, sender: origin.sender };
        let endpoint = match self.admission.admit(&arrival) {
            Ok(endpoint) => endpoint,
            Err(denial) => {
                let (answer, discarded) = match denial {
                    Denial::Method => (Answer::wrong_method(origin.trace), body::DISCARDED_BYTES),
                    Denial::Refused(refusal) => {
                        let is_too_large = matches!(refusal, Refusal::PayloadTooLarge { .. });
                        let discarded = if is_too_large { body::DISCARDED_EXCESS } else { body::DISCARDED_BYTES };
                        (Answer::refused(&refusal, origin.trace).closing(is_too_large), discarded)
                    }
                };
                // Who waits for `100 Continue` has sent nothing yet; asking for the body would bring it on.
                let is_read = !head.headers.contains_key(EXPECT) && body::discard(body, discarded).await;
                return if is_read { answer } else { answer.closing(true) };
            }
        };
        let unproven = match &endpoint.auth {
            PreparedAuth::SharedSecret(_) => None,
            PreparedAuth::SlackToken(_) => match self.unproven.try_acquire() {
                Ok(place) => Some(place),
                Err(_) => return Answer::refused(&Refusal::QueueFull("webhook body"), origin.trace).closing(true),
            },
        };
        let raw = match body::read(body, endpoint.max_bytes).await {
            Ok(raw) => raw,
            Err(refusal) => return Answer::refused(&refusal, origin.trace).closing(true),
        };
        drop(unproven);
        self.take(head, raw, &endpoint, origin).await.unwrap_or_else(|refusal| Answer::refused(&refusal, origin.trace))
    }

    /// Everything from the whole body on. What it refuses is not stored.
    async fn take(
        &self,
        head: &Parts,
        raw: bytes::Bytes,
        endpoint: &PreparedEndpoint,
        origin: Origin,
    ) -> Result<Answer, Refusal> {
        let body = match &endpoint.auth {
            PreparedAuth::SharedSecret(_) => raw,
            PreparedAuth::SlackToken(tokens) => {
                let (token, rest) = slack::take_token(&raw).or_else(|refusal| match refusal {
                    // No token counts like a wrong one.
                    Refusal::WebhookUnauthorized => Ok((String::new(), raw.clone())),
                    other => Err(other),
                })?;
                self.admission.check_token(tokens, &token, origin.sender)?;
                rest
            }
        };
        endpoint.limit.spend(origin.sender).map_err(|retry_after| Refusal::RateLimited {
            what: "webhooks for this endpoint from this address".to_owned(),
            retry_after,
        })?;
        let content_type = visible::media_type(&head.headers)?;
        let key = visible::delivery_key(&head.headers)?;
        if let Some(key) = &key
            && let Some(record) = self.inbox.find(&endpoint.tenant, &endpoint.path, key).await?
        {
            return Ok(Answer::repeated(record, origin.trace));
        }

        let headers = visible::headers(&head.headers);
        let query = visible::query(head.uri.query());
        let kept_headers = serde_json::to_string(&headers).map_err(Refusal::internal)?;
        let kept_query = visible::query_text(&query);
        let request = IngressRequest {
            path: Arc::clone(&endpoint.path),
            method: head.method.as_str().to_owned(),
            query,
            headers,
            content_type,
            body: body.clone(),
            received_at: origin.now,
            settings: Arc::clone(&endpoint.settings),
        };
        let judgement = self.transform(endpoint, request, origin.trace).await?;
        let entry = InboxEntry {
            id: WebhookId::new(),
            tenant: endpoint.tenant.clone(),
            path: endpoint.path.to_string(),
            key,
            method: head.method.as_str().to_owned(),
            query: kept_query,
            headers: kept_headers,
            body,
            received_at: origin.now,
            trace: origin.trace,
            verdict: judgement.verdict(),
            events: judgement.events(&endpoint.tenant, &endpoint.path, origin.trace, origin.now),
        };
        self.accept(entry, judgement.decision, endpoint).await
    }

    async fn transform(
        &self,
        endpoint: &PreparedEndpoint,
        request: IngressRequest,
        trace: TraceId,
    ) -> Result<Judgement, Refusal> {
        let (tenant, transform) = (endpoint.tenant.clone(), endpoint.transform.clone());
        let began = Instant::now();
        let ran = self.guests.transform_ingress(IngressCall { tenant, transform, request, trace }).await;
        judge(endpoint.transform.as_str(), ran, began.elapsed())
    }

    /// Makes the request durable and answers it; a request that was accepted meanwhile answers for this one.
    async fn accept(
        &self,
        entry: InboxEntry,
        decision: Decision,
        endpoint: &PreparedEndpoint,
    ) -> Result<Answer, Refusal> {
        let (id, trace) = (entry.id, entry.trace);
        let accepted = match &decision {
            Decision::Invoke { target, arguments, .. } => {
                let place = self.invocations.reserve(&endpoint.tenant)?;
                let invocation = Invocation {
                    id,
                    target: target.clone(),
                    arguments: Arc::clone(arguments),
                    tenant: endpoint.tenant.clone(),
                    path: Arc::clone(&endpoint.path),
                    trace,
                };
                self.invocations.accept_then_run(place, entry, invocation).await?
            }
            _ => self.inbox.accept(entry).await?,
        };
        if let Accepted::Duplicate(record) = accepted {
            return Ok(Answer::repeated(record, trace));
        }
        Ok(match decision {
            Decision::Message { missing, .. } => {
                self.measures.missing(missing);
                Answer::accepted(id, Ending::Message)
            }
            Decision::Invoke { .. } => Answer::accepted(id, Ending::Invoke),
            Decision::Respond { status, header, body, .. } => Answer::chosen(status, header, body),
            Decision::Discard { .. } => Answer::discarded(id),
            Decision::Failed { refusal } => Answer::failed(&refusal, id, trace),
        })
    }
}
