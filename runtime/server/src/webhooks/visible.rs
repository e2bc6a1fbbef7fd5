//! What of a request the transform and the inbox get to see.
//!
//! Invariant: nothing in it proves who sent the request. Headers and query parameters that carry a credential by any
//! customary name are left out, and so are headers that concern the connection only.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue};
use openclaw_domain::Refusal;

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

/// The headers in order, names in lower case; bytes that are not UTF-8 become U+FFFD.
///
/// `signatures` are those the endpoint's scheme reads, which an operator may have given any name.
pub(super) fn headers(headers: &HeaderMap, signatures: &[HeaderName]) -> Vec<(String, String)> {
    let mut visible = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        let is_signature = signatures.contains(name);
        let name = name.as_str();
        if !is_signature && !is_credential(name) && !concerns_the_connection(name) {
            visible.push((name.to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        }
    }
    visible
}

/// Whether a header or parameter of this name proves something, by the words it is made of. A word too many costs a
/// transform a value; one too few puts a stranger's credential on disk.
fn is_credential(name: &str) -> bool {
    let words = words(name);
    let words: Vec<&str> = words.iter().map(String::as_str).filter(|word| !word.is_empty() && *word != "x").collect();
    // `Idempotency-Key` and `I-Twilio-Idempotency-Token` name a delivery, not a sender.
    !words.contains(&"idempotency") && (words.iter().any(|word| is_telling(word)) || is_key(&words))
}

fn is_telling(word: &str) -> bool {
    const WORDS: [&str; 16] = [
        "auth",
        "oauth",
        "bearer",
        "cookie",
        "hmac",
        "sig",
        "jwt",
        "assertion",
        "saml",
        "oidc",
        "otp",
        "pwd",
        "passwd",
        "passphrase",
        "session",
        "sessionid",
    ];
    // Names are also written in one word: `apikey`, `csrftoken`, `clientsecret`.
    const ENDINGS: [&str; 8] =
        ["token", "secret", "signature", "password", "credential", "apikey", "accesskey", "authorization"];
    let one = word.trim_end_matches(|digit: char| digit.is_ascii_digit());
    let one = one.strip_suffix('s').unwrap_or(one);
    WORDS.contains(&one) || ENDINGS.iter().any(|ending| one.ends_with(ending))
}

/// Whether it is a key that opens something. Others name something: Bitbucket's `X-Event-Key` says what happened.
fn is_key(words: &[&str]) -> bool {
    const OPENING: [&str; 9] =
        ["api", "access", "function", "functions", "private", "subscription", "service", "webhook", "license"];
    match words {
        [.., before, "key" | "keys"] => OPENING.contains(before),
        ["key"] => true,
        _ => false,
    }
}

/// The words of a name, in lower case: `X-Api-Key`, `api_key`, `apiKey` and `APIKey` are made of the same.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let letters: Vec<char> = name.chars().collect();
    for (index, letter) in letters.iter().enumerate() {
        let follows_small = index > 0 && (letters[index - 1].is_lowercase() || letters[index - 1].is_ascii_digit());
        let precedes_small = letters.get(index + 1).is_some_and(|next| next.is_lowercase());
        let begins_word = letter.is_uppercase() && (follows_small || precedes_small);
        if begins_word || !letter.is_alphanumeric() {
            words.push(String::new());
        }
        if letter.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
    }
    words
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
    // `code` alone is what OAuth hands out; in headers and longer names it means other things.
    parameters.filter(|(name, _)| !is_credential(name) && !name.eq_ignore_ascii_case("code")).collect()
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
            "x-pagerduty-signature",
            "x-twilio-signature",
            "x-zm-signature",
            "svix-signature",
            "shopify-hmac-sha256",
            "linear-signature",
            "hub.verify_token",
            "x-signature-ed25519",
            "x-api-key",
            "x-auth",
            "cookie2",
            "cf-access-jwt-assertion",
            "x-jwt",
            "x-credentials",
            "x-apikeys",
            "x-sig",
            "x-functions-key",
            "ocp-apim-subscription-key",
            "x-key",
            "x-session-id",
            "x-amz-security-token",
            "x-goog-iam-authorization-token",
            "client_secret",
            "webhook_token",
            "api-key",
            "X-Amz-Signature",
            "X-Amz-Credential",
            "clientSecret",
            "APIKey",
            "accessToken2",
        ] {
            assert!(is_credential(credential), "{credential}");
        }
        for other in [
            "user-agent",
            "x-github-event",
            "x-github-delivery",
            "x-github-hook-id",
            "x-gitlab-event",
            "x-shopify-topic",
            "webhook-id",
            "webhook-timestamp",
            "svix-id",
            "traceparent",
            "x-event-key",
            "issue_key",
            "x-author",
            "x-monkey",
            "signal",
            "i-twilio-idempotency-token",
            "idempotency-key",
        ] {
            assert!(!is_credential(other), "{other}");
        }
    }

    #[test]
    fn query_parameters_keep_their_order_and_lose_credentials() {
        let seen = query(Some("b=1&token=s&a=x+y&Key=s&secret=s&client_secret=s&code=s&keyword=k&b=%26"));
        let expected = [("b", "1"), ("a", "x y"), ("keyword", "k"), ("b", "&")];
        assert_eq!(seen, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(query_text(&seen), "b=1&a=x+y&keyword=k&b=%26");
        assert_eq!(query_text(&query(None)), "");
    }
}
