//! What an operator may set about the way out, read into what the requests use.
//!
//! Invariant: nothing of it comes from the environment. A proxy is used because the configuration names it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use openclaw_domain::{Origin, Scheme, Secret};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// How the gateway reaches others.
#[derive(Clone, Debug)]
pub struct EgressSettings {
    /// Nameservers to ask. Default none: those of `/etc/resolv.conf`.
    pub nameservers: Vec<SocketAddr>,
    /// Names that need no nameserver. Default `/etc/hosts`.
    pub hosts_file: PathBuf,
    /// Certificates in PEM to trust besides the public ones: a private authority. Default none.
    pub ca_pem: Option<Vec<u8>>,
    /// The proxy that all requests take. Default none, whatever the environment says.
    pub proxy: Option<ProxySettings>,
    /// How long one address may take to answer, and again TLS to be agreed on. Default 5 s.
    pub connect_timeout: Duration,
    /// Connections of all tenants at one time; further requests wait in the order they came. Default 256.
    pub max_connections: usize,
    /// Connections of one tenant at one time. Default 64, so that no tenant keeps the others waiting.
    pub max_connections_per_tenant: usize,
}

/// A proxy, spoken to in clear text: `CONNECT` for `https`, the whole URL for `http`.
#[derive(Clone, Debug)]
pub struct ProxySettings {
    /// Where it is. Its scheme is `http`.
    pub origin: Origin,
    /// `user:password` for it, if it asks.
    pub credentials: Option<Secret<String>>,
}

impl Default for EgressSettings {
    fn default() -> Self {
        Self {
            nameservers: Vec::new(),
            hosts_file: PathBuf::from("/etc/hosts"),
            ca_pem: None,
            proxy: None,
            connect_timeout: Duration::from_secs(5),
            max_connections: 256,
            max_connections_per_tenant: 64,
        }
    }
}

/// Which setting of the way out is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressSettingsError {
    /// The private authority cannot be read.
    #[error("the private CA is no certificate: {0}; give it in PEM, beginning with `-----BEGIN CERTIFICATE-----`")]
    Ca(String),
    /// The proxy cannot be spoken to.
    #[error("the proxy `{0}` is not an `http` one: the way to the proxy itself is clear text, what it carries is not")]
    ProxyScheme(String),
    /// Its credentials cannot be sent.
    #[error("the credentials of the proxy `{0}` hold a control character or no `:` between user and password")]
    ProxyCredentials(String),
    /// A bound of zero lets nothing out.
    #[error("`{0}` is zero, so that nothing could be sent; leave it out for its default")]
    Zero(&'static str),
    /// The TLS library refused its own defaults.
    #[error("TLS could not be set up: {0}")]
    Tls(String),
}

impl EgressSettings {
    pub(crate) fn check(&self) -> Result<(), EgressSettingsError> {
        for (name, is_zero) in [
            ("connect_timeout", self.connect_timeout.is_zero()),
            ("max_connections", self.max_connections == 0),
            ("max_connections_per_tenant", self.max_connections_per_tenant == 0),
        ] {
            if is_zero {
                return Err(EgressSettingsError::Zero(name));
            }
        }
        let Some(proxy) = &self.proxy else { return Ok(()) };
        if proxy.origin.scheme != Scheme::Http {
            return Err(EgressSettingsError::ProxyScheme(proxy.origin.to_string()));
        }
        if let Some(credentials) = &proxy.credentials {
            let text = credentials.expose();
            if !text.contains(':') || text.chars().any(char::is_control) {
                return Err(EgressSettingsError::ProxyCredentials(proxy.origin.to_string()));
            }
        }
        Ok(())
    }

    pub(crate) fn tls(&self) -> Result<ClientConfig, EgressSettingsError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(pem) = &self.ca_pem {
            let mut count = 0;
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|error| EgressSettingsError::Ca(error.to_string()))?;
                roots.add(certificate).map_err(|error| EgressSettingsError::Ca(error.to_string()))?;
                count += 1;
            }
            if count == 0 {
                return Err(EgressSettingsError::Ca("there is none in it".to_owned()));
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| EgressSettingsError::Tls(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}
