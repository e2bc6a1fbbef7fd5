//! What the tests open and the gateway cannot: a policy that allows everything, a dialer that leads to a server here.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderMap, Method};
use openclaw_domain::ports::{Egress as _, SecretValue, Secrets};
use openclaw_domain::{
    EgressError, EgressLimits, Incoming, NamePolicy, Origin, Outgoing, OutgoingBody, Refusal, Secret, SecretName,
    TenantId,
};
use openclaw_egress::{AddressKind, AddressPolicy, Dialer, Egress, EgressSettings, Strict};
use tokio::net::TcpStream;

/// The value of the one secret there is, `token`.
pub(crate) const TOKEN: &str = "s3cr3t+t0ken/value";

/// Allows every address.
pub(crate) struct Open;

impl AddressPolicy for Open {
    fn check(&self, _: IpAddr, _: bool) -> Result<(), AddressKind> {
        Ok(())
    }
}

/// Leads every address to one server, and remembers which were asked for.
pub(crate) struct LeadsTo {
    pub(crate) server: SocketAddr,
    pub(crate) asked: Mutex<Vec<SocketAddr>>,
}

impl LeadsTo {
    pub(crate) fn new(server: SocketAddr) -> Arc<Self> {
        Arc::new(Self { server, asked: Mutex::default() })
    }

    pub(crate) fn asked(&self) -> Vec<SocketAddr> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait]
impl Dialer for LeadsTo {
    async fn dial(&self, address: SocketAddr) -> io::Result<TcpStream> {
        self.asked.lock().unwrap().push(address);
        TcpStream::connect(self.server).await
    }
}

/// Knows `token` and `broken`, which has a line break; nothing else.
pub(crate) struct Known;

#[async_trait]
impl Secrets for Known {
    async fn value(&self, _: &TenantId, name: &SecretName) -> Result<Option<SecretValue>, Refusal> {
        let value = match name.as_str() {
            "token" => TOKEN,
            "broken" => "s3cr3t\r\nx-more: 1",
            _ => return Ok(None),
        };
        Ok(Some(Secret::new(Arc::from(value.as_bytes()))))
    }

    async fn exists(&self, _: &TenantId, name: &SecretName) -> Result<bool, Refusal> {
        Ok(name.as_str() == "token")
    }

    async fn hmac_sha256(&self, _: &TenantId, _: &SecretName, _: Bytes) -> Result<Option<[u8; 32]>, Refusal> {
        Ok(None)
    }
}

/// The egress that is shipped.
pub(crate) fn shipped(settings: &EgressSettings) -> Arc<Egress> {
    Egress::new(settings, Arc::new(Known)).unwrap()
}

/// The same with its guard open, every address being `server`.
pub(crate) fn opened(settings: &EgressSettings, server: SocketAddr) -> Arc<Egress> {
    Egress::with_network(settings, Arc::new(Known), Arc::new(Open), LeadsTo::new(server)).unwrap()
}

/// The strict policy, every address being `server`; the dialer says which were asked for.
pub(crate) fn strict_to(settings: &EgressSettings, server: SocketAddr) -> (Arc<Egress>, Arc<LeadsTo>) {
    let dialer = LeadsTo::new(server);
    let egress = Egress::with_network(settings, Arc::new(Known), Arc::new(Strict), dialer.clone()).unwrap();
    (egress, dialer)
}

/// `GET` of a URL that the operator configured, to be over in ten seconds.
pub(crate) fn get(url: &str) -> Outgoing {
    let (origin, path) = Origin::split(url).unwrap();
    Outgoing {
        tenant: TenantId::default(),
        sender: "test".into(),
        method: Method::GET,
        origin,
        path_and_query: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
        headers: HeaderMap::new(),
        secret_headers: Vec::new(),
        body: OutgoingBody::Empty,
        names: NamePolicy::Configured,
        allow_private: false,
        limits: EgressLimits::default(),
        deadline: Instant::now() + Duration::from_secs(10),
    }
}

/// The same with the second key.
pub(crate) fn get_private(url: &str) -> Outgoing {
    Outgoing { allow_private: true, ..get(url) }
}

/// Sends, and reads the body to its end.
pub(crate) async fn fetch(egress: &Egress, request: Outgoing) -> Result<(u16, HeaderMap, Vec<u8>), EgressError> {
    let response = egress.send(request).await?;
    let (status, headers) = (response.status.as_u16(), response.headers.clone());
    Ok((status, headers, read(response).await?))
}

/// Reads a body to its end.
pub(crate) async fn read(mut response: Incoming) -> Result<Vec<u8>, EgressError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.body.next().await {
        body.extend_from_slice(&chunk?);
    }
    Ok(body)
}

/// The error of a request that must fail. `Incoming` has no `Debug`, so `unwrap_err` does not do.
pub(crate) fn failure<T>(result: Result<T, EgressError>) -> EgressError {
    match result {
        Ok(_) => panic!("the request was sent"),
        Err(error) => error,
    }
}
