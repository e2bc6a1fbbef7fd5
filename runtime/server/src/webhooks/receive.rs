//! One webhook request from its head to its answer.
//!
//! Invariant: `accept` has returned before the answer is made, so a 2xx is on disk; what follows from a request follows
//! from its commit.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use axum::body::{Body, HttpBody};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::response::Response;
use http::header::EXPECT;
use openclaw_domain::ports::{Accepted, Guests, Inbox, InboxEntry};
use openclaw_domain::{Clock, IngressCall, IngressReply, IngressRequest, Refusal, Timestamp, TraceId, WebhookId};

use super::address::{EndpointAddress, sender_address};
use super::admission::{Admission, Admitted, Arrival, Denial};
use super::answer::Answer;
use super::body::{Budget, Reservation};
use super::endpoints::{Endpoints, PreparedAuth, PreparedEndpoint};
use super::handshake::{self, Handshake};
use super::invocation::{Invocation, Invocations};
use super::measures::{Ending, Measures};
use super::verdict::{Decision, Judgement, judge};
use super::verify::{Presented, Proof, Rejection, Verifier};
use super::{IngressParts, body, delivery, slack, visible};
use crate::auth::{ClientAddress, is_trusted};
use crate::settings::ServerSettings;

/// Bytes of bodies, at one time, whose senders have proven nothing yet.
const UNPROVEN_BYTES: usize = 64 << 20;
/// Largest body without a signature where one is taken unsigned: Slack's check of the certificate.
const UNSIGNED_BYTES: usize = 4 << 10;

/// What all webhook requests share.
pub(super) struct Ingress {
    guests: Arc<dyn Guests>,
    pub(super) inbox: Arc<dyn Inbox>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) admission: Admission,
    pub(super) invocations: Invocations,
    measures: Measures,
    /// The budget for bodies of senders that have proven nothing yet.
    unproven: Budget,
    settings: Arc<ArcSwap<ServerSettings>>,
}

