//! Standard Webhooks: `v1` is an HMAC, `v1a` an Ed25519 signature, both over `<id>.<time>.<body>`.
//!
//! GitLab's signing tokens and Svix are the same, Svix with headers of its own.
//! Invariant: an id has no `.`, so what is signed can be taken apart in one way only.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use http::header::HeaderName;
use openclaw_domain::Secret;

use super::key::{Algorithm, Encoding, KeyAt, MacKeys};
use super::{MOST_SIGNATURES, Presented, Proof, Rejection, single, time};

/// The two names of each header: the specification's, and Svix's.
pub(super) static SIGNATURES: [HeaderName; 2] =
    [HeaderName::from_static("webhook-signature"), HeaderName::from_static("svix-signature")];
static IDS: [HeaderName; 2] = [HeaderName::from_static("webhook-id"), HeaderName::from_static("svix-id")];
static TIMES: [HeaderName; 2] =
    [HeaderName::from_static("webhook-timestamp"), HeaderName::from_static("svix-timestamp")];

/// A secret as the configuration has it.
pub(in crate::webhooks) enum StandardKey {
    Shared(Vec<u8>),
    Public(Box<VerifyingKey>),
}

/// Reads `whsec_<base64>`, the same without the prefix, or `whpk_<base64>`; `None` if it is neither.
pub(in crate::webhooks) fn key(secret: &str) -> Option<StandardKey> {
    if let Some(public) = secret.strip_prefix("whpk_") {
        let bytes: [u8; 32] = STANDARD.decode(public).ok()?.try_into().ok()?;
        let key = VerifyingKey::from_bytes(&bytes).ok().filter(|key| !key.is_weak())?;
        return Some(StandardKey::Public(Box::new(key)));
    }
    let shared = STANDARD.decode(secret.strip_prefix("whsec_").unwrap_or(secret)).ok()?;
    if shared.is_empty() { None } else { Some(StandardKey::Shared(shared)) }
}

/// Verifies both kinds, by the keys there are.
pub(super) struct Standard {
    shared: MacKeys,
    public: Box<[VerifyingKey]>,
}

impl Standard {
    pub(super) fn new(secrets: &[Secret<String>]) -> Self {
        let (mut shared, mut public) = (Vec::new(), Vec::new());
        // Exposed only to be made keys.
        for secret in secrets.iter().filter_map(|secret| key(secret.expose())) {
            match secret {
                StandardKey::Shared(bytes) => shared.push(bytes),
                StandardKey::Public(key) => public.push(*key),
            }
        }
        let shared = MacKeys::of_bytes(Algorithm::Sha256, shared.iter().map(Vec::as_slice));
        Self { shared, public: public.into() }
    }

    pub(super) fn verify(&self, presented: &Presented<'_>) -> Result<Proof, Rejection> {
        let headers = &presented.head.headers;
        // A sender that shows both families signs both; the specification's own is the one that counts.
        let family = usize::from(!headers.contains_key(&SIGNATURES[0]) && headers.contains_key(&SIGNATURES[1]));
        let text = single(headers, &SIGNATURES[family])?;
        let id = single(headers, &IDS[family])?;
        if id.is_empty() || id.contains('.') {
            return Err(Rejection::Malformed(IDS[family].clone()));
        }
        let timestamp = time(headers, &TIMES[family])?;

        let repeated = || Rejection::Repeated(SIGNATURES[family].clone());
        let of = |version: &str| {
            let shown = text.split(' ').filter_map(|item| Encoding::Base64.decode(item.strip_prefix(version)?));
            let shown: Vec<Vec<u8>> = shown.take(MOST_SIGNATURES + 1).collect();
            if shown.len() > MOST_SIGNATURES { Err(repeated()) } else { Ok(shown) }
        };
        let signed: [&[u8]; 5] = [id.as_bytes(), b".", timestamp.as_bytes(), b".", presented.body];
        let by_shared = self.shared.find(&signed, &of("v1,")?);
        let key = match by_shared {
            Ok(key) => key,
            Err(rejection) if self.public.is_empty() => return Err(rejection),
            Err(_) => self.find_public(&signed.concat(), &of("v1a,")?)?,
        };
        Ok(Proof { key, timestamp: Some(timestamp.to_owned()), id: Some(id.to_owned()) })
    }

    /// Public keys are nobody's secret, so the first that fits ends the search.
    fn find_public(&self, message: &[u8], shown: &[Vec<u8>]) -> Result<KeyAt, Rejection> {
        let shown: Vec<Signature> = shown.iter().filter_map(|bytes| Signature::from_slice(bytes).ok()).collect();
        let fits = |key: &VerifyingKey| shown.iter().any(|signature| key.verify_strict(message, signature).is_ok());
        if self.public.iter().any(fits) { Ok(KeyAt::default()) } else { Err(Rejection::Mismatch) }
    }
}
