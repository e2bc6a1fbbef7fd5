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
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use openclaw_domain::ports::Secrets;
use openclaw_domain::{
    EgressError, EgressLimits, Incoming, NamePolicy, Origin, Outgoing, Scheme, SecretHeader, TenantId,
};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use crate::address::{self, AddressPolicy};
use crate::admission::Place;
use crate::floor::{self, Floor};
use crate::inject::{self, Injected};
use crate::network::{self, BoxConnection, Dialer};
use crate::pool::{Key, Pool};
use crate::redact::{Needles, Redactor};
use crate::request::{self, Head, bad};
use crate::resolve::Resolver;
use crate::settings::ProxySettings;
use crate::upload::{Meter, Upload};
use crate::wire::{Unanswered, Wire};
use crate::{measures, response};

/// Chunks on their way to the reader; each is at most a read buffer.
const CHUNKS: usize = 2;

/// What every request needs.
pub(crate) struct Route {
    pub(crate) policy: Arc<dyn AddressPolicy>,
    pub(crate) dialer: Arc<dyn Dialer>,
    pub(crate) resolver: Resolver,
    pub(crate) tls: TlsConnector,
    pub(crate) proxy: Option<ProxySettings>,
    pub(crate) secrets: Arc<dyn Secrets>,
    pub(crate) connect_timeout: Duration,
    pub(crate) pool: Pool,
}

/// A response whose body is still to be read.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: hyper::body::Incoming,
    needles: Needles,
    upload: Arc<Meter>,
    wire: Wire,
    /// Where the connection leads, and as what it may be kept, if it may.
    kept_as: Option<(Key, SocketAddr)>,
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
    let Answer { status, headers, body, needles, upload, mut wire, kept_as } = match got {
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
    let is_over = end.is_ok() && upload.is_done();
    let _: Result<(), _> = end_tx.send(end);
    if let Some((key, at)) = kept_as.filter(|_| is_over)
        && timeout_at(deadline, wire.is_reusable()).await == Ok(true)
    {
        route.pool.put(key, at, wire);
    }
}

