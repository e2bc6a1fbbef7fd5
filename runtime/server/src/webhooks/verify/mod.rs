//! Whether a request's signature is right, by the scheme of its endpoint.
//!
//! Invariants: only raw bytes are looked at, before anything is parsed; every comparison takes a time that depends on
//! lengths only; a request that shows two of what there must be one of is refused, since a proxy and the gateway could
//! each believe another one.

pub(in crate::webhooks) mod body_mac;
pub(in crate::webhooks) mod discord;
pub(in crate::webhooks) mod key;
pub(in crate::webhooks) mod recipe;
pub(in crate::webhooks) mod standard;
pub(in crate::webhooks) mod timed_mac;
pub(in crate::webhooks) mod twilio;

#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use http::HeaderMap;
use http::header::HeaderName;
use http::request::Parts;
use openclaw_domain::{Refusal, Timestamp};

use self::body_mac::BodyMac;
use self::discord::Discord;
use self::key::{KeyAt, MacKeys};
use self::recipe::Recipe;
use self::standard::Standard;
use self::timed_mac::TimedMac;
use self::twilio::Twilio;
use super::scheme::{Scheme, Signing};
use super::secrets::SecretSet;

/// Signatures of one request that are looked at. Providers send one for each secret that is still valid.
const MOST_SIGNATURES: usize = 16;

/// Verifies the requests of one endpoint.
pub(super) struct Verifier {
    family: Family,
    scheme: &'static str,
    tolerance: Duration,
    /// What `hub.verify_token` must equal, where the scheme has it.
    verify_tokens: Option<SecretSet>,
}

/// Schemes that differ in words only are one family.
enum Family {
    Body(BodyMac),
    Timed(TimedMac),
    Standard(Standard),
    Twilio(Twilio),
    Discord(Discord),
    Recipe(Recipe),
}

/// A request as it came.
pub(super) struct Presented<'a> {
    pub(super) head: &'a Parts,
    pub(super) body: &'a [u8],
    pub(super) now: Timestamp,
    /// Whether what the peer forwards about the request is believed.
    pub(super) is_from_proxy: bool,
}

/// What a right signature tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Proof {
    /// The key that made it.
    pub(super) key: KeyAt,
    /// The time that was signed, as it was written.
    pub(super) timestamp: Option<String>,
    /// The delivery's id, if it was signed.
    pub(super) id: Option<String>,
}

/// Why a signature is not right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rejection {
    /// A header is missing.
    Missing(HeaderName),
    /// A header stands there more than once, or with more signatures than anybody sends.
    Repeated(HeaderName),
    /// A header does not say what it should.
    Malformed(HeaderName),
    /// A part that must be signed is not.
    Unsigned(&'static str),
    /// The signed time is too far away.
    Stale(Duration),
    /// No signature is right.
    Mismatch,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name) => write!(f, "`{name}` is missing"),
            Self::Repeated(name) => write!(f, "`{name}` stands in the request more often than it may"),
            Self::Malformed(name) => write!(f, "`{name}` is malformed"),
            Self::Unsigned(what) => write!(f, "{what} is not signed"),
            Self::Stale(tolerance) => {
                write!(f, "the signed time is more than {} s from this gateway's", tolerance.as_secs())
            }
            Self::Mismatch => f.write_str("no signature is that of this body with one of the endpoint's secrets"),
        }
    }
}

impl Rejection {
    /// What the sender is refused with.
    pub(super) fn refusal(&self) -> Refusal {
        match self {
            Self::Repeated(name) => {
                Refusal::invalid(name.as_str(), "stands in the request more than once; send it once")
            }
            _ => Refusal::WebhookUnauthorized,
        }
    }
}

