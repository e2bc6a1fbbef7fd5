//! What of a request the transform and the inbox get to see.
//!
//! Invariant: nothing in it proves who sent the request. Headers and query parameters that carry a credential by any
//! customary name are left out, and so are headers that concern the connection only.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue};
use openclaw_domain::Refusal;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Delivery ids of providers: GitHub, Standard Webhooks, Svix, Shopify. A repeated delivery repeats its id.
const DELIVERY_IDS: [HeaderName; 4] = [
    HeaderName::from_static("x-github-delivery"),
    HeaderName::from_static("webhook-id"),
    HeaderName::from_static("svix-id"),
    HeaderName::from_static("x-shopify-webhook-id"),
];
/// Longest idempotency key, in characters.
const LONGEST_KEY: usize = 256;

/// The media type of the body: lower case, without parameters; `None` if it is not said.
///
/// # Errors
/// Anything but JSON, a form or text, and any encoding: a transform reads the bytes as they came.
pub(super) fn media_type(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    if let Some(encoding) = headers.get(CONTENT_ENCODING)
        && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        return Err(Refusal::UnsupportedType(format!("with encoding {}", printable(encoding))));
    }
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(None) };
    let essence = value.to_str().unwrap_or("?").split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_taken = essence == "application/json"
        || essence == "application/x-www-form-urlencoded"
        || essence.starts_with("text/")
        || essence.ends_with("+json");
    match essence.as_str() {
        "" => Ok(None),
        _ if is_taken => Ok(Some(essence)),
        _ => Err(Refusal::UnsupportedType(printable(value))),
    }
}

fn printable(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).chars().take(80).collect()
}

/// The sender's own id for the request: `Idempotency-Key`, else a provider's delivery id.
///
/// # Errors
/// An `Idempotency-Key` that is not 1 to 256 visible ASCII characters, or stands there twice. A provider's id of
/// another shape is no key: the provider could not mend it.
pub(super) fn delivery_key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    if let Some(key) = keys.next() {
        if keys.next().is_some() {
            return Err(Refusal::invalid("Idempotency-Key", "stands in the request more than once; send it once"));
        }
        return match as_key(key) {
            Some(key) => Ok(Some(key)),
            None => Err(Refusal::invalid("Idempotency-Key", "must be 1 to 256 visible ASCII characters")),
        };
    }
    Ok(DELIVERY_IDS.iter().find_map(|name| headers.get(name).and_then(as_key)))
}

fn as_key(value: &HeaderValue) -> Option<String> {
    let key = value.to_str().ok()?;
    ((1..=LONGEST_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())).then(|| key.to_owned())
}

/// The headers in order, names in lower case; bytes that are not UTF-8 become U+FFFD.
pub(super) fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut visible = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        let name = name.as_str();
        if !is_credential(name) && !concerns_the_connection(name) {
            visible.push((name.to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        }
    }
    visible
}

fn is_credential(name: &str) -> bool {
    let words = || name.split(['-', '_']);
    let is_telling = |word: &str| {
        matches!(word, "authorization" | "auth" | "cookie" | "cookie2" | "hmac" | "password" | "credential" | "apikey")
            || ["token", "secret", "signature"].iter().any(|end| word.ends_with(end))
    };
    // `I-Twilio-Idempotency-Token` names a delivery, not a sender.
    (words().any(is_telling) && !words().any(|word| word == "idempotency"))
        || ["api-key", "access-key", "functions-key"].iter().any(|end| name.ends_with(end))
}

fn concerns_the_connection(name: &str) -> bool {
    matches!(
        name,
        "connection" | "content-length" | "expect" | "keep-alive" | "te" | "trailer" | "transfer-encoding" | "upgrade"
    )
}

/// The query parameters in order, decoded.
pub(super) fn query(query: Option<&str>) -> Vec<(String, String)> {
    let Some(query) = query.filter(|query| !query.is_empty()) else { return Vec::new() };
    let parameters = form_urlencoded::parse(query.as_bytes()).into_owned();
    parameters.filter(|(name, _)| !is_credential_parameter(name)).collect()
}

