//! Who gets in: method, throttle, endpoint, announced size, secret; all of it before a byte of the body is read.
//!
//! Invariants: an unknown path costs the work of a wrong secret, so time tells nobody which paths exist. Neither the
//! page of a stranger nor a search for paths makes an address one that guesses: senders behind one proxy share theirs.

use std::sync::Arc;

use http::header::HeaderName;
use http::request::Parts;
use http::{HeaderMap, Method};
use openclaw_domain::Refusal;

use super::address::EndpointAddress;
use super::endpoints::{Endpoints, PreparedAuth, PreparedEndpoint};
use super::handshake::{Subscription, is_challenge};
use super::secrets::SecretSet;
use crate::auth::{ClientAddress, Throttle, check_site, is_guessable};

/// The header that carries a shared secret.
const SECRET_HEADER: HeaderName = HeaderName::from_static("x-webhook-secret");
/// The header that carries GitLab's.
const GITLAB_HEADER: HeaderName = HeaderName::from_static("x-gitlab-token");
/// Largest announced body for a path nobody configured: the default of those that are.
const UNKNOWN_PATH_BYTES: usize = 1 << 20;

/// Decides who gets in.
pub(super) struct Admission {
    endpoints: Endpoints,
    /// Apart from the one for tokens: a webhook sender with an old secret must not lock clients of its address out.
    throttle: Throttle,
    decoy: SecretSet,
}

/// A request before its body.
pub(super) struct Arrival<'a> {
    pub(super) head: &'a Parts,
    /// What the URL names, if it can name an endpoint at all.
    pub(super) address: Option<&'a EndpointAddress<'a>>,
    /// Bytes the body will have at least: `Content-Length`, or 0.
    pub(super) announced_bytes: u64,
    pub(super) sender: ClientAddress,
}

/// Who got in.
pub(super) enum Admitted {
    /// A request for this endpoint. One whose proof is in the body has proven nothing yet.
    Request(Arc<PreparedEndpoint>),
    /// A provider that subscribes, and wants this text back.
    Subscription(String),
}

/// Why not.
pub(super) enum Denial {
    /// Only POST is taken.
    Method,
    /// A subscription whose token is not the endpoint's.
    Subscription,
    /// The endpoint's requests are signed in this way, and this one is not.
    Unsigned(&'static str),
    /// Any other reason.
    Refused(Refusal),
}

impl Admission {
    /// Lets in whoever the endpoints allow.
    pub(super) fn new(endpoints: Endpoints) -> Self {
        Self { endpoints, throttle: Throttle::default(), decoy: SecretSet::decoy() }
    }

    /// The endpoint with this address, for a request that was admitted before.
    pub(super) fn endpoint(&self, address: &EndpointAddress<'_>) -> Option<Arc<PreparedEndpoint>> {
        self.endpoints.find(address)
    }

    /// Decides by everything that stands before the body.
    ///
    /// An endpoint whose proof is in the body, or signs it, is not decided yet: see [`Admission::check_token`].
    pub(super) fn admit(&self, arrival: &Arrival<'_>) -> Result<Admitted, Denial> {
        if arrival.head.method != Method::POST {
            return self.subscribe(arrival);
        }
        self.decide(arrival).map(Admitted::Request)
    }

