//! Schemes that sign the body and nothing else: GitHub and Meta, Shopify, PagerDuty.
//!
//! Invariant: a signature of another kind (`sha1=`, `v2=`) counts for nothing, however right it is.

use http::header::HeaderName;
use openclaw_domain::Secret;

use super::key::{Algorithm, Encoding, MacKeys};
use super::{MOST_SIGNATURES, Presented, Proof, Rejection, single};

static HUB: [HeaderName; 1] = [HeaderName::from_static("x-hub-signature-256")];
/// Shopify's newer events leave the `X-` out.
static SHOPIFY: [HeaderName; 2] =
    [HeaderName::from_static("x-shopify-hmac-sha256"), HeaderName::from_static("shopify-hmac-sha256")];
static PAGERDUTY: [HeaderName; 1] = [HeaderName::from_static("x-pagerduty-signature")];

/// HMAC-SHA-256 of the body.
pub(super) struct BodyMac {
    keys: MacKeys,
    headers: &'static [HeaderName],
    prefix: &'static str,
    encoding: Encoding,
}

impl BodyMac {
    pub(super) fn hub(secrets: &[Secret<String>]) -> Self {
        Self::new(secrets, &HUB, "sha256=", Encoding::Hex)
    }

    pub(super) fn shopify(secrets: &[Secret<String>]) -> Self {
        Self::new(secrets, &SHOPIFY, "", Encoding::Base64)
    }

    pub(super) fn pagerduty(secrets: &[Secret<String>]) -> Self {
        Self::new(secrets, &PAGERDUTY, "v1=", Encoding::Hex)
    }

    fn new(
        secrets: &[Secret<String>],
        headers: &'static [HeaderName],
        prefix: &'static str,
        encoding: Encoding,
    ) -> Self {
        Self { keys: MacKeys::of_text(Algorithm::Sha256, secrets), headers, prefix, encoding }
    }

    pub(super) const fn headers(&self) -> &'static [HeaderName] {
        self.headers
    }

    pub(super) fn verify(&self, presented: &Presented<'_>) -> Result<Proof, Rejection> {
        let headers = &presented.head.headers;
        let mut present = self.headers.iter().filter(|name| headers.contains_key(*name));
        let name = present.next().unwrap_or(&self.headers[0]);
        if present.next().is_some() {
            return Err(Rejection::Repeated(name.clone()));
        }
        let shown = listed(single(headers, name)?, self.prefix, self.encoding)
            .map_err(|()| Rejection::Repeated(name.clone()))?;
        let key = self.keys.find(&[presented.body], &shown)?;
        Ok(Proof { key, ..Proof::default() })
    }
}

/// The signatures of a list separated by commas or spaces, those of another kind left out.
///
/// # Errors
/// There are more than anybody sends.
pub(super) fn listed(text: &str, prefix: &str, encoding: Encoding) -> Result<Vec<Vec<u8>>, ()> {
    let items = text.split([',', ' ']).filter_map(|item| encoding.decode(item.strip_prefix(prefix)?));
    let shown: Vec<Vec<u8>> = items.take(MOST_SIGNATURES + 1).collect();
    if shown.len() > MOST_SIGNATURES { Err(()) } else { Ok(shown) }
}
