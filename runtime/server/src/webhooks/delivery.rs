//! Under which key a request is taken once: the sender's own id for the delivery, which it repeats when it tries again.
//!
//! A provider's id stands behind the provider's name and a space. An `Idempotency-Key` has no space, so neither can
//! pass for the other.
//! Invariant: where a signature covers an id or a time, the key is made of what was signed: whoever captured a request
//! cannot make it a new one by adding a header.

use std::borrow::Cow;

use http::HeaderMap;
use http::HeaderValue;
use http::header::HeaderName;
use openclaw_domain::Refusal;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::verify::{Proof, Verifier};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Delivery ids of providers, and whose they are. Unsigned: what they are good for is a provider's own repetition.
const DELIVERY_IDS: [(&str, HeaderName); 6] = [
    ("github", HeaderName::from_static("x-github-delivery")),
    ("webhook", HeaderName::from_static("webhook-id")),
    ("webhook", HeaderName::from_static("svix-id")),
    ("shopify", HeaderName::from_static("x-shopify-webhook-id")),
    ("shopify", HeaderName::from_static("shopify-webhook-id")),
    ("twilio", HeaderName::from_static("i-twilio-idempotency-token")),
];
/// Longest id, in characters.
const LONGEST_KEY: usize = 256;

/// The key of a request that showed a secret: `Idempotency-Key`, else a provider's delivery id.
///
/// # Errors
/// An `Idempotency-Key` that is not 1 to 256 visible ASCII characters, or stands there twice. A provider's id of
/// another shape is no key: the provider could not mend it.
pub(super) fn shown_key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    if let Some(key) = keys.next() {
        if keys.next().is_some() {
            return Err(Refusal::invalid("Idempotency-Key", "stands in the request more than once; send it once"));
        }
        return match as_key(key) {
            Some(key) => Ok(Some(key.to_owned())),
            None => Err(Refusal::invalid("Idempotency-Key", "must be 1 to 256 visible ASCII characters")),
        };
    }
    Ok(DELIVERY_IDS.iter().find_map(|(provider, name)| header_key(headers, provider, name)))
}

/// The key of a request that was signed. `json` is its body, or the JSON its form carries.
///
/// # Errors
/// As [`shown_key`], where the scheme has no id of its own.
pub(super) fn signed_key(
    verifier: &Verifier,
    proof: &Proof,
    headers: &HeaderMap,
    body: &[u8],
    json: Option<&[u8]>,
) -> Result<Option<String>, Refusal> {
    let scheme = verifier.scheme();
    let named = |id: &str| is_key(id).then(|| format!("{scheme} {id}"));
    let ids = || json.and_then(|json| serde_json::from_slice::<Ids<'_>>(json).ok()).unwrap_or_default();
    let key = match scheme {
        "gitlab" | "standard-webhooks" => proof.id.as_deref().map(|id| format!("webhook {}", kept(id))),
        "slack" => ids().event_id.and_then(|id| named(&id)).or_else(|| Some(signed_content(scheme, proof, body))),
        "discord" => ids().id.and_then(|id| named(&id)).or_else(|| Some(signed_content(scheme, proof, body))),
        "stripe" => ids().id.and_then(|id| named(&id)).or_else(|| Some(content(scheme, body))),
        "pagerduty" => {
            let event = ids().event.and_then(|event| event.id);
            event.and_then(|id| named(&id)).or_else(|| Some(content(scheme, body)))
        }
        // Neither names a delivery, and both say in the body when it happened. A repetition has the same body, and at
        // Zoom a newer time.
        "zoom" | "meta" => Some(content(scheme, body)),
        _ => {
            let by_operator = verifier.id_header().and_then(|name| header_key(headers, scheme, name));
            by_operator.or_else(|| proof.timestamp.is_some().then(|| signed_content(scheme, proof, body)))
        }
    };
    if key.is_some() { Ok(key) } else { shown_key(headers) }
}

/// Ids that stand in bodies, by the names their providers give them. Other kinds of value are no ids.
#[derive(Default, Deserialize)]
struct Ids<'a> {
    #[serde(borrow, default, deserialize_with = "text")]
    event_id: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "text")]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "event")]
    event: Option<EventId<'a>>,
}

