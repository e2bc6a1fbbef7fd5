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
use super::secrets::SecretSet;
use crate::auth::{ClientAddress, Throttle, check_site, is_guessable};

/// The header that carries a shared secret.
const SECRET_HEADER: HeaderName = HeaderName::from_static("x-webhook-secret");
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

/// Why not.
pub(super) enum Denial {
    /// Only POST is taken.
    Method,
    /// Any other reason.
    Refused(Refusal),
}

impl Admission {
    /// Lets in whoever the endpoints allow.
    pub(super) fn new(endpoints: Endpoints) -> Self {
        Self { endpoints, throttle: Throttle::default(), decoy: SecretSet::decoy() }
    }

    /// Decides by everything that stands before the body.
    ///
    /// An endpoint whose proof is in the body is not decided yet: see [`Admission::check_token`].
    pub(super) fn admit(&self, arrival: &Arrival<'_>) -> Result<Arc<PreparedEndpoint>, Denial> {
        if arrival.head.method != Method::POST {
            return Err(Denial::Method);
        }
        self.decide(arrival).map_err(Denial::Refused)
    }

    fn decide(&self, arrival: &Arrival<'_>) -> Result<Arc<PreparedEndpoint>, Refusal> {
        check_site(&arrival.head.headers)?;
        let endpoint = arrival.address.and_then(|address| self.endpoints.find(address));
        let limit_bytes = endpoint.as_ref().map_or(UNKNOWN_PATH_BYTES, |endpoint| endpoint.max_bytes);
        if arrival.announced_bytes > u64::try_from(limit_bytes).unwrap_or(u64::MAX) {
            return Err(Refusal::PayloadTooLarge { limit_bytes });
        }
        let secret = shown_secret(&arrival.head.headers)?;
        let secrets = match endpoint.as_deref().map(|endpoint| &endpoint.auth) {
            Some(PreparedAuth::SlackToken(_)) => return endpoint.ok_or(Refusal::WebhookUnknownPath),
            Some(PreparedAuth::SharedSecret(secrets)) => secrets,
            None => &self.decoy,
        };
        self.check_throttle(secret, arrival.sender)?;
        let is_proven = secrets.matches(secret);
        match endpoint {
            Some(endpoint) if is_proven => Ok(endpoint),
            Some(_) => Err(self.wrong(arrival.sender, Refusal::WebhookUnauthorized)),
            None => Err(Refusal::WebhookUnknownPath),
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
fn shown_secret(headers: &HeaderMap) -> Result<&[u8], Refusal> {
    let mut shown = headers.get_all(SECRET_HEADER).iter();
    let secret = shown.next().map_or(&b""[..], |value| value.as_bytes());
    if shown.next().is_some() {
        // A proxy and the gateway could each believe another one.
        return Err(Refusal::invalid("X-Webhook-Secret", "stands in the request more than once; send it once"));
    }
    Ok(secret)
}
