//! `http`, on stock `wasi:http`.

use openclaw_guest::{Failure, tool};
use schemars::JsonSchema;
use serde::Deserialize;

/// A request.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    /// The method.
    #[serde(default = "get")]
    method: String,
    /// `http` or `https`.
    #[serde(default = "http")]
    scheme: String,
    /// Host and port.
    host: String,
    /// Path and query.
    path: String,
    /// Names and values.
    #[serde(default)]
    headers: Vec<(String, String)>,
    /// What to send.
    #[serde(default)]
    body: String,
}

fn get() -> String {
    "GET".to_owned()
}

fn http() -> String {
    "http".to_owned()
}

/// Sends a request; fails if there is no response.
#[tool]
pub(crate) fn fetch(request: &Request) -> Result<String, Failure> {
    send(request).map_err(Failure::from)
}

/// Sends a request; tells what came of it and goes on.
#[tool]
pub(crate) fn fetch_anyway(request: &Request) -> String {
    send(request).unwrap_or_else(|error| format!("refused: {error}"))
}

/// Computes for a while, and then sends a request and counts it: by then the guest has moved to other threads.
#[tool]
pub(crate) fn fetch_late(both: &Both) -> Result<String, Failure> {
    for number in 0..100_000_000_u64 {
        std::hint::black_box(number);
    }
    fetch_then_get(both)
}

/// A request, and then a key.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Both {
    /// The request.
    request: Request,
    /// The bucket.
    bucket: String,
}

/// Sends a request, and counts it in a bucket.
#[tool]
pub(crate) fn fetch_then_get(both: &Both) -> Result<String, Failure> {
    let answer = send(&both.request)?;
    let count = crate::keys::add(&both.bucket, "answers", 1)?;
    Ok(format!("{answer} ({count})"))
}

fn send(wanted: &Request) -> Result<String, String> {
    use crate::bindings::wasi::http::outgoing_handler::handle;
    use crate::bindings::wasi::http::types::{Fields, IncomingBody, Method, OutgoingBody, OutgoingRequest, Scheme};

    let fields: Vec<(String, Vec<u8>)> =
        wanted.headers.iter().map(|(name, value)| (name.clone(), value.clone().into_bytes())).collect();
    let fields = Fields::from_list(&fields).map_err(|error| format!("{error:?}"))?;
    let request = OutgoingRequest::new(fields);
    let method = match wanted.method.as_str() {
        "GET" => Method::Get,
        "POST" => Method::Post,
        other => Method::Other(other.to_owned()),
    };
    let scheme = if wanted.scheme == "https" { Scheme::Https } else { Scheme::Http };
    let wrong = |()| "the request is malformed".to_owned();
    request.set_method(&method).map_err(wrong)?;
    request.set_scheme(Some(&scheme)).map_err(wrong)?;
    request.set_authority(Some(&wanted.host)).map_err(wrong)?;
    request.set_path_with_query(Some(&wanted.path)).map_err(wrong)?;
    let outgoing = (!wanted.body.is_empty()).then(|| request.body()).transpose().map_err(wrong)?;
    let response = handle(request, None).map_err(|error| format!("{error:?}"))?;
    if let Some(outgoing) = outgoing {
        let stream = outgoing.write().map_err(wrong)?;
        for chunk in wanted.body.as_bytes().chunks(4096) {
            if stream.blocking_write_and_flush(chunk).is_err() {
                break;
            }
        }
        drop(stream);
        OutgoingBody::finish(outgoing, None).map_err(|error| format!("{error:?}"))?;
    }
    response.subscribe().block();
    let response = response.get().ok_or("no response")?.map_err(wrong)?.map_err(|error| format!("{error:?}"))?;
    let body = response.consume().map_err(wrong)?;
    let stream = body.stream().map_err(wrong)?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(16 << 10) {
            Ok(chunk) => bytes.extend(chunk),
            Err(crate::bindings::wasi::io::streams::StreamError::Closed) => break,
            Err(error) => return Err(format!("{error:?}")),
        }
    }
    drop(stream);
    drop(IncomingBody::finish(body));
    let text = String::from_utf8_lossy(&bytes);
    Ok(match text.len() {
        0..=2000 => format!("{} {text}", response.status()),
        length => format!("{} and {length} bytes", response.status()),
    })
}

/// So many requests at one time.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Crowd {
    /// Host and port.
    host: String,
    /// The path of each.
    path: String,
    /// How many.
    times: u32,
}

/// Begins all requests before it waits for the first; how many were answered.
#[tool]
pub(crate) fn crowd(crowd: &Crowd) -> Result<String, Failure> {
    use crate::bindings::wasi::http::outgoing_handler::handle;
    use crate::bindings::wasi::http::types::{Fields, OutgoingRequest};

    let wrong = |()| Failure::from("the request is malformed".to_owned());
    let mut begun = Vec::new();
    for _ in 0..crowd.times {
        let request = OutgoingRequest::new(Fields::new());
        request.set_scheme(Some(&crate::bindings::wasi::http::types::Scheme::Http)).map_err(wrong)?;
        request.set_authority(Some(&crowd.host)).map_err(wrong)?;
        request.set_path_with_query(Some(&crowd.path)).map_err(wrong)?;
        begun.push(handle(request, None).map_err(|error| format!("{error:?}"))?);
    }
    let mut answered = 0;
    for response in begun {
        response.subscribe().block();
        let response = response.get().ok_or_else(|| Failure::from("no response".to_owned()))?.map_err(wrong)?;
        // Dropped with its body unread: that ends the request, too.
        drop(response.map_err(|error| format!("{error:?}"))?);
        answered += 1;
    }
    Ok(format!("{answered} answers"))
}

/// Puts long texts into a request; which of them were taken.
#[tool]
pub(crate) fn long_texts() -> String {
    use crate::bindings::wasi::http::types::{Fields, Method, OutgoingRequest};

    let request = OutgoingRequest::new(Fields::new());
    let method = |length| request.set_method(&Method::Other("M".repeat(length))).is_ok();
    let authority = |length| request.set_authority(Some(&"a".repeat(length))).is_ok();
    let path = |length| request.set_path_with_query(Some(&format!("/{}", "a".repeat(length)))).is_ok();
    let short = [method(20), authority(250), path(10_000)];
    let long = [method(100_000), authority(100_000), path(50_000)];
    format!("short {short:?}, long {long:?}")
}