#[derive(Deserialize)]
struct EventId<'a> {
    #[serde(borrow, default, deserialize_with = "text")]
    id: Option<Cow<'a, str>>,
}

/// A string, borrowed or not; anything else is nothing.
fn text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Cow<'de, str>>, D::Error> {
    let raw = <&serde_json::value::RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str::<String>(raw.get()).ok().map(Cow::Owned))
}

fn event<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<EventId<'de>>, D::Error> {
    let raw = <&serde_json::value::RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).ok())
}

fn content(scheme: &str, body: &[u8]) -> String {
    format!("{scheme} body:{}", hex::encode(Sha256::digest(body)))
}

/// Like [`content`], of the signed time too: the same body at another second is another request.
fn signed_content(scheme: &str, proof: &Proof, body: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(proof.timestamp.as_deref().unwrap_or_default());
    hash.update(b".");
    hash.update(body);
    format!("{scheme} signed:{}", hex::encode(hash.finalize()))
}

/// A signed id as it is kept: one that is no key is still signed, and its hash names it as well.
fn kept(id: &str) -> Cow<'_, str> {
    if is_key(id) { Cow::Borrowed(id) } else { Cow::Owned(hex::encode(Sha256::digest(id))) }
}

fn header_key(headers: &HeaderMap, provider: &str, name: &HeaderName) -> Option<String> {
    headers.get(name).and_then(as_key).map(|id| format!("{provider} {id}"))
}

fn as_key(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok().filter(|key| is_key(key))
}

fn is_key(key: &str) -> bool {
    (1..=LONGEST_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn an_idempotency_key_wins_over_a_delivery_id_and_cannot_be_mistaken_for_one() {
        let key = |pairs: &[(&'static str, &'static str)]| shown_key(&map(pairs));
        assert_eq!(key(&[]).unwrap(), None);
        assert_eq!(key(&[("idempotency-key", "k-1")]).unwrap().as_deref(), Some("k-1"));
        for (provider, name) in &DELIVERY_IDS {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static("k-1"));
            assert_eq!(shown_key(&headers).unwrap(), Some(format!("{provider} k-1")));
        }
        assert_eq!(key(&[("webhook-id", "w"), ("idempotency-key", "k")]).unwrap().as_deref(), Some("k"));
        assert_eq!(key(&[("webhook-id", "has space")]).unwrap(), None);
        for bad in ["", "has space", "github k-1", "tab\tinside"] {
            assert!(matches!(key(&[("idempotency-key", bad)]), Err(Refusal::InvalidRequest { .. })), "{bad:?}");
        }
        let mut long = HeaderMap::new();
        long.insert(IDEMPOTENCY_KEY, HeaderValue::from_str(&"k".repeat(256)).unwrap());
        assert!(shown_key(&long).unwrap().is_some());
        long.insert(IDEMPOTENCY_KEY, HeaderValue::from_str(&"k".repeat(257)).unwrap());
        assert!(shown_key(&long).is_err());
        let mut twice = map(&[("idempotency-key", "a")]);
        twice.append(IDEMPOTENCY_KEY, HeaderValue::from_static("a"));
        assert!(shown_key(&twice).is_err());
    }

    #[test]
    fn ids_are_read_from_bodies_and_other_kinds_of_value_are_none() {
        let ids = |json: &'static str| serde_json::from_str::<Ids<'_>>(json).unwrap();
        let all = ids(r#"{"event_id":"Ev1","id":"evt_\u0031","event":{"id":"e","x":[]},"more":{}}"#);
        assert_eq!((all.event_id.as_deref(), all.id.as_deref()), (Some("Ev1"), Some("evt_1")));
        assert_eq!(all.event.and_then(|event| event.id).as_deref(), Some("e"));
        let none = ids(r#"{"event_id":1,"id":null,"event":"x"}"#);
        assert!(none.event_id.is_none() && none.id.is_none() && none.event.is_none());
    }
}
