//! Judges a response's head before anybody reads its body.
//!
//! Invariant: what leaves here is end to end: nothing of the connection, no trailers, no length that may be wrong, and
//! no secret that the request carried.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use hyper::body::Body as _;
use openclaw_domain::{EgressError, EgressLimits};

use crate::redact::Needles;

const OF_THE_CONNECTION: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "trailers",
    "transfer-encoding",
    "upgrade",
];

/// The headers as the sender may see them.
pub(crate) fn judge(
    response: &http::Response<hyper::body::Incoming>,
    method: &Method,
    limits: &EgressLimits,
    needles: &Needles,
) -> Result<HeaderMap, EgressError> {
    let broke = |reason: &str| EgressError::Protocol(reason.to_owned());
    let headers = response.headers();
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(broke("the server switched protocols without being asked"));
    }
    let encodings: Vec<&HeaderValue> = headers.get_all(header::TRANSFER_ENCODING).iter().collect();
    // Two framings in one response are how one response is passed off as two (RFC 9112 §6.3).
    if !encodings.is_empty() && headers.contains_key(header::CONTENT_LENGTH) {
        return Err(broke("the response has both a `content-length` and a `transfer-encoding`"));
    }
    if !encodings.is_empty() && (encodings.len() > 1 || !encodings[0].as_bytes().eq_ignore_ascii_case(b"chunked")) {
        return Err(broke("the response has a `transfer-encoding` other than `chunked`"));
    }
    if *method != Method::HEAD && response.body().size_hint().lower() > limits.response_body_bytes {
        return Err(EgressError::TooLarge { what: "a response body", limit: limits.response_body_bytes });
    }
    let is_encoded = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|value| !value.is_empty() && !value.as_bytes().eq_ignore_ascii_case(b"identity"));
    if !needles.is_empty() && is_encoded {
        return Err(broke(
            "the response is compressed, so that the secret sent with the request cannot be found in it",
        ));
    }
    Ok(end_to_end(headers, needles))
}

fn end_to_end(headers: &HeaderMap, needles: &Needles) -> HeaderMap {
    let listed: Vec<String> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let mut kept = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let is_dropped = OF_THE_CONNECTION.contains(&name.as_str())
            || listed.iter().any(|listed| listed == name.as_str())
            // What is replaced in the body changes its length.
            || (!needles.is_empty() && name == header::CONTENT_LENGTH)
            || needles.are_in_name(name.as_str());
        if !is_dropped {
            kept.append(name.clone(), without_needles(name, value, needles));
        }
    }
    kept
}

fn without_needles(name: &HeaderName, value: &HeaderValue, needles: &Needles) -> HeaderValue {
    match needles.replace(value.as_bytes()) {
        None => value.clone(),
        Some(clean) => HeaderValue::from_bytes(&clean).unwrap_or_else(|_| {
            tracing::debug!(%name, "a reflected header could not be kept");
            HeaderValue::from_static("[secret]")
        }),
    }
}