/// A request that is its sender's.
struct Proven {
    body: bytes::Bytes,
    content_type: Option<String>,
    key: Option<String>,
    /// What the host answers itself, if it is such a request.
    handshake: Option<Handshake>,
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
            admission: Admission::new(Endpoints::new(Arc::clone(&settings))),
            unproven: Budget::new(UNPROVEN_BYTES),
            settings,
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
        id = answer.id(),
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
            Ok(Admitted::Request(endpoint)) => endpoint,
            Ok(Admitted::Subscription(challenge)) => return subscription(challenge, origin.trace),
            Err(denial) => return denied(denial, head, body, origin.trace).await,
        };
        let mut reserved = match &endpoint.auth {
            PreparedAuth::SharedSecret(_) | PreparedAuth::GitlabToken(_) => Reservation::unneeded(),
            PreparedAuth::SlackToken(_) | PreparedAuth::Signed(_) => {
                Reservation::within(&self.unproven, origin.sender, endpoint.max_bytes)
            }
        };
        let limit_bytes = match &endpoint.auth {
            PreparedAuth::Signed(verifier) if !verifier.is_shown(&head.headers) => {
                endpoint.max_bytes.min(UNSIGNED_BYTES)
            }
            _ => endpoint.max_bytes,
        };
        let raw = match body::read(body, limit_bytes, &mut reserved).await {
            Ok(raw) => raw,
            Err(refusal) => return Answer::refused(&refusal, origin.trace).closing(true),
        };
        let taken = self.take(head, raw, &endpoint, origin, reserved).await;
        taken.unwrap_or_else(|refusal| Answer::refused(&refusal, origin.trace))
    }

    /// Everything from the whole body on. What it refuses is not stored.
    async fn take(
        &self,
        head: &Parts,
        raw: bytes::Bytes,
        endpoint: &PreparedEndpoint,
        origin: Origin,
        reserved: Reservation<'_>,
    ) -> Result<Answer, Refusal> {
        let (proven, signatures) = match &endpoint.auth {
            PreparedAuth::SharedSecret(_) | PreparedAuth::GitlabToken(_) => {
                spend(endpoint, origin.sender)?;
                (Self::shown(head, raw)?, &[][..])
            }
            PreparedAuth::SlackToken(_) | PreparedAuth::Signed(_) if is_ssl_check(endpoint, head, &raw) => {
                // Anybody can send it: what it would spend belongs to those who sign.
                return answered(Handshake::Empty);
            }
            PreparedAuth::SlackToken(tokens) => {
                let (token, rest) = slack::take_token(&raw).or_else(|refusal| match refusal {
                    // No token counts like a wrong one.
                    Refusal::WebhookUnauthorized => Ok((String::new(), raw.clone())),
                    other => Err(other),
                })?;
                self.admission.check_token(tokens, &token, origin.sender)?;
                spend(endpoint, origin.sender)?;
                (Self::shown(head, rest)?, &[][..])
            }
            PreparedAuth::Signed(verifier) => {
                let proof = match self.verify(verifier, head, &raw, origin.now) {
                    Ok(proof) => proof,
                    Err(rejection) => return refused(&rejection, verifier, endpoint, origin.trace),
                };
                spend(endpoint, origin.sender)?;
                (Self::signed(head, raw, verifier, &proof)?, verifier.signature_headers())
            }
        };
        // Whoever got here is known.
        drop(reserved);
        let Proven { body, content_type, key, handshake } = proven;
        let is_recorded = match handshake {
            Some(Handshake::Recorded(reason)) => Some(reason),
            Some(handshake) => return answered(handshake),
            None => None,
        };
        if let Some(key) = &key
            && let Some(record) = self.inbox.find(&endpoint.tenant, &endpoint.path, key).await?
        {
            return Ok(Answer::repeated(record, origin.trace));
        }

        let headers = visible::headers(&head.headers, signatures);
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
        let judgement = match is_recorded {
            Some(reason) => Judgement::discarded(reason),
            None => self.transform(endpoint, request, origin.trace).await?.whole_or(endpoint.on_partial),
        };
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
        self.accept(entry, judgement, endpoint).await
    }

    /// A request that showed its secret.
    fn shown(head: &Parts, body: bytes::Bytes) -> Result<Proven, Refusal> {
        let content_type = visible::media_type(&head.headers)?;
        let key = delivery::shown_key(&head.headers)?;
        Ok(Proven { body, content_type, key, handshake: None })
    }

    /// A request that was signed.
    fn signed(head: &Parts, raw: bytes::Bytes, verifier: &Verifier, proof: &Proof) -> Result<Proven, Refusal> {
        let content_type = visible::media_type(&head.headers)?;
        let (key, handshake) = {
            let json = handshake::json_of(content_type.as_deref(), &raw);
            let handshake = handshake::answer(verifier, proof, &head.headers, json.as_deref());
            (delivery::signed_key(verifier, proof, &head.headers, &raw, json.as_deref())?, handshake)
        };
        let body = match verifier.scheme() {
            "slack" => slack::without_token(content_type.as_deref(), raw)?,
            _ => raw,
        };
        Ok(Proven { body, content_type, key, handshake })
    }

    fn verify(&self, verifier: &Verifier, head: &Parts, body: &[u8], now: Timestamp) -> Result<Proof, Rejection> {
        let peer = head.extensions.get::<ConnectInfo<SocketAddr>>();
        let proxies = self.settings.load();
        let is_from_proxy = peer.is_some_and(|ConnectInfo(peer)| is_trusted(peer.ip(), &proxies.trusted_proxies));
        verifier.verify(&Presented { head, body, now, is_from_proxy })
    }

    async fn transform(
        &self,
        endpoint: &PreparedEndpoint,
        request: IngressRequest,
        trace: TraceId,
    ) -> Result<Judgement, Refusal> {
        let began = Instant::now();
        let ran = self.run_transform(endpoint, request, trace).await;
        judge(endpoint.transform.as_str(), ran, began.elapsed())
    }

    pub(super) async fn run_transform(
        &self,
        endpoint: &PreparedEndpoint,
        request: IngressRequest,
        trace: TraceId,
    ) -> Result<IngressReply, Refusal> {
        let (tenant, transform) = (endpoint.tenant.clone(), endpoint.transform.clone());
        self.guests.transform_ingress(IngressCall { tenant, transform, request, trace }).await
    }

    /// Makes the request durable and answers it; a request that was accepted meanwhile answers for this one.
    async fn accept(
        &self,
        entry: InboxEntry,
        judgement: Judgement,
        endpoint: &PreparedEndpoint,
    ) -> Result<Answer, Refusal> {
        let Judgement { decision, missing, .. } = judgement;
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
        self.measures.missing(missing);
        let answer = match decision {
            Decision::Message { .. } => Answer::accepted(id, Ending::Message),
            Decision::Invoke { .. } => Answer::accepted(id, Ending::Invoke),
            Decision::Respond { status, header, body, .. } => Answer::chosen(status, header, body),
            Decision::Discard { .. } => Answer::discarded(id),
            Decision::Queued { .. } => Answer::queued(id),
            Decision::Failed { refusal } => Answer::failed(&refusal, id, trace),
        };
        Ok(answer.naming(id.to_string()))
    }
}