fn is_credential_parameter(name: &str) -> bool {
    const NAMES: [&str; 10] =
        ["token", "secret", "key", "access_token", "api_key", "apikey", "auth", "password", "signature", "sig"];
    NAMES.iter().any(|credential| name.eq_ignore_ascii_case(credential))
}

/// Query parameters as they stand in a URL.
pub(super) fn query_text(parameters: &[(String, String)]) -> String {
    if parameters.is_empty() {
        return String::new();
    }
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn json_forms_and_text_are_taken_and_a_missing_type_is_fine() {
        let of = |value: &'static str| media_type(&map(&[("content-type", value)]));
        assert_eq!(of("application/json").unwrap().unwrap(), "application/json");
        assert_eq!(of("Application/JSON; charset=utf-8").unwrap().unwrap(), "application/json");
        assert_eq!(of("application/cloudevents+json").unwrap().unwrap(), "application/cloudevents+json");
        assert_eq!(of("application/x-www-form-urlencoded").unwrap().unwrap(), "application/x-www-form-urlencoded");
        assert_eq!(of("text/plain").unwrap().unwrap(), "text/plain");
        assert_eq!(of("").unwrap(), None);
        assert_eq!(media_type(&map(&[])).unwrap(), None);
        for other in ["application/xml", "multipart/form-data; boundary=x", "image/png", "json", "application/jsonx"] {
            assert!(matches!(of(other), Err(Refusal::UnsupportedType(_))), "{other}");
        }
        assert!(media_type(&map(&[("content-encoding", "gzip")])).is_err());
    }

    #[test]
    fn an_idempotency_key_wins_over_a_delivery_id() {
        let key = |pairs: &[(&'static str, &'static str)]| delivery_key(&map(pairs));
        assert_eq!(key(&[]).unwrap(), None);
        for name in ["idempotency-key", "x-github-delivery", "webhook-id", "svix-id", "x-shopify-webhook-id"] {
            assert_eq!(key(&[(name, "k-1")]).unwrap().as_deref(), Some("k-1"), "{name}");
        }
        assert_eq!(key(&[("webhook-id", "w"), ("idempotency-key", "k")]).unwrap().as_deref(), Some("k"));
        assert_eq!(key(&[("webhook-id", "has space")]).unwrap(), None);
        for bad in ["", "has space", "tab\tinside"] {
            assert!(matches!(key(&[("idempotency-key", bad)]), Err(Refusal::InvalidRequest { .. })), "{bad:?}");
        }
        let mut long = HeaderMap::new();
        long.insert(IDEMPOTENCY_KEY, HeaderValue::from_str(&"k".repeat(256)).unwrap());
        assert!(delivery_key(&long).unwrap().is_some());
        long.insert(IDEMPOTENCY_KEY, HeaderValue::from_str(&"k".repeat(257)).unwrap());
        assert!(delivery_key(&long).is_err());
        let mut twice = map(&[("idempotency-key", "a")]);
        twice.append(IDEMPOTENCY_KEY, HeaderValue::from_static("a"));
        assert!(delivery_key(&twice).is_err());
    }

    #[test]
    fn headers_that_prove_something_are_left_out() {
        for credential in [
            "authorization",
            "proxy-authorization",
            "cookie",
            "x-webhook-secret",
            "x-hub-signature",
            "x-hub-signature-256",
            "stripe-signature",
            "x-slack-signature",
            "webhook-signature",
            "x-shopify-hmac-sha256",
            "x-gitlab-token",
            "x-openclaw-token",
            "x-signature-ed25519",
            "x-api-key",
            "x-auth",
        ] {
            assert!(is_credential(credential), "{credential}");
        }
        for other in ["user-agent", "x-github-event", "x-author", "i-twilio-idempotency-token", "idempotency-key"] {
            assert!(!is_credential(other), "{other}");
        }
    }

    #[test]
    fn query_parameters_keep_their_order_and_lose_credentials() {
        let seen = query(Some("b=1&token=s&a=x+y&Key=s&secret=s&keyword=k&b=%26"));
        let expected = [("b", "1"), ("a", "x y"), ("keyword", "k"), ("b", "&")];
        assert_eq!(seen, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(query_text(&seen), "b=1&a=x+y&keyword=k&b=%26");
        assert_eq!(query_text(&query(None)), "");
    }
}
