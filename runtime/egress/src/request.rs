//! Reads a request before anything is dialled, and writes its head from what will be dialled.
//!
//! Invariant: nothing that the sender wrote decides where the request goes or how its body is framed: `host` is the
//! origin's, length or chunks are counted by us, and no byte in it can begin a second header or request.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Uri};
use openclaw_domain::{EgressError, NamePolicy, Origin, Outgoing, OutgoingBody};

const USER_AGENT: &str = concat!("openclaw/", env!("CARGO_PKG_VERSION"));

/// A request that may be sent if its addresses may be dialled.
pub(crate) struct Head {
    pub(crate) method: Method,
    pub(crate) path: PathAndQuery,
    /// The sender's headers and ours, without those that hold secrets.
    pub(crate) headers: HeaderMap,
    /// What the sender said a streamed body's length is; it is held to it.
    pub(crate) declared: Option<u64>,
}

pub(crate) fn bad(part: impl Into<String>, reason: impl Into<String>) -> EgressError {
    EgressError::BadRequest { part: part.into(), reason: reason.into() }
}

/// Checks everything that can be checked without asking anybody.
pub(crate) fn read(request: &Outgoing) -> Result<Head, EgressError> {
    let method = request.method.clone();
    if method == Method::CONNECT || method == Method::TRACE {
        return Err(bad("method", format!("is `{method}`, which is for proxies and not for requests")));
    }
    let origin = &request.origin;
    if origin.to_string().parse::<Origin>().as_ref() != Ok(origin) {
        return Err(bad("url", "has an origin that is none: build it with `Origin::split`"));
    }
    let path = read_path(&request.path_and_query)?;
    if let NamePolicy::Rules(rules) = &request.names
        && !rules.iter().any(|rule| rule.allows(method.as_str(), origin, path.path()))
    {
        let url = format!("{origin}{}", path.path());
        return Err(EgressError::NameDenied { method: method.to_string(), url });
    }
    for header in &request.secret_headers {
        check_name(&header.name)?;
        if header.name == header::CONTENT_LENGTH {
            return Err(bad(format!("header {}", header.name), "belongs to the connection and is set by the gateway"));
        }
    }
    if !request.secret_headers.is_empty() && request.headers.contains_key(header::RANGE) {
        // A secret that is echoed piece by piece is not recognised.
        return Err(bad("header range", "cannot be sent together with a secret: leave one of them out"));
    }
    let (mut headers, declared) = read_headers(request)?;
    headers.insert(header::HOST, host_value(origin)?);
    headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static(USER_AGENT));
    if matches!(request.body, OutgoingBody::Empty) && [Method::POST, Method::PUT, Method::PATCH].contains(&method) {
        // RFC 9110 §8.6: a method that expects content says when there is none.
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    let head = Head { method, path, headers, declared };
    check_size(&head, &head.headers, request.limits.request_header_bytes)?;
    Ok(head)
}

/// The bytes of the head as it will be written stay within the bound.
pub(crate) fn check_size(head: &Head, headers: &HeaderMap, limit: usize) -> Result<(), EgressError> {
    let line = head.method.as_str().len() + head.path.as_str().len() + " HTTP/1.1\r\n".len() + 1;
    let fields: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if line + fields > limit {
        return Err(EgressError::TooLarge { what: "request headers", limit: limit as u64 });
    }
    Ok(())
}

fn read_path(text: &str) -> Result<PathAndQuery, EgressError> {
    if !text.starts_with('/') {
        return Err(bad("url", "has a path that does not begin with `/`"));
    }
    if let Some(byte) = text.bytes().find(|byte| !byte.is_ascii_graphic()) {
        return Err(bad("url", format!("holds the byte 0x{byte:02x} in its path: percent-encode it")));
    }
    if text.contains('#') {
        return Err(bad("url", "has a fragment, which is never sent"));
    }
    text.parse().map_err(|_| bad("url", "has a path that HTTP does not allow: percent-encode it"))
}

/// Headers that say how a connection is used. They are ours, whoever sends them.
fn is_of_the_connection(name: &HeaderName) -> bool {
    const NAMES: [&str; 9] = [
        "host",
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
        "proxy",
    ];
    NAMES.contains(&name.as_str()) || name.as_str().starts_with("proxy-")
}

fn check_name(name: &HeaderName) -> Result<(), EgressError> {
    if is_of_the_connection(name) {
        return Err(bad(format!("header {name}"), "belongs to the connection and is set by the gateway"));
    }
    Ok(())
}

fn read_headers(request: &Outgoing) -> Result<(HeaderMap, Option<u64>), EgressError> {
    let mut headers = HeaderMap::new();
    let mut declared = None;
    for (name, value) in &request.headers {
        check_name(name)?;
        let is_visible = value.as_bytes().iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
        if !is_visible {
            return Err(bad(format!("header {name}"), "holds characters that are not visible ASCII: encode them"));
        }
        if name == header::CONTENT_LENGTH {
            let digits = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            let length: Option<u64> = digits.and_then(|text| text.parse().ok());
            let is_first = declared.is_none();
            declared = length;
            if declared.is_none() || !is_first {
                return Err(bad("header content-length", "is not one number: leave it out"));
            }
            continue;
        }
        if request.secret_headers.iter().any(|secret| secret.name == name) {
            return Err(bad(format!("header {name}"), "is sent with a secret in it too: send one of the two"));
        }
        headers.append(name.clone(), value.clone());
    }
    let limit = request.limits.request_body_bytes;
    let known = match &request.body {
        OutgoingBody::Empty => Some(0),
        OutgoingBody::Full(body) => Some(body.len() as u64),
        OutgoingBody::Stream(_) => None,
    };
    if let (Some(declared), Some(known)) = (declared, known)
        && declared != known
    {
        return Err(bad("header content-length", format!("says {declared}, the body has {known} bytes: leave it out")));
    }
    if known.or(declared).is_some_and(|length| length > limit) {
        return Err(EgressError::TooLarge { what: "a request body", limit });
    }
    Ok((headers, declared.filter(|_| known.is_none())))
}

/// The authority as it stands in `host`: the port only if it is not the scheme's own.
fn host_value(origin: &Origin) -> Result<HeaderValue, EgressError> {
    HeaderValue::try_from(authority(origin)).map_err(|_| bad("url", "has a host that is none"))
}

pub(crate) fn authority(origin: &Origin) -> String {
    match origin.port == origin.scheme.default_port() {
        true => origin.host.clone(),
        false => format!("{}:{}", origin.host, origin.port),
    }
}

/// The request target: the path for the server itself, the whole URL for a proxy that forwards (RFC 9112 §3.2).
pub(crate) fn target(head: &Head, origin: &Origin, is_forwarded: bool) -> Result<Uri, EgressError> {
    if !is_forwarded {
        return Ok(Uri::from(head.path.clone()));
    }
    Uri::builder()
        .scheme(origin.scheme.as_str())
        .authority(authority(origin))
        .path_and_query(head.path.clone())
        .build()
        .map_err(|_| bad("url", "is none that a proxy takes"))
}