impl Verifier {
    /// Prepares the keys. A secret that the scheme cannot use is left out; the configuration refuses such.
    pub(super) fn new(signing: &Signing) -> Self {
        let secrets = &signing.secrets;
        let family = match &signing.scheme {
            Scheme::Github | Scheme::Meta { .. } => Family::Body(BodyMac::hub(secrets)),
            Scheme::Shopify => Family::Body(BodyMac::shopify(secrets)),
            Scheme::Pagerduty => Family::Body(BodyMac::pagerduty(secrets)),
            Scheme::Slack => Family::Timed(TimedMac::slack(secrets)),
            Scheme::Zoom => Family::Timed(TimedMac::zoom(secrets)),
            Scheme::Stripe => Family::Timed(TimedMac::stripe(secrets)),
            Scheme::Gitlab | Scheme::StandardWebhooks => Family::Standard(Standard::new(secrets)),
            Scheme::Twilio { public_url } => Family::Twilio(Twilio::new(secrets, public_url.clone())),
            Scheme::Discord => Family::Discord(Discord::new(secrets)),
            Scheme::Hmac(recipe) => Family::Recipe(Recipe::new(recipe, secrets)),
        };
        let verify_tokens = match &signing.scheme {
            Scheme::Meta { verify_tokens } => Some(SecretSet::new(verify_tokens)),
            _ => None,
        };
        Self { family, scheme: signing.scheme.as_str(), tolerance: signing.tolerance, verify_tokens }
    }

    /// The scheme, as the configuration calls it.
    pub(super) const fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// What a subscription must show, if the scheme has any.
    pub(super) const fn verify_tokens(&self) -> Option<&SecretSet> {
        self.verify_tokens.as_ref()
    }

    /// Whether a request shows a signature at all. If not, its body need not be read.
    pub(super) fn is_shown(&self, headers: &HeaderMap) -> bool {
        self.signature_headers().iter().any(|name| headers.contains_key(name))
    }

    /// The headers that carry signatures.
    pub(super) fn signature_headers(&self) -> &[HeaderName] {
        match &self.family {
            Family::Body(family) => family.headers(),
            Family::Timed(family) => family.headers(),
            Family::Standard(_) => &standard::SIGNATURES,
            Family::Twilio(_) => &twilio::SIGNATURE,
            Family::Discord(_) => &discord::SIGNATURE,
            Family::Recipe(family) => family.headers(),
        }
    }

    /// The header that names the delivery, where the operator said which.
    pub(super) fn id_header(&self) -> Option<&HeaderName> {
        match &self.family {
            Family::Recipe(family) => family.id_header(),
            _ => None,
        }
    }

    /// The keys, for answers that must be signed with the one that was used.
    pub(super) const fn mac_keys(&self) -> Option<&MacKeys> {
        match &self.family {
            Family::Timed(family) => Some(family.keys()),
            _ => None,
        }
    }

    /// Verifies a request.
    ///
    /// # Errors
    /// Why it is not right.
    pub(super) fn verify(&self, presented: &Presented<'_>) -> Result<Proof, Rejection> {
        let proof = match &self.family {
            Family::Body(family) => family.verify(presented),
            Family::Timed(family) => family.verify(presented),
            Family::Standard(family) => family.verify(presented),
            Family::Twilio(family) => family.verify(presented),
            Family::Discord(family) => family.verify(presented),
            Family::Recipe(family) => family.verify(presented),
        }?;
        // Only who signed right is told that its clock is wrong.
        if let Some(timestamp) = &proof.timestamp {
            self.check_time(timestamp, presented.now)?;
        }
        Ok(proof)
    }

    fn check_time(&self, timestamp: &str, now: Timestamp) -> Result<(), Rejection> {
        let signed: i64 = timestamp.parse().map_err(|_| Rejection::Stale(self.tolerance))?;
        // Twelve digits of seconds would be the year 5138.
        let signed = if timestamp.len() > 11 { signed / 1000 } else { signed };
        if (now.as_millis() / 1000).abs_diff(signed) > self.tolerance.as_secs() {
            return Err(Rejection::Stale(self.tolerance));
        }
        Ok(())
    }
}

/// The one header of this name.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a str, Rejection> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or_else(|| Rejection::Missing(name.clone()))?;
    if values.next().is_some() {
        return Err(Rejection::Repeated(name.clone()));
    }
    value.to_str().map_err(|_| Rejection::Malformed(name.clone()))
}

/// The one header of this name, which must be a time: digits and nothing else.
fn time<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a str, Rejection> {
    let text = single(headers, name)?;
    if is_time(text) { Ok(text) } else { Err(Rejection::Malformed(name.clone())) }
}

/// Whether this is a number as times are written: no sign, no point, and none that leaves 64 bits.
fn is_time(text: &str) -> bool {
    (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}
