//! From a host to its addresses: literals, the hosts file, then DNS. Nobody else in the gateway asks a nameserver.
//!
//! Invariant: names are taken as they are, from the root down: no search list turns a granted name into another one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use hickory_resolver::config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::{Resolver as Dns, TokioResolver};
use openclaw_domain::EgressError;

use crate::literal::{self, Literal};

/// A hosts file longer than this is not one that a person keeps.
const HOSTS_FILE_BYTES: u64 = 1 << 20;

pub(crate) struct Resolver {
    /// Why there is none, if there is none: a machine without a nameserver still serves literals and its hosts file.
    dns: Result<TokioResolver, String>,
    hosts_file: PathBuf,
}

impl Resolver {
    pub(crate) fn new(nameservers: &[SocketAddr], hosts_file: PathBuf) -> Self {
        Self { dns: open(nameservers), hosts_file }
    }

    /// All addresses of a host, in the order in which they are tried. Never empty.
    pub(crate) async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, EgressError> {
        let failed = |reason: &str| EgressError::Dns { host: host.to_owned(), reason: reason.to_owned() };
        match literal::read(host) {
            Literal::Address(address) => return Ok(vec![address]),
            Literal::Broken => return Err(failed("it ends like an address and is none")),
            Literal::Name => {}
        }
        // RFC 6761 §6.3: these names are this machine's, and no nameserver is asked.
        if host == "localhost" || host.ends_with(".localhost") {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        let listed = self.in_hosts_file(host).await;
        if !listed.is_empty() {
            return Ok(listed);
        }
        let dns = self.dns.as_ref().map_err(|reason| failed(reason))?;
        let name = Name::from_ascii(format!("{host}.")).map_err(|_| failed("it is no domain name"))?;
        let found = dns.lookup_ip(name).await.map_err(|error| match error {
            error if error.is_nx_domain() => failed("there is no such name"),
            error if error.is_no_records_found() => failed("it has no address"),
            error => failed(&error.to_string()),
        })?;
        let addresses: Vec<IpAddr> = found.iter().collect();
        match addresses.is_empty() {
            true => Err(failed("it has no address")),
            false => Ok(addresses),
        }
    }

    /// The file is read anew each time, as the C library does: it is short, and what an operator changes in it counts.
    async fn in_hosts_file(&self, host: &str) -> Vec<IpAddr> {
        use tokio::io::AsyncReadExt as _;

        let Ok(file) = tokio::fs::File::open(&self.hosts_file).await else { return Vec::new() };
        let mut text = Vec::new();
        if file.take(HOSTS_FILE_BYTES).read_to_end(&mut text).await.is_err() {
            return Vec::new();
        }
        find_host(&String::from_utf8_lossy(&text), host)
    }
}

fn find_host(text: &str, host: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for line in text.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(address) = words.next().and_then(|word| word.parse::<IpAddr>().ok()) else { continue };
        if words.any(|name| name.strip_suffix('.').unwrap_or(name).eq_ignore_ascii_case(host)) {
            found.push(address);
        }
    }
    found
}

fn open(nameservers: &[SocketAddr]) -> Result<TokioResolver, String> {
    let mut builder = match nameservers {
        [] => {
            TokioResolver::builder_tokio().map_err(|error| format!("the system's nameservers are unknown: {error}"))?
        }
        listed => {
            let servers = listed.iter().map(|address| {
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                    connection.port = address.port();
                    connection
                });
                NameServerConfig::new(address.ip(), true, connections.to_vec())
            });
            let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
            Dns::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    let options = builder.options_mut();
    // Both families are asked and all answers are judged, so that a private one cannot hide behind a public one.
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.use_hosts_file = ResolveHosts::Never;
    builder.build().map_err(|error| format!("the resolver could not be set up: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hosts_file_is_read_as_the_c_library_reads_it() {
        let text = "# comment\n127.0.0.1 localhost\n10.0.0.7\tDB.internal db # the database\nfe80::1%lo0 x\n::1 db\n";
        assert_eq!(find_host(text, "db"), ["10.0.0.7".parse::<IpAddr>().unwrap(), "::1".parse().unwrap()]);
        assert_eq!(find_host(text, "db.internal").len(), 1);
        assert!(find_host(text, "comment").is_empty());
        assert!(find_host(text, "d").is_empty());
    }
}
