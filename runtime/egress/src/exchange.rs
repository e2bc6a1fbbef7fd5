//! One request and its response, in a task that owns the connection.
//!
//! The steps in order: resolve, check every address, dial a checked one, agree on TLS, put the secrets in, send, judge
//! the head, pass the body on in small bounded pieces.
//!
//! Invariant: the task ends at the deadline, or when nobody wants the response any more, whatever the server does and
//! however slowly the reader reads; with it ends the connection.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use openclaw_domain::ports::Secrets;
use openclaw_domain::{EgressError, EgressLimits, Incoming, Outgoing, Scheme};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use crate::address::{self, AddressPolicy};
use crate::admission::Place;
use crate::floor::{self, Floor};
use crate::inject::{self, Injected};
use crate::network::{self, BoxConnection, Dialer};
use crate::redact::{Needles, Redactor};
use crate::request::{self, Head, bad};
use crate::resolve::Resolver;
use crate::settings::ProxySettings;
use crate::upload::{Meter, Upload};
use crate::{measures, response};

/// Chunks on their way to the reader; each is at most a read buffer.
const CHUNKS: usize = 2;
/// hyper's read buffer, if the header bound is not larger.
const READ_BUFFER: usize = 64 << 10;

/// What every request needs.
pub(crate) struct Route {
    pub(crate) policy: Arc<dyn AddressPolicy>,
    pub(crate) dialer: Arc<dyn Dialer>,
    pub(crate) resolver: Resolver,
    pub(crate) tls: TlsConnector,
    pub(crate) proxy: Option<ProxySettings>,
    pub(crate) secrets: Arc<dyn Secrets>,
    pub(crate) connect_timeout: Duration,
}

/// A response whose body is still to be read.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: hyper::body::Incoming,
    needles: Needles,
    upload: Arc<Meter>,
    /// Polls the connection; dropping it closes it.
    _connection: JoinSet<()>,
}

/// A connection over which a request can be sent.
struct Line {
    io: BoxConnection,
    /// Whether a proxy reads the request line.
    is_forwarded: bool,
    /// Whether what is sent over it may be read only by the host, or on a way that is the operator's own.
    is_fit_for_secrets: bool,
}

/// Runs a request to its end. `answer` gets the head or the failure; the body follows on its own.
pub(crate) async fn run(
    route: Arc<Route>,
    request: Outgoing,
    head: Head,
    place: Place,
    mut answer: oneshot::Sender<Result<Incoming, EgressError>>,
) {
    let _place = place;
    let deadline = Instant::from_std(request.deadline);
    let limits = request.limits;
    let got = tokio::select! {
        biased;
        () = answer.closed() => return measures::abandoned(),
        got = timeout_at(deadline, Box::pin(route.exchange(request, head))) => got.unwrap_or(Err(EgressError::TimedOut)),
    };
    let Answer { status, headers, body, needles, upload, _connection } = match got {
        Ok(got) => got,
        Err(error) => {
            measures::failed(&error);
            // Nobody waits any more: that is the same as having told them.
            let _: Result<(), _> = answer.send(Err(error));
            return;
        }
    };
    let (chunk_tx, chunks) = mpsc::channel(CHUNKS);
    let (end_tx, end) = oneshot::channel();
    let reader = Reader { chunks, end: Some(end) };
    if answer.send(Ok(Incoming { status, headers, body: Box::pin(reader) })).is_err() {
        return measures::abandoned();
    }
    let end = tokio::select! {
        biased;
        () = chunk_tx.closed() => return measures::abandoned(),
        end = timeout_at(deadline, pass_on(body, &chunk_tx, needles, &limits, &upload)) => {
            end.unwrap_or(Err(EgressError::TimedOut))
        }
    };
    measures::sent(upload.moved());
    match &end {
        Ok(()) => measures::done(),
        Err(error) => measures::failed(error),
    }
    let _: Result<(), _> = end_tx.send(end);
}

