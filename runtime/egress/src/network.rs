//! Opens connections to addresses that were checked: TCP, the operator's proxy, TLS.
//!
//! Invariant: nothing here resolves a name. What is dialled is the address that was checked; the name is only for the
//! server to choose its certificate and for us to check it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openclaw_domain::{EgressError, Secret};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::literal::{self, Literal};

/// A name with more addresses than this is tried at the first ones only.
const MAX_ADDRESSES: usize = 8;
/// Bytes of a proxy's answer to `CONNECT`.
const PROXY_ANSWER_BYTES: usize = 8 << 10;

/// Makes the TCP connection. The gateway has one, [`Direct`]; the tests have another, which leads every address to a
/// server of theirs.
#[async_trait]
pub trait Dialer: Send + Sync {
    /// Connects to exactly this address.
    async fn dial(&self, address: SocketAddr) -> io::Result<TcpStream>;
}

/// Connects to the address.
#[derive(Clone, Copy, Debug)]
pub struct Direct;

#[async_trait]
impl Dialer for Direct {
    async fn dial(&self, address: SocketAddr) -> io::Result<TcpStream> {
        TcpStream::connect(address).await
    }
}

pub(crate) trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

pub(crate) type BoxConnection = Box<dyn Connection>;

/// Tries checked addresses in order; each has `wait`.
pub(crate) async fn connect(
    dialer: &dyn Dialer,
    host: &str,
    addresses: &[SocketAddr],
    wait: Duration,
) -> Result<(TcpStream, SocketAddr), EgressError> {
    let mut reason = "it has no address".to_owned();
    for address in addresses.iter().take(MAX_ADDRESSES) {
        match timeout(wait, dialer.dial(*address)).await {
            Ok(Ok(stream)) => {
                // Requests are written whole; waiting for more to send only delays them.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection keeps its delay");
                }
                return Ok((stream, *address));
            }
            Ok(Err(error)) => reason = error.kind().to_string(),
            Err(_) => reason = format!("no answer in {} ms", wait.as_millis()),
        }
    }
    Err(EgressError::Connect { host: host.to_owned(), reason })
}

/// Asks a proxy for a tunnel to a checked address: the name is not for it to resolve.
pub(crate) async fn tunnel(
    stream: &mut TcpStream,
    to: SocketAddr,
    credentials: Option<&Secret<String>>,
    host: &str,
) -> Result<(), EgressError> {
    let failed = |reason: String| EgressError::Connect { host: host.to_owned(), reason };
    let mut request = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n");
    if let Some(credentials) = credentials {
        request.push_str(&format!("Proxy-Authorization: {}\r\n", basic(credentials).expose()));
    }
    request.push_str("\r\n");
    let broken = |error: io::Error| failed(format!("the proxy broke off: {}", error.kind()));
    stream.write_all(request.as_bytes()).await.map_err(broken)?;
    let mut answer = Vec::new();
    // Byte by byte: what follows the empty line belongs to the tunnel.
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() == PROXY_ANSWER_BYTES {
            return Err(failed("the proxy's answer is too long".to_owned()));
        }
        answer.push(stream.read_u8().await.map_err(broken)?);
    }
    let line = String::from_utf8_lossy(&answer);
    let status = line.split_whitespace().nth(1).and_then(|status| status.parse::<u16>().ok());
    match status {
        Some(200..=299) if line.starts_with("HTTP/1.") => Ok(()),
        Some(status) => Err(failed(format!("the proxy answered {status}"))),
        None => Err(failed("the proxy does not speak HTTP".to_owned())),
    }
}

/// `Basic` and the base64 of `user:password`.
pub(crate) fn basic(credentials: &Secret<String>) -> Secret<String> {
    Secret::new(format!("Basic {}", STANDARD.encode(credentials.expose())))
}

/// Agrees on TLS; the certificate must be for the host, whatever address it was found at.
pub(crate) async fn secure(
    connector: &TlsConnector,
    stream: TcpStream,
    host: &str,
    wait: Duration,
) -> Result<BoxConnection, EgressError> {
    let failed = |reason: String| EgressError::Tls { host: host.to_owned(), reason };
    let name = match literal::read(host) {
        Literal::Address(address) => ServerName::IpAddress(address.into()),
        _ => ServerName::try_from(host.to_owned()).map_err(|_| failed("it is no name for a certificate".to_owned()))?,
    };
    match timeout(wait, connector.connect(name, stream)).await {
        Ok(Ok(stream)) => Ok(Box::new(stream)),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(failed(format!("no agreement in {} ms", wait.as_millis()))),
    }
}

/// A connector for HTTP/1.1 over TLS 1.2 and 1.3.
pub(crate) fn connector(config: rustls::ClientConfig) -> TlsConnector {
    TlsConnector::from(Arc::new(config))
}
