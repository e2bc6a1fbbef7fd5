//! Discord: an Ed25519 signature of a time and the body; what is configured is the application's public key.
//!
//! Invariant: a wrong signature is refused with 401, every time: Discord sends wrong ones to find out, and takes the
//! URL away from whoever answers anything else.

use ed25519_dalek::{Signature, VerifyingKey};
use http::header::HeaderName;
use openclaw_domain::Secret;

use super::key::Encoding;
use super::{Presented, Proof, Rejection, single, time};

pub(super) static SIGNATURE: [HeaderName; 1] = [HeaderName::from_static("x-signature-ed25519")];
static TIMESTAMP: HeaderName = HeaderName::from_static("x-signature-timestamp");

/// Reads a public key in hex; `None` if it is none, or one that anybody could sign for.
pub(in crate::webhooks) fn public_key(text: &str) -> Option<VerifyingKey> {
    let bytes: [u8; 32] = hex::decode(text).ok()?.try_into().ok()?;
    VerifyingKey::from_bytes(&bytes).ok().filter(|key| !key.is_weak())
}

/// Verifies with the application's keys.
pub(super) struct Discord(Box<[VerifyingKey]>);

impl Discord {
    pub(super) fn new(keys: &[Secret<String>]) -> Self {
        Self(keys.iter().filter_map(|key| public_key(key.expose())).collect())
    }

    pub(super) fn verify(&self, presented: &Presented<'_>) -> Result<Proof, Rejection> {
        let headers = &presented.head.headers;
        let shown = Encoding::Hex.decode(single(headers, &SIGNATURE[0])?);
        let timestamp = time(headers, &TIMESTAMP)?;
        let signature = shown.and_then(|bytes| Signature::from_slice(&bytes).ok()).ok_or(Rejection::Mismatch)?;
        let message = [timestamp.as_bytes(), presented.body].concat();
        if self.0.iter().any(|key| key.verify_strict(&message, &signature).is_ok()) {
            return Ok(Proof { timestamp: Some(timestamp.to_owned()), ..Proof::default() });
        }
        Err(Rejection::Mismatch)
    }
}