impl Route {
    async fn exchange(&self, request: Outgoing, mut head: Head) -> Result<Answer, EgressError> {
        let limits = request.limits;
        let mut upload = Upload::new(request.body, head.declared, limits.request_body_bytes);
        // A client that streams a `GET` usually streams nothing; chunks of nothing confuse servers.
        let rarely_has_content = [Method::GET, Method::HEAD, Method::DELETE, Method::OPTIONS].contains(&head.method);
        if rarely_has_content && upload.is_of_unknown_length() && upload.begins().await? {
            head.headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        let meter = upload.meter();
        let origin = &request.origin;
        let addresses = self.checked(&origin.host, origin.port, request.allow_private).await?;
        let line = self.open(&request.origin, &addresses, request.allow_private).await?;

        let mut headers = std::mem::take(&mut head.headers);
        let mut needles = Needles::default();
        if let Some(first) = request.secret_headers.first() {
            let part = format!("header {}", first.name);
            if !line.is_fit_for_secrets {
                return Err(bad(part, "holds a secret, which goes over plain `http` to nobody: use `https`"));
            }
            if headers.contains_key(header::RANGE) {
                // A secret that is echoed piece by piece is not recognised.
                return Err(bad("header range", "cannot be sent together with a secret: leave one of them out"));
            }
            let Injected { headers: secret, needles: found } =
                inject::fill(self.secrets.as_ref(), &request.tenant, &request.secret_headers).await?;
            headers.extend(secret.into_iter().map(|(name, value)| (Some(name), value)));
            // What is compressed cannot be searched for the secret.
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            needles = found;
        }
        request::check_size(&head, &headers, limits.request_header_bytes)?;
        if let Some(credentials) =
            self.proxy.as_ref().filter(|_| line.is_forwarded).and_then(|proxy| proxy.credentials.as_ref())
        {
            let mut value = HeaderValue::try_from(network::basic(credentials).expose().as_str())
                .map_err(|_| EgressError::Internal)?;
            value.set_sensitive(true);
            headers.insert(header::PROXY_AUTHORIZATION, value);
        }

        let mut message = http::Request::new(upload);
        *message.method_mut() = head.method.clone();
        *message.uri_mut() = request::target(&head, origin, line.is_forwarded)?;
        *message.headers_mut() = headers;
        tracing::debug!(tenant = %request.tenant, sender = %request.sender, method = %head.method, %origin, "sending");
        let fault = |error: hyper::Error| fault(&error, &meter, &limits);
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            .max_header_size(limits.response_header_bytes)
            .max_buf_size(READ_BUFFER.max(limits.response_header_bytes))
            .handshake(TokioIo::new(line.io))
            .await
            .map_err(fault)?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // What goes wrong here is also told to whoever waits for the response or its body.
            let _: Result<(), hyper::Error> = connection.await;
        });
        let response = tokio::select! {
            response = sender.send_request(message) => response.map_err(fault)?,
            error = floor::watch(&meter, limits.least_bytes_per_second) => return Err(error),
        };
        let headers = response::judge(&response, &head.method, &limits, &needles)?;
        let status = response.status();
        Ok(Answer { status, headers, body: response.into_body(), needles, upload: meter, _connection: driver })
    }

    /// The addresses of a host, IPv4 first, if every one of them may be dialled.
    async fn checked(&self, host: &str, port: u16, allow_private: bool) -> Result<Vec<SocketAddr>, EgressError> {
        let mut found = self.resolver.addresses(host).await?;
        for given in &found {
            // One bad answer spoils all: whoever mixes them means the one that is not looked at.
            self.policy.check(*given, allow_private).map_err(|kind| EgressError::AddressDenied {
                host: host.to_owned(),
                address: *given,
                kind: kind.as_str(),
            })?;
        }
        for address in &mut found {
            *address = address::canonical(*address);
        }
        found.sort_by_key(std::net::IpAddr::is_ipv6);
        Ok(found.into_iter().map(|address| SocketAddr::new(address, port)).collect())
    }

    async fn open(
        &self,
        origin: &openclaw_domain::Origin,
        addresses: &[SocketAddr],
        allow_private: bool,
    ) -> Result<Line, EgressError> {
        let host = &origin.host;
        let (mut stream, at) = match &self.proxy {
            None => network::connect(self.dialer.as_ref(), host, addresses, self.connect_timeout).await?,
            Some(proxy) => {
                // The operator wrote the proxy's address; usually it is a private one.
                let at = self.checked(&proxy.origin.host, proxy.origin.port, true).await?;
                network::connect(self.dialer.as_ref(), &proxy.origin.host, &at, self.connect_timeout).await?
            }
        };
        if origin.scheme == Scheme::Http {
            let is_own_way = self.proxy.is_none() && allow_private && address::kind(at.ip()).is_local();
            let is_forwarded = self.proxy.is_some();
            return Ok(Line { io: Box::new(stream), is_forwarded, is_fit_for_secrets: is_own_way });
        }
        if let Some(proxy) = &self.proxy {
            let to = *addresses.first().ok_or(EgressError::Internal)?;
            network::tunnel(&mut stream, to, proxy.credentials.as_ref(), host).await?;
        }
        let io = network::secure(&self.tls, stream, host, self.connect_timeout).await?;
        Ok(Line { io, is_forwarded: false, is_fit_for_secrets: true })
    }
}

