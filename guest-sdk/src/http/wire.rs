//! A request through `wasi:http`, and its response read to the end.
//!
//! Invariant: children are dropped before what they came from (streams before bodies, bodies before responses); the host
//! traps otherwise.

use super::url::Parts;
use super::{Error, Request, Response};
use crate::bindings::standard::wasi::http::outgoing_handler;
use crate::bindings::standard::wasi::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest,
    Scheme,
};
use crate::bindings::standard::wasi::io::streams::{InputStream, OutputStream, StreamError};

/// As much as one write may carry; `wasi:io` says so.
const WRITE_BYTES: usize = 4096;
/// So much is asked for at once: small enough for the arena.
const READ_BYTES: usize = 16 << 10;

pub(super) fn send(request: &Request, url: &Parts<'_>) -> Result<Response, Error> {
    let outgoing = prepared(request, url)?;
    let body = if request.body.is_empty() { None } else { outgoing.body().ok() };
    let answer = outgoing_handler::handle(outgoing, None).map_err(|code| explained(request, &code))?;
    if let Some(body) = body {
        // When writing fails the reason comes with the answer: a refusal ends the body before it is read.
        if write(&body, &request.body).is_ok() {
            let _ = OutgoingBody::finish(body, None);
        }
    }
    let incoming = wait_for(request, &answer)?;
    drop(answer);
    read(request, &incoming)
}

fn prepared(request: &Request, url: &Parts<'_>) -> Result<OutgoingRequest, Error> {
    let wrong = |what: &str| Error::Invalid(format!("the {what} of `{}` is not valid", request.described()));
    let fields = Fields::new();
    for (name, value) in &request.headers {
        fields
            .append(name, value.as_bytes())
            .map_err(|error| Error::Invalid(format!("the header `{}` cannot be sent: {error}", name.escape_debug())))?;
    }
    let outgoing = OutgoingRequest::new(fields);
    outgoing.set_method(&method(&request.method)).map_err(|()| wrong("method"))?;
    let scheme = if url.is_tls { Scheme::Https } else { Scheme::Http };
    outgoing.set_scheme(Some(&scheme)).map_err(|()| wrong("scheme"))?;
    outgoing.set_authority(Some(url.authority)).map_err(|()| wrong("host"))?;
    outgoing.set_path_with_query(Some(&url.path_and_query)).map_err(|()| wrong("path"))?;
    Ok(outgoing)
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

fn write(body: &OutgoingBody, bytes: &[u8]) -> Result<(), ()> {
    let stream: OutputStream = body.write()?;
    for piece in bytes.chunks(WRITE_BYTES) {
        stream.blocking_write_and_flush(piece).map_err(|_| ())?;
    }
    Ok(())
}

fn wait_for(request: &Request, answer: &FutureIncomingResponse) -> Result<IncomingResponse, Error> {
    answer.subscribe().block();
    match answer.get() {
        Some(Ok(Ok(incoming))) => Ok(incoming),
        Some(Ok(Err(code))) => Err(explained(request, &code)),
        Some(Err(())) | None => {
            Err(Error::Unavailable(format!("`{}` came to no answer that can be read", request.described())))
        }
    }
}

fn read(request: &Request, incoming: &IncomingResponse) -> Result<Response, Error> {
    let status = incoming.status();
    let headers =
        incoming.headers().entries().into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    let mut response = Response { status, headers, body: Vec::new(), is_cut: false };
    if let Ok(body) = incoming.consume() {
        if let Ok(stream) = body.stream() {
            read_into(request, &stream, &mut response)?;
        }
        drop::<IncomingBody>(body);
    }
    Ok(response)
}

fn read_into(request: &Request, stream: &InputStream, response: &mut Response) -> Result<(), Error> {
    loop {
        // One byte more than may be kept tells a body that ends there from one that goes on.
        let wanted = (request.limit - response.body.len()).saturating_add(1).min(READ_BYTES);
        match stream.blocking_read(wanted as u64) {
            Ok(piece) => response.body.extend_from_slice(&piece),
            Err(StreamError::Closed) => return Ok(()),
            Err(StreamError::LastOperationFailed(error)) => {
                let why = error.to_debug_string();
                return Err(Error::Unavailable(format!("the response of `{}` broke off: {why}", request.described())));
            }
        }
        if response.body.len() > request.limit {
            if !request.cuts {
                let text = format!("the response of `{}` has more than {} bytes", request.described(), request.limit);
                return Err(Error::TooLarge(text));
            }
            response.body.truncate(request.limit);
            response.is_cut = true;
            return Ok(());
        }
    }
}

/// What the gateway's answer means to the author, by the request it is about.
fn explained(request: &Request, code: &ErrorCode) -> Error {
    let what = request.described();
    match code {
        ErrorCode::HttpRequestDenied => Error::Denied(format!("no grant allows `{what}`")),
        ErrorCode::DestinationIpProhibited | ErrorCode::DestinationIpUnroutable => {
            Error::Denied(format!("`{what}` leads to a private or special address, which needs a grant of its own"))
        }
        ErrorCode::HttpRequestUriInvalid
        | ErrorCode::HttpRequestMethodInvalid
        | ErrorCode::HttpRequestHeaderSize(_)
        | ErrorCode::HttpRequestHeaderSectionSize(_)
        | ErrorCode::HttpRequestBodySize(_) => Error::Invalid(format!("`{what}` cannot be sent: {code}")),
        ErrorCode::HttpResponseBodySize(_)
        | ErrorCode::HttpResponseHeaderSize(_)
        | ErrorCode::HttpResponseHeaderSectionSize(_) => {
            Error::TooLarge(format!("the response of `{what}` is larger than the gateway takes: {code}"))
        }
        ErrorCode::InternalError(Some(why)) => Error::Unavailable(format!("`{what}` failed: {why}")),
        other => Error::Unavailable(format!("`{what}` failed: {other}")),
    }
}
