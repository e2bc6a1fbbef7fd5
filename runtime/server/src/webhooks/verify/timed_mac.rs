//! Schemes that sign a time with the body: Slack and Zoom in two headers, Stripe in one.
//!
//! Invariant: the time that is checked is, digit for digit, the time that was signed.

use http::header::HeaderName;
use openclaw_domain::Secret;

use super::body_mac::listed;
use super::key::{Algorithm, Encoding, MacKeys};
use super::{MOST_SIGNATURES, Presented, Proof, Rejection, is_time, single, time};

static SLACK: [HeaderName; 1] = [HeaderName::from_static("x-slack-signature")];
static SLACK_TIME: HeaderName = HeaderName::from_static("x-slack-request-timestamp");
static ZOOM: [HeaderName; 1] = [HeaderName::from_static("x-zm-signature")];
static ZOOM_TIME: HeaderName = HeaderName::from_static("x-zm-request-timestamp");
static STRIPE: [HeaderName; 1] = [HeaderName::from_static("stripe-signature")];

/// HMAC-SHA-256 of a time and the body.
pub(super) struct TimedMac {
    keys: MacKeys,
    headers: &'static [HeaderName],
    /// The header with the time; `None`: it stands beside the signatures.
    time_header: Option<&'static HeaderName>,
}

impl TimedMac {
    pub(super) fn slack(secrets: &[Secret<String>]) -> Self {
        Self::new(secrets, &SLACK, Some(&SLACK_TIME))
    }

    pub(super) fn zoom(secrets: &[Secret<String>]) -> Self {
        Self::new(secrets, &ZOOM, Some(&ZOOM_TIME))
    }

    pub(super) fn stripe(secrets: &[Secret<String>]) -> Self {
        Self::new(secrets, &STRIPE, None)
    }

    fn new(
        secrets: &[Secret<String>],
        headers: &'static [HeaderName],
        time_header: Option<&'static HeaderName>,
    ) -> Self {
        Self { keys: MacKeys::of_text(Algorithm::Sha256, secrets), headers, time_header }
    }

    pub(super) const fn headers(&self) -> &'static [HeaderName] {
        self.headers
    }

    pub(super) const fn keys(&self) -> &MacKeys {
        &self.keys
    }

    pub(super) fn verify(&self, presented: &Presented<'_>) -> Result<Proof, Rejection> {
        let (headers, name) = (&presented.head.headers, &self.headers[0]);
        let text = single(headers, name)?;
        let repeated = || Rejection::Repeated(name.clone());
        let (timestamp, key) = if let Some(time_header) = self.time_header {
            let timestamp = time(headers, time_header)?;
            let shown = listed(text, "v0=", Encoding::Hex).map_err(|()| repeated())?;
            (timestamp, self.keys.find(&[b"v0:", timestamp.as_bytes(), b":", presented.body], &shown)?)
        } else {
            let mut timestamps = text.split(',').filter_map(|item| item.strip_prefix("t="));
            let timestamp = timestamps.next().filter(|text| is_time(text));
            let timestamp = timestamp.ok_or_else(|| Rejection::Malformed(name.clone()))?;
            if timestamps.next().is_some() {
                return Err(repeated());
            }
            // `v0` is Stripe's scheme for tests, and signs nothing.
            let shown = text.split(',').filter_map(|item| Encoding::Hex.decode(item.strip_prefix("v1=")?));
            let shown: Vec<Vec<u8>> = shown.take(MOST_SIGNATURES + 1).collect();
            if shown.len() > MOST_SIGNATURES {
                return Err(repeated());
            }
            (timestamp, self.keys.find(&[timestamp.as_bytes(), b".", presented.body], &shown)?)
        };
        Ok(Proof { key, timestamp: Some(timestamp.to_owned()), id: None })
    }
}
