//! Certificates are for names, whatever address the name led to.

use std::sync::Arc;

use openclaw_domain::EgressError;
use openclaw_egress::{EgressSettings, EgressSettingsError};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::AsyncWriteExt as _;
use tokio_rustls::TlsAcceptor;

use crate::network::{failure, fetch, get, opened};

/// A private authority, and a server that it vouches for.
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn acceptor(&self, name: &str) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let chain = vec![CertificateDer::from_pem_slice(certificate.pem().as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }

    pub(crate) fn settings(&self, base: EgressSettings) -> EgressSettings {
        EgressSettings { ca_pem: Some(self.pem.clone().into_bytes()), ..base }
    }
}

/// Accepts one TLS connection after another; says what name was asked for, and what was requested.
pub(crate) async fn tls_server(
    acceptor: TlsAcceptor,
) -> (std::net::SocketAddr, tokio::sync::mpsc::UnboundedReceiver<(String, String, String)>, tokio::task::JoinSet<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tx, rx) = tokio::sync::mpsc::unbounded_channel();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let session = stream.get_ref().1;
            let name = session.server_name().unwrap_or_default().to_owned();
            let protocol = String::from_utf8_lossy(session.alpn_protocol().unwrap_or_default()).into_owned();
            if let Some(request) = crate::server::read_request(&mut stream).await {
                tx.send((name, protocol, request)).ok();
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.ok();
                stream.shutdown().await.ok();
            }
        }
    });
    (address, rx, tasks)
}

#[tokio::test]
async fn the_server_sees_the_name_and_a_private_authority_is_trusted_if_configured() {
    let authority = Authority::new();
    let (address, mut seen, _tasks) = tls_server(authority.acceptor("api.example")).await;
    let folder = tempfile::tempdir().unwrap();
    let hosts_file = folder.path().join("hosts");
    std::fs::write(&hosts_file, "93.184.216.34 api.example other.example\n").unwrap();
    let base = EgressSettings { hosts_file, ..EgressSettings::default() };
    let trusting = opened(&authority.settings(base.clone()), address);
    assert_eq!(fetch(&trusting, get("https://api.example:8443/x")).await.unwrap().2, b"ok");
    let (name, protocol, request) = seen.recv().await.unwrap();
    assert_eq!((name.as_str(), protocol.as_str()), ("api.example", "http/1.1"));
    assert!(
        request.starts_with("GET /x HTTP/1.1\r\n") && request.contains("\r\nhost: api.example:8443\r\n"),
        "{request}"
    );

    for (egress, url) in [
        // Another name of the same server; the address; nobody vouches for the authority.
        (&trusting, "https://other.example/"),
        (&trusting, "https://93.184.216.34/"),
        (&opened(&base, address), "https://api.example/"),
    ] {
        let error = failure(fetch(egress, get(url)).await);
        assert!(matches!(error, EgressError::Tls { .. }), "{url}: {error}");
    }
    assert!(seen.try_recv().is_err());
}

#[tokio::test]
async fn an_address_has_certificates_too() {
    let authority = Authority::new();
    let (address, mut seen, _tasks) = tls_server(authority.acceptor("93.184.216.34")).await;
    let egress = opened(&authority.settings(EgressSettings::default()), address);
    assert_eq!(fetch(&egress, get("https://93.184.216.34/")).await.unwrap().0, 200);
    assert_eq!(seen.recv().await.unwrap().0, "");
}

#[tokio::test]
async fn what_speaks_no_tls_is_no_https_server() {
    let (closing, _tasks) = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.ok();
            }
        });
        (address, tasks)
    };
    let egress = opened(&EgressSettings::default(), closing);
    let error = failure(fetch(&egress, get("https://93.184.216.34/")).await);
    assert!(matches!(error, EgressError::Tls { .. }), "{error}");
}

#[test]
fn a_private_authority_that_is_none_is_refused_at_start() {
    for pem in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let settings = EgressSettings { ca_pem: Some(pem.as_bytes().to_vec()), ..EgressSettings::default() };
        let error = openclaw_egress::Egress::new(&settings, Arc::new(crate::network::Known)).unwrap_err();
        assert!(matches!(error, EgressSettingsError::Ca(_)), "{error}");
    }
}
