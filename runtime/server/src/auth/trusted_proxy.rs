//! Who really sends: the TCP peer, or what trusted proxies say about it.
//!
//! The chain of `X-Forwarded-For` (or `Forwarded`) is walked from right to left; each hop is believed only as long as
//! the one to its right is a trusted proxy.
//! Invariant: a header from anybody else changes nothing.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

/// The address a request is held against: for throttling, limits and the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

impl ClientAddress {
    /// The address, or for IPv6 its /64: one customer holds all of that.
    pub(crate) fn throttle_key(self) -> IpAddr {
        match self.0.to_canonical() {
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
            v4 => v4,
        }
    }
}

/// Whether this peer's forwarding headers are believed.
pub(crate) fn is_trusted(peer: IpAddr, trusted: &[IpNet]) -> bool {
    let peer = peer.to_canonical();
    trusted.iter().any(|net| net.contains(&peer))
}

/// Finds the client's address.
pub(crate) fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> ClientAddress {
    let peer = peer.to_canonical();
    if trusted.is_empty() || !is_trusted(peer, trusted) {
        return ClientAddress(peer);
    }
    let hops = forwarded_for(headers);
    let mut client = peer;
    for hop in hops.iter().rev() {
        // A hop that is no address (`unknown`, an obfuscated name) ends the walk: nothing left of it is vouched for.
        let Some(address) = hop else { break };
        client = *address;
        if !is_trusted(client, trusted) {
            break;
        }
    }
    ClientAddress(client)
}

/// The hops the headers name, leftmost first. `X-Forwarded-For` wins over `Forwarded`: mixing them would let a client
/// write the one its proxy does not.
fn forwarded_for(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let texts = |name: &str| -> Vec<String> {
        let values = headers.get_all(name).iter();
        values.flat_map(|value| value.to_str().unwrap_or("?").split(',').map(str::to_owned)).collect()
    };
    if headers.contains_key("x-forwarded-for") {
        return texts("x-forwarded-for").iter().map(|hop| parse_hop(hop)).collect();
    }
    let for_of = |element: &String| {
        element.split(';').find_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            name.trim().eq_ignore_ascii_case("for").then(|| parse_hop(value.trim().trim_matches('"')))
        })
    };
    texts("forwarded").iter().map(|element| for_of(element).flatten()).collect()
}

/// Reads `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` and `[2001:db8::1]:80`.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse()
        .or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()))
        .ok()
        .map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(peer: &str, headers: &[(&'static str, &str)], trusted: &[&str]) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|net| net.parse().unwrap()).collect();
        client_address(peer.parse().unwrap(), &map, &trusted).0.to_string()
    }

    #[test]
    fn a_header_from_a_stranger_changes_nothing() {
        assert_eq!(walk("192.0.2.7", &[("x-forwarded-for", "10.0.0.1")], &[]), "192.0.2.7");
        assert_eq!(walk("192.0.2.7", &[("x-forwarded-for", "10.0.0.1")], &["127.0.0.0/8"]), "192.0.2.7");
    }

    #[test]
    fn the_walk_stops_at_the_first_hop_no_proxy_vouches_for() {
        let trusted = ["127.0.0.0/8", "10.0.0.0/8"];
        let forged = [("x-forwarded-for", "1.1.1.1, 203.0.113.9, 10.0.0.2")];
        assert_eq!(walk("127.0.0.1", &forged, &trusted), "203.0.113.9");
        let two_headers = [("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "203.0.113.9:4711")];
        assert_eq!(walk("127.0.0.1", &two_headers, &trusted), "203.0.113.9");
        assert_eq!(walk("127.0.0.1", &[("x-forwarded-for", "10.0.0.3, 10.0.0.2")], &trusted), "10.0.0.3");
    }

    #[test]
    fn a_hop_that_is_no_address_ends_the_walk() {
        let chain = [("x-forwarded-for", "203.0.113.9, unknown, 127.0.0.2")];
        assert_eq!(walk("127.0.0.1", &chain, &["127.0.0.0/8"]), "127.0.0.2");
    }

    #[test]
    fn forwarded_is_read_where_the_older_header_is_missing() {
        let trusted = ["127.0.0.0/8"];
        let chain = [("forwarded", r#"for=1.1.1.1, For="[2001:db8::17]:4711";proto=https"#)];
        assert_eq!(walk("127.0.0.1", &chain, &trusted), "2001:db8::17");
        let both = [("forwarded", "for=1.1.1.1"), ("x-forwarded-for", "203.0.113.9")];
        assert_eq!(walk("127.0.0.1", &both, &trusted), "203.0.113.9");
    }

    #[test]
    fn an_ipv4_peer_on_an_ipv6_socket_is_the_ipv4_address() {
        assert_eq!(walk("::ffff:127.0.0.1", &[("x-forwarded-for", "203.0.113.9")], &["127.0.0.0/8"]), "203.0.113.9");
    }

    #[test]
    fn an_ipv6_client_is_throttled_by_its_network() {
        let one = ClientAddress("2001:db8::1".parse().unwrap());
        let other = ClientAddress("2001:db8::ffff".parse().unwrap());
        assert_eq!(one.throttle_key(), other.throttle_key());
    }
}