/// What an error of hyper's means to the sender.
fn fault(error: &hyper::Error, upload: &Meter, limits: &EgressLimits) -> EgressError {
    if let Some(broken) = upload.broken() {
        return broken;
    }
    if error.is_parse_too_large() {
        return EgressError::TooLarge { what: "response headers", limit: limits.response_header_bytes as u64 };
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    EgressError::Protocol(text)
}

/// Passes the body on, within its bounds. Trailers are dropped.
async fn pass_on(
    mut body: hyper::body::Incoming,
    chunks: &mpsc::Sender<Bytes>,
    needles: Needles,
    limits: &EgressLimits,
    upload: &Meter,
) -> Result<(), EgressError> {
    let mut redactor = Redactor::new(needles);
    let mut floor = Floor::new(limits.least_bytes_per_second);
    let mut total = 0_u64;
    loop {
        let Ok(frame) = timeout_at(floor.due(), body.frame()).await else {
            floor.judge()?;
            continue;
        };
        let is_end = frame.is_none();
        let chunk = match frame {
            None => redactor.finish(),
            Some(frame) => {
                let frame = frame.map_err(|error| fault(&error, upload, limits))?;
                let Ok(data) = frame.into_data() else { continue };
                total += data.len() as u64;
                measures::received(data.len() as u64);
                if total > limits.response_body_bytes {
                    let limit = limits.response_body_bytes;
                    return Err(EgressError::TooLarge { what: "a response body", limit });
                }
                floor.add(data.len() as u64);
                redactor.push(data)
            }
        };
        if !chunk.is_empty() {
            let before = Instant::now();
            // The reader went away: the task is about to be told so.
            let _: Result<(), _> = chunks.send(chunk).await;
            floor.leave_out(before.elapsed());
        }
        if is_end {
            return Ok(());
        }
    }
}

/// The reading end of a response's body.
struct Reader {
    chunks: mpsc::Receiver<Bytes>,
    /// Taken when the end was told.
    end: Option<oneshot::Receiver<Result<(), EgressError>>>,
}

impl Stream for Reader {
    type Item = Result<Bytes, EgressError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(chunk) = std::task::ready!(self.chunks.poll_recv(cx)) {
            return Poll::Ready(Some(Ok(chunk)));
        }
        let Some(end) = &mut self.end else { return Poll::Ready(None) };
        let told = std::task::ready!(Pin::new(end).poll(cx));
        self.end = None;
        match told {
            Ok(Ok(())) => Poll::Ready(None),
            Ok(Err(error)) => Poll::Ready(Some(Err(error))),
            // The task was stopped with the gateway.
            Err(_) => Poll::Ready(Some(Err(EgressError::Protocol("the gateway is stopping".to_owned())))),
        }
    }
}
