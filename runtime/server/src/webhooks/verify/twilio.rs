//! Twilio: an HMAC-SHA-1 of the URL it called and of the form's fields, sorted, names and values joined by nothing.
//!
//! Which URL it called, a gateway behind proxies can only put together, so several spellings are tried; each still
//! needs the right key. `publicUrl` leaves one, and then no `Host` can pass a request of another of the account's URLs
//! off as this one's.
//! Invariant: a body that is no form is signed through `bodySHA256` in the URL, or refused.

use std::collections::{BTreeMap, BTreeSet};

use http::header::{CONTENT_TYPE, HOST, HeaderName};
use openclaw_domain::Secret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::key::{Algorithm, Encoding, MacKeys};
use super::{Presented, Proof, Rejection, single};

pub(super) static SIGNATURE: [HeaderName; 1] = [HeaderName::from_static("x-twilio-signature")];
static FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// The query parameter with the hash of a body that is no form.
const BODY_HASH: &str = "bodySHA256";

/// Verifies with the account's tokens.
pub(super) struct Twilio {
    keys: MacKeys,
    public_url: Option<Box<str>>,
}

impl Twilio {
    pub(super) fn new(secrets: &[Secret<String>], public_url: Option<Box<str>>) -> Self {
        Self { keys: MacKeys::of_text(Algorithm::Sha1, secrets), public_url }
    }

    pub(super) fn verify(&self, presented: &Presented<'_>) -> Result<Proof, Rejection> {
        let shown = Encoding::Base64.decode(single(&presented.head.headers, &SIGNATURE[0])?);
        let shown = [shown.ok_or_else(|| Rejection::Malformed(SIGNATURE[0].clone()))?];
        let fields = signed_fields(presented)?;
        let mut mismatch = Rejection::Mismatch;
        for url in self.urls(presented) {
            match self.keys.find(&[url.as_bytes(), fields.as_bytes()], &shown) {
                Ok(key) => return Ok(Proof { key, ..Proof::default() }),
                Err(rejection) => mismatch = rejection,
            }
        }
        Err(mismatch)
    }

    /// The URLs Twilio may have called.
    fn urls(&self, presented: &Presented<'_>) -> Vec<String> {
        let uri = &presented.head.uri;
        if let Some(public_url) = &self.public_url {
            return vec![match uri.query() {
                Some(query) => format!("{public_url}?{query}"),
                None => public_url.to_string(),
            }];
        }
        let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let said = |name: &'static HeaderName| single(&presented.head.headers, name).ok().map(str::trim);
        let forwarded = |name: &'static HeaderName| said(name).filter(|_| presented.is_from_proxy);
        let host =
            forwarded(&FORWARDED_HOST).or_else(|| uri.authority().map(http::uri::Authority::as_str)).or(said(&HOST));
        let Some(host) = host else { return Vec::new() };
        let schemes: &[&str] = match forwarded(&FORWARDED_PROTO) {
            Some("http") => &["http"],
            Some("https") => &["https"],
            _ => &["https", "http"],
        };
        let spelled =
            |scheme: &&str| with_and_without_port(scheme, host).map(|host| format!("{scheme}://{host}{path}"));
        schemes.iter().flat_map(spelled).collect()
    }
}

/// A host as it stands, and with the scheme's own port added or whatever port it has left out: Twilio signs either.
fn with_and_without_port(scheme: &str, host: &str) -> [String; 2] {
    let port = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => Some(name),
        _ => None,
    };
    match port {
        Some(name) => [host.to_owned(), name.to_owned()],
        None => [host.to_owned(), format!("{host}:{}", if scheme == "https" { 443 } else { 80 })],
    }
}

/// The form's fields as they are signed; empty if the body is none and signed by its hash.
fn signed_fields(presented: &Presented<'_>) -> Result<String, Rejection> {
    let query = presented.head.uri.query().unwrap_or_default();
    let hash = form_urlencoded::parse(query.as_bytes()).find_map(|(name, value)| (name == BODY_HASH).then_some(value));
    if let Some(hash) = &hash {
        let body_hash = hex::encode(Sha256::digest(presented.body));
        if !bool::from(body_hash.as_bytes().ct_eq(hash.to_ascii_lowercase().as_bytes())) {
            return Err(Rejection::Mismatch);
        }
    }
    if !is_form(presented) {
        return if hash.is_some() || presented.body.is_empty() {
            Ok(String::new())
        } else {
            Err(Rejection::Unsigned("a body that is no form and has no `bodySHA256` in the URL"))
        };
    }
    let mut fields: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(presented.body).into_owned() {
        fields.entry(name).or_default().insert(value);
    }
    let mut signed = String::with_capacity(presented.body.len());
    for (name, values) in &fields {
        for value in values {
            signed.push_str(name);
            signed.push_str(value);
        }
    }
    Ok(signed)
}

fn is_form(presented: &Presented<'_>) -> bool {
    let value = presented.head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}