impl Route {
    async fn exchange(&self, request: Outgoing, mut head: Head) -> Result<Answer, EgressError> {
        let limits = request.limits;
        let origin = &request.origin;
        let addresses = self.checked(&origin.host, origin.port, request.allow_private).await?;
        if let Some(first) = request.secret_headers.first() {
            self.check_way_of_secrets(origin, &addresses, request.allow_private, &first.name)?;
        }
        let mut upload = Upload::new(request.body, head.declared, limits.request_body_bytes);
        // A client that streams a `GET` usually streams nothing; chunks of nothing confuse servers.
        let rarely_has_content = [Method::GET, Method::HEAD, Method::DELETE, Method::OPTIONS].contains(&head.method);
        if rarely_has_content && upload.is_of_unknown_length() && upload.begins().await? {
            head.headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        let meter = upload.meter();
        // Guests get a connection of their own each time: what one left in it no other can meet.
        let may_keep = matches!(request.names, NamePolicy::Configured) && self.proxy.is_none();
        let key = may_keep.then(|| Key {
            tenant: request.tenant.clone(),
            origin: origin.clone(),
            allow_private: request.allow_private,
            header_bytes: limits.response_header_bytes,
        });
        let kept = key.as_ref().and_then(|key| self.pool.take(key, &addresses));
        let is_kept = kept.is_some();
        let (mut wire, mut at) = match kept {
            Some(kept) => kept,
            None => self.open(origin, &addresses, &limits).await?,
        };

        let (headers, needles) = self.last_headers(&request.tenant, &request.secret_headers, &mut head).await?;
        request::check_size(&head, &headers, limits.request_header_bytes)?;
        let headers = self.with_proxy_credentials(headers, origin.scheme)?;
        let mut message = http::Request::new(upload);
        *message.method_mut() = head.method.clone();
        *message.uri_mut() = request::target(&head, origin, self.is_forwarded(origin.scheme))?;
        *message.headers_mut() = headers;
        tracing::debug!(tenant = %request.tenant, sender = %request.sender, method = %head.method, %origin, "sending");

        let sent = async {
            let mut unanswered = match wire.send(message).await {
                Ok(response) => return Ok(response),
                Err(unanswered) => unanswered,
            };
            // The server closed a kept connection before a byte was written: that is no answer to this request.
            if let Some(message) = unanswered.unsent.take().filter(|_| is_kept) {
                (wire, at) = self.open(origin, &addresses, &limits).await?;
                unanswered = match wire.send(*message).await {
                    Ok(response) => return Ok(response),
                    Err(unanswered) => unanswered,
                };
            }
            Err(unanswered_fault(&unanswered, &meter, &limits))
        };
        let response = tokio::select! {
            sent = sent => sent?,
            error = floor::watch(&meter, limits.least_bytes_per_second) => return Err(error),
        };
        let headers = response::judge(&response, &head.method, &limits, &needles)?;
        let kept_as = key.map(|key| (key, at));
        let status = response.status();
        Ok(Answer { status, headers, body: response.into_body(), needles, upload: meter, wire, kept_as })
    }

    /// Secrets go over TLS, or in clear text to what the operator allowed of the operator's own network.
    fn check_way_of_secrets(
        &self,
        origin: &Origin,
        addresses: &[SocketAddr],
        allow_private: bool,
        name: &HeaderName,
    ) -> Result<(), EgressError> {
        let is_own = || addresses.iter().all(|address| address::kind(address.ip()).is_local());
        let is_fit = origin.scheme == Scheme::Https || (self.proxy.is_none() && allow_private && is_own());
        match is_fit {
            true => Ok(()),
            false => {
                let reason = "holds a secret, which goes over plain `http` to nobody: use `https`";
                Err(bad(format!("header {name}"), reason))
            }
        }
    }

    /// The headers as they will be written, with the secrets in, and what to look for in the response.
    async fn last_headers(
        &self,
        tenant: &TenantId,
        wanted: &[SecretHeader],
        head: &mut Head,
    ) -> Result<(HeaderMap, Needles), EgressError> {
        let mut headers = std::mem::take(&mut head.headers);
        if wanted.is_empty() {
            return Ok((headers, Needles::default()));
        }
        let Injected { headers: secret, needles } = inject::fill(self.secrets.as_ref(), tenant, wanted).await?;
        for (name, value) in secret {
            headers.append(name, value);
        }
        // What is compressed cannot be searched for the secret.
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        Ok((headers, needles))
    }

    /// Whether a proxy reads the request line.
    fn is_forwarded(&self, scheme: Scheme) -> bool {
        self.proxy.is_some() && scheme == Scheme::Http
    }

    fn with_proxy_credentials(&self, mut headers: HeaderMap, scheme: Scheme) -> Result<HeaderMap, EgressError> {
        let proxy = self.proxy.as_ref().filter(|_| self.is_forwarded(scheme));
        if let Some(credentials) = proxy.and_then(|proxy| proxy.credentials.as_ref()) {
            let mut value = HeaderValue::try_from(network::basic(credentials).expose().as_str())
                .map_err(|_| EgressError::Internal)?;
            value.set_sensitive(true);
            headers.insert(header::PROXY_AUTHORIZATION, value);
        }
        Ok(headers)
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

    /// A new connection to one of the addresses, and which one that is.
    async fn open(
        &self,
        origin: &Origin,
        addresses: &[SocketAddr],
        limits: &EgressLimits,
    ) -> Result<(Wire, SocketAddr), EgressError> {
        let host = &origin.host;
        let (mut stream, at) = match &self.proxy {
            None => network::connect(self.dialer.as_ref(), host, addresses, self.connect_timeout).await?,
            Some(proxy) => {
                // The operator wrote the proxy's address; usually it is a private one.
                let at = self.checked(&proxy.origin.host, proxy.origin.port, true).await?;
                network::connect(self.dialer.as_ref(), &proxy.origin.host, &at, self.connect_timeout).await?
            }
        };
        let io: BoxConnection = match (origin.scheme, &self.proxy) {
            (Scheme::Http, _) => Box::new(stream),
            (Scheme::Https, None) => network::secure(&self.tls, stream, host, self.connect_timeout).await?,
            (Scheme::Https, Some(proxy)) => {
                let to = *addresses.first().ok_or(EgressError::Internal)?;
                network::tunnel(&mut stream, to, proxy.credentials.as_ref(), host).await?;
                network::secure(&self.tls, stream, host, self.connect_timeout).await?
            }
        };
        let wire = Wire::new(io, limits.response_header_bytes).await;
        Ok((wire.map_err(|error| EgressError::Protocol(error.to_string()))?, at))
    }
}

fn unanswered_fault(unanswered: &Unanswered, upload: &Meter, limits: &EgressLimits) -> EgressError {
    match unanswered.is_head_too_long && upload.broken().is_none() {
        true => EgressError::TooLarge { what: "response headers", limit: limits.response_header_bytes as u64 },
        false => fault(&unanswered.error, upload),
    }
}

/// What an error of hyper's means to the sender.
fn fault(error: &hyper::Error, upload: &Meter) -> EgressError {
    if let Some(broken) = upload.broken() {
        return broken;
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
                let frame = frame.map_err(|error| fault(&error, upload))?;
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
