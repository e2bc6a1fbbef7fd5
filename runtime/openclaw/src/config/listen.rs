//! Where the gateway listens: `host`, `bind` and `port` settled in one place.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use super::file::GatewayFile;
use super::problem::Problems;

/// The guide's port.
const DEFAULT_PORT: u16 = 18_789;

/// What the command line says about the address; it wins over the file.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListenOverrides {
    /// `--bind`.
    pub(crate) bind: Option<String>,
    /// `--port`; 0 lets the system choose.
    pub(crate) port: Option<u16>,
}

/// The address to listen on. Loopback, port 18789, unless something else is said.
pub(crate) fn settle(gateway: &GatewayFile, overrides: &ListenOverrides, problems: &mut Problems) -> SocketAddr {
    let port = overrides.port.or(gateway.port.and_then(|port| u16::try_from(port).ok())).unwrap_or(DEFAULT_PORT);
    let mut named = |path: &str, text: &Option<String>| {
        text.as_deref().and_then(|text| match address(text) {
            Ok(address) => Some(address),
            Err((reason, fix)) => {
                problems.error(path, reason, fix);
                None
            }
        })
    };
    let asked = named("--bind", &overrides.bind);
    let (host, bind) = (named("gateway.host", &gateway.host), named("gateway.bind", &gateway.bind));
    if let (Some(host), Some(bind)) = (host, bind)
        && host != bind
    {
        problems.error("gateway.bind", format!("means {bind}, and `gateway.host` means {host}"), "keep one of the two");
    }
    SocketAddr::new(asked.or(bind).or(host).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), port)
}

fn address(text: &str) -> Result<IpAddr, (String, String)> {
    match text {
        "loopback" | "localhost" => Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        "lan" => Ok(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        "tailnet" => tailnet_address().ok_or_else(|| {
            ("is `tailnet`, and this machine has no tailnet address".to_owned(), "start Tailscale first".to_owned())
        }),
        other => other.trim_matches(['[', ']']).parse().map_err(|_| {
            (
                "is no address".to_owned(),
                "write `loopback`, `lan`, `tailnet` or an IP address such as `127.0.0.1`".to_owned(),
            )
        }),
    }
}

/// The address this machine would reach Tailscale's own resolver from, if that lies in its range (100.64.0.0/10).
///
/// Connecting a UDP socket sends nothing: the system only looks the route up.
fn tailnet_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(100, 100, 100, 100), 53)).ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(address) if address.octets()[0] == 100 && (64..128).contains(&address.octets()[1]) => {
            Some(IpAddr::V4(address))
        }
        _ => None,
    }
}