/// The answer to whoever did not get in.
async fn denied(denial: Denial, head: &Parts, body: Body, trace: TraceId) -> Answer {
    let (answer, discarded) = match denial {
        Denial::Method => (Answer::wrong_method(trace), body::DISCARDED_BYTES),
        Denial::Subscription => (Answer::wrong_subscription(trace), body::DISCARDED_BYTES),
        Denial::Unsigned(scheme) => (Answer::unsigned(scheme, "it shows none", trace), body::DISCARDED_BYTES),
        Denial::Refused(refusal) => {
            let is_too_large = matches!(refusal, Refusal::PayloadTooLarge { .. });
            let discarded = if is_too_large { body::DISCARDED_EXCESS } else { body::DISCARDED_BYTES };
            (Answer::refused(&refusal, trace).closing(is_too_large), discarded)
        }
    };
    // Who waits for `100 Continue` has sent nothing yet; asking for the body would bring it on.
    let is_read = !head.headers.contains_key(EXPECT) && body::discard(body, discarded).await;
    if is_read { answer } else { answer.closing(true) }
}

fn subscription(challenge: String, trace: TraceId) -> Answer {
    answered(Handshake::Text(challenge)).unwrap_or_else(|refusal| Answer::refused(&refusal, trace))
}

fn answered(handshake: Handshake) -> Result<Answer, Refusal> {
    Answer::handshake(handshake).ok_or_else(|| Refusal::internal("a handshake that is recorded was not"))
}

/// The answer to a request whose signature is not right. Why, its sender may know: whoever reads it has no secret yet.
fn refused(
    rejection: &Rejection,
    verifier: &Verifier,
    endpoint: &PreparedEndpoint,
    trace: TraceId,
) -> Result<Answer, Refusal> {
    let reason = rejection.to_string();
    tracing::info!(
        tenant = %endpoint.tenant,
        path = &*endpoint.path,
        scheme = verifier.scheme(),
        reason,
        "a webhook's signature is not right"
    );
    match rejection.refusal() {
        Refusal::WebhookUnauthorized => Ok(Answer::unsigned(verifier.scheme(), &reason, trace)),
        other => Err(other),
    }
}

fn is_ssl_check(endpoint: &PreparedEndpoint, head: &Parts, body: &[u8]) -> bool {
    let is_slack = match &endpoint.auth {
        PreparedAuth::SlackToken(_) => true,
        PreparedAuth::Signed(verifier) => verifier.scheme() == "slack",
        PreparedAuth::SharedSecret(_) | PreparedAuth::GitlabToken(_) => false,
    };
    let is_form =
        || matches!(visible::media_type(&head.headers), Ok(Some(form)) if form == "application/x-www-form-urlencoded");
    is_slack && body.len() <= UNSIGNED_BYTES && is_form() && handshake::is_ssl_check(body)
}

/// Counts a request of a sender that is known.
fn spend(endpoint: &PreparedEndpoint, sender: ClientAddress) -> Result<(), Refusal> {
    endpoint.limit.spend(sender).map_err(|retry_after| Refusal::RateLimited {
        what: "webhooks for this endpoint from this address".to_owned(),
        retry_after,
    })
}
