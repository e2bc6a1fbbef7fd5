//! `egress`: how this gateway reaches out.
//!
//! Invariant: nothing of it comes from the environment. A proxy variable that somebody else set never sees a request,
//! and nothing here opens a private address: that is for grants and for `allowPrivate` of an endpoint.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use openclaw_domain::{Origin, Scheme, Secret};

use super::problem::Problems;
use super::read::Object;

const KEYS: [&str; 6] =
    ["nameservers", "caFile", "proxy", "connectTimeoutMs", "maxConnections", "maxConnectionsPerTenant"];

/// What the one way out is told. Changes need a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EgressConfig {
    /// Whom to ask for addresses; empty for those of the system.
    pub(crate) nameservers: Vec<SocketAddr>,
    /// A file of certificates, PEM, that are trusted beside the public ones.
    pub(crate) ca_file: Option<PathBuf>,
    /// A proxy every request goes through.
    pub(crate) proxy: Option<Proxy>,
    /// Milliseconds one address may take to answer.
    pub(crate) connect_timeout_ms: Option<u64>,
    /// Connections of all tenants at one time.
    pub(crate) max_connections: Option<u64>,
    /// Connections of one tenant at one time.
    pub(crate) max_connections_per_tenant: Option<u64>,
}

/// A proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proxy {
    /// Where it is; its scheme is `http`.
    pub(crate) origin: Origin,
    /// `user:password`.
    pub(crate) credentials: Option<Secret<String>>,
}

impl EgressConfig {
    /// Reads `egress`, if it stands there.
    pub(crate) fn read(top: &Object<'_>, problems: &mut Problems) -> Self {
        let Some(egress) = top.object("egress", &KEYS, problems) else { return Self::default() };
        let mut nameservers = Vec::new();
        for (path, text) in egress.texts("nameservers", problems) {
            match text.parse::<SocketAddr>().or_else(|_| text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53))) {
                Ok(address) => nameservers.push(address),
                Err(_) => problems.error(path, "is no address", "write `192.0.2.53` or `192.0.2.53:5353`"),
            }
        }
        let ca_file = egress.text("caFile", problems).filter(|file| {
            // The gateway may be started from any folder.
            if !file.starts_with('/') {
                problems.error(egress.at("caFile"), "is no absolute path", "begin it with `/`");
            }
            file.starts_with('/')
        });
        Self {
            nameservers,
            ca_file: ca_file.map(PathBuf::from),
            proxy: proxy(&egress, problems),
            connect_timeout_ms: egress.whole("connectTimeoutMs", 1..=60_000, problems),
            max_connections: egress.whole("maxConnections", 1..=100_000, problems),
            max_connections_per_tenant: egress.whole("maxConnectionsPerTenant", 1..=100_000, problems),
        }
    }
}

fn proxy(egress: &Object<'_>, problems: &mut Problems) -> Option<Proxy> {
    let proxy = egress.object("proxy", &["url", "credentials"], problems)?;
    proxy.require("url", "write `{ \"url\": \"http://proxy.example.com:3128\" }`", problems);
    let credentials = proxy.text("credentials", problems);
    if credentials.as_deref().is_some_and(|text| !text.contains(':') || text.chars().any(char::is_control)) {
        problems.error(proxy.at("credentials"), "is not a user and a password", "write `user:password`");
    }
    match proxy.text("url", problems)?.parse::<Origin>() {
        Ok(origin) if origin.scheme == Scheme::Http => {
            Some(Proxy { origin, credentials: credentials.map(Secret::new) })
        }
        Ok(_) => {
            let reason = "is not `http`: the way to the proxy is clear text, what it carries is not";
            problems.error(proxy.at("url"), reason, "write `http://host:port`");
            None
        }
        Err(error) => {
            problems.error(
                proxy.at("url"),
                format!("is no proxy's address ({})", error.reason),
                "write `http://host:port`",
            );
            None
        }
    }
}