    fn decide(&self, arrival: &Arrival<'_>) -> Result<Arc<PreparedEndpoint>, Denial> {
        let headers = &arrival.head.headers;
        check_site(headers).map_err(Denial::Refused)?;
        let endpoint = arrival.address.and_then(|address| self.endpoints.find(address));
        let limit_bytes = endpoint.as_ref().map_or(UNKNOWN_PATH_BYTES, |endpoint| endpoint.max_bytes);
        if arrival.announced_bytes > u64::try_from(limit_bytes).unwrap_or(u64::MAX) {
            return Err(Denial::Refused(Refusal::PayloadTooLarge { limit_bytes }));
        }
        let (header, secrets) = match endpoint.as_deref().map(|endpoint| &endpoint.auth) {
            Some(PreparedAuth::SlackToken(_)) => return endpoint.ok_or(Denial::Refused(Refusal::WebhookUnknownPath)),
            // Slack's check of the certificate is unsigned, and known by its body.
            Some(PreparedAuth::Signed(verifier)) if verifier.is_shown(headers) || verifier.scheme() == "slack" => {
                return endpoint.ok_or(Denial::Refused(Refusal::WebhookUnknownPath));
            }
            Some(PreparedAuth::Signed(verifier)) => return Err(Denial::Unsigned(verifier.scheme())),
            Some(PreparedAuth::SharedSecret(secrets)) => (SECRET_HEADER, secrets),
            Some(PreparedAuth::GitlabToken(secrets)) => (GITLAB_HEADER, secrets),
            None => (SECRET_HEADER, &self.decoy),
        };
        let secret = shown_secret(headers, &header).map_err(Denial::Refused)?;
        self.check_throttle(secret, arrival.sender).map_err(Denial::Refused)?;
        let is_proven = secrets.matches(secret);
        match endpoint {
            Some(endpoint) if is_proven => Ok(endpoint),
            Some(_) => Err(Denial::Refused(self.wrong(arrival.sender, Refusal::WebhookUnauthorized))),
            None => Err(Denial::Refused(Refusal::WebhookUnknownPath)),
        }
    }

    /// Decides about a GET by which a provider subscribes; any other is none that is taken.
    fn subscribe(&self, arrival: &Arrival<'_>) -> Result<Admitted, Denial> {
        let endpoint = arrival.address.filter(|_| arrival.head.method == Method::GET);
        let endpoint = endpoint.and_then(|address| self.endpoints.find(address));
        let tokens = match endpoint.as_deref().map(|endpoint| &endpoint.auth) {
            Some(PreparedAuth::Signed(verifier)) => verifier.verify_tokens().ok_or(Denial::Method)?,
            _ => return Err(Denial::Method),
        };
        check_site(&arrival.head.headers).map_err(Denial::Refused)?;
        let asked = Subscription::from_query(arrival.head.uri.query().unwrap_or_default());
        let shown = asked.verify_token.unwrap_or_default();
        self.check_throttle(shown.as_bytes(), arrival.sender).map_err(Denial::Refused)?;
        let is_proven = tokens.matches(shown.as_bytes());
        match asked.challenge.filter(|challenge| is_challenge(challenge)) {
            Some(challenge) if is_proven && asked.mode.as_deref() == Some("subscribe") => {
                Ok(Admitted::Subscription(challenge))
            }
            _ if is_proven => Err(Denial::Subscription),
            _ => match self.wrong(arrival.sender, Refusal::WebhookUnauthorized) {
                limited @ Refusal::RateLimited { .. } => Err(Denial::Refused(limited)),
                _ => Err(Denial::Subscription),
            },
        }
    }

    /// Decides by a token from the body; empty if there was none.
    pub(super) fn check_token(&self, tokens: &SecretSet, shown: &str, sender: ClientAddress) -> Result<(), Refusal> {
        self.check_throttle(shown.as_bytes(), sender)?;
        if tokens.matches(shown.as_bytes()) {
            return Ok(());
        }
        Err(self.wrong(sender, Refusal::WebhookUnauthorized))
    }

    /// Whether a secret may be looked at: one that could be a guess, not while its sender guesses too much.
    fn check_throttle(&self, secret: &[u8], sender: ClientAddress) -> Result<(), Refusal> {
        if is_guessable(secret) { self.throttle.check(sender) } else { Ok(()) }
    }

    /// Counts a failure: the refusal, or that there were too many.
    fn wrong(&self, sender: ClientAddress, refusal: Refusal) -> Refusal {
        match self.throttle.failed(sender) {
            limited @ Refusal::RateLimited { .. } => limited,
            _ => refusal,
        }
    }
}

/// The secret a request shows; empty, which matches nothing, if it shows none.
fn shown_secret<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a [u8], Refusal> {
    let mut shown = headers.get_all(name).iter();
    let secret = shown.next().map_or(&b""[..], |value| value.as_bytes());
    if shown.next().is_some() {
        // A proxy and the gateway could each believe another one.
        let field = if *name == SECRET_HEADER { "X-Webhook-Secret" } else { name.as_str() };
        return Err(Refusal::invalid(field, "stands in the request more than once; send it once"));
    }
    Ok(secret)
}
