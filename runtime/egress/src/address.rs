//! Which addresses may be dialled: the table, and the canonical form in which an address is looked up in it.
//!
//! Invariant: an address is public only if nothing known makes it special. Every format that carries an IPv4 address
//! inside an IPv6 one is taken apart, so that `127.0.0.1` is loopback in each of its disguises.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is for (IANA's special-purpose registries, and where clouds keep their metadata).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressKind {
    /// Anybody's: the only kind that needs no second key.
    Public,
    /// This machine.
    Loopback,
    /// RFC 1918.
    Private,
    /// `169.254/16`, `fe80::/10`.
    LinkLocal,
    /// Where a cloud hands out credentials to whoever asks from the machine.
    Metadata,
    /// Behind a carrier's NAT, `100.64/10`.
    CarrierNat,
    /// `0/8` but for the address of all zeros.
    ThisNetwork,
    /// Every address of this machine: `0.0.0.0`, `::`. Never dialled.
    Unspecified,
    /// Many machines. Never dialled.
    Multicast,
    /// All machines. Never dialled.
    Broadcast,
    /// For examples in texts.
    Documentation,
    /// For measuring, `198.18/15`.
    Benchmarking,
    /// For protocols, not for hosts: `192.0.0/24`, `2001::/23`, the anycast address of 6to4 relays.
    Protocol,
    /// Not given out: `240/4`, and all of IPv6 outside `2000::/3`.
    Reserved,
    /// `fc00::/7`, the private addresses of IPv6.
    UniqueLocal,
    /// `fec0::/10`, its predecessor.
    SiteLocal,
    /// An IPv4 address inside an IPv6 one, to be taken out by a translator or a relay on the way.
    Transition,
    /// `100::/64`, thrown away on the way.
    Discard,
    /// Segment routing, `5f00::/16`.
    SegmentRouting,
}

impl AddressKind {
    /// Its name in refusals: `loopback`, `private` …
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::LinkLocal => "link-local",
            Self::Metadata => "cloud metadata",
            Self::CarrierNat => "behind a carrier's NAT",
            Self::ThisNetwork => "`this network`",
            Self::Unspecified => "unspecified",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::Documentation => "for documentation",
            Self::Benchmarking => "for benchmarking",
            Self::Protocol => "for protocols",
            Self::Reserved => "reserved",
            Self::UniqueLocal => "unique local",
            Self::SiteLocal => "site-local",
            Self::Transition => "an IPv4 address in a transition format",
            Self::Discard => "discard-only",
            Self::SegmentRouting => "for segment routing",
        }
    }

    /// Whether no key at all opens it.
    pub const fn is_never_dialled(self) -> bool {
        matches!(self, Self::Unspecified | Self::Multicast | Self::Broadcast)
    }

    /// Whether it leads to this machine or to the operator's own network.
    pub const fn is_local(self) -> bool {
        matches!(self, Self::Loopback | Self::Private | Self::UniqueLocal)
    }
}

/// Decides whether an address may be dialled. The gateway has one, [`Strict`]; the tests have another, to show that a
/// refused request would otherwise have succeeded.
pub trait AddressPolicy: Send + Sync {
    /// `Err` with what the address is, if it must not be dialled.
    fn check(&self, address: IpAddr, allow_private: bool) -> Result<(), AddressKind>;
}

/// Public addresses, and with the second key all that lead to one machine.
#[derive(Clone, Copy, Debug)]
pub struct Strict;

impl AddressPolicy for Strict {
    fn check(&self, address: IpAddr, allow_private: bool) -> Result<(), AddressKind> {
        let kind = kind(address);
        // What a transition format leads to is dialled in effect, so its own kind counts too.
        let inner = match canonical(address) {
            IpAddr::V6(address) => embedded(address).into_iter().map(kind_v4).find(|kind| kind.is_never_dialled()),
            IpAddr::V4(_) => None,
        };
        match (kind, inner) {
            (_, Some(inner)) => Err(inner),
            (AddressKind::Public, None) => Ok(()),
            (kind, None) if kind.is_never_dialled() || !allow_private => Err(kind),
            _ => Ok(()),
        }
    }
}

/// The form in which an address is checked and dialled: IPv4-mapped addresses are IPv4.
pub fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// What kind of address this is.
///
/// A transition format around a public address is [`AddressKind::Transition`]; around any other it is what is inside.
pub fn kind(address: IpAddr) -> AddressKind {
    match canonical(address) {
        IpAddr::V4(address) => kind_v4(address),
        IpAddr::V6(address) => kind_v6(address),
    }
}

fn kind_v4(address: Ipv4Addr) -> AddressKind {
    match address.octets() {
        [0, 0, 0, 0] => AddressKind::Unspecified,
        [0, ..] => AddressKind::ThisNetwork,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => AddressKind::Private,
        // Alibaba's metadata is among the carriers' addresses, Oracle's among the protocols', Azure's is a public one.
        [169, 254, 169, 254] | [100, 100, 100, 200] | [192, 0, 0, 192] | [168, 63, 129, 16] => AddressKind::Metadata,
        [100, 64..=127, ..] => AddressKind::CarrierNat,
        [127, ..] => AddressKind::Loopback,
        [169, 254, ..] => AddressKind::LinkLocal,
        [192, 0, 0, _] | [192, 88, 99, _] => AddressKind::Protocol,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => AddressKind::Documentation,
        [198, 18 | 19, ..] => AddressKind::Benchmarking,
        [224..=239, ..] => AddressKind::Multicast,
        [255, 255, 255, 255] => AddressKind::Broadcast,
        [240..=255, ..] => AddressKind::Reserved,
        _ => AddressKind::Public,
    }
}

fn kind_v6(address: Ipv6Addr) -> AddressKind {
    if address.is_unspecified() {
        return AddressKind::Unspecified;
    }
    if address.is_loopback() {
        return AddressKind::Loopback;
    }
    if let Some(kind) = embedded(address).into_iter().map(kind_v4).find(|kind| *kind != AddressKind::Public) {
        return kind;
    }
    match address.segments() {
        [0xff00..=0xffff, ..] => AddressKind::Multicast,
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => AddressKind::Metadata,
        [0xfc00..=0xfdff, ..] => AddressKind::UniqueLocal,
        [0xfe80..=0xfebf, ..] => AddressKind::LinkLocal,
        [0xfec0..=0xfeff, ..] => AddressKind::SiteLocal,
        [0x64, 0xff9b, ..] | [0, 0, 0, 0, 0 | 0xffff, ..] | [0x2002, ..] | [0x2001, 0, ..] => AddressKind::Transition,
        [0x100, 0, 0, 0, ..] => AddressKind::Discard,
        [0x5f00, ..] => AddressKind::SegmentRouting,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => AddressKind::Documentation,
        [0x2001, 0..=0x1ff, ..] => AddressKind::Protocol,
        [0x2000..=0x3fff, _, _, _, 0 | 0x200, 0x5efe, ..] => AddressKind::Transition,
        [0x2000..=0x3fff, ..] => AddressKind::Public,
        _ => AddressKind::Reserved,
    }
}

/// The IPv4 addresses that this one carries, by every format that a host, a translator or a relay may know.
fn embedded(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    let bytes = address.octets();
    let v4 = |at: [usize; 4]| Ipv4Addr::new(bytes[at[0]], bytes[at[1]], bytes[at[2]], bytes[at[3]]);
    let last = v4([12, 13, 14, 15]);
    match address.segments() {
        // IPv4-compatible (RFC 4291) and IPv4-translated (RFC 2765).
        [0, 0, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => vec![last],
        // NAT64 (RFC 6052) at 64:ff9b::/96, and of one's own (RFC 8215) inside 64:ff9b:1::/48. Shorter prefixes than /96
        // put the address elsewhere; which it is only the translator knows, so the whole range needs the second key.
        [0x64, 0xff9b, 0, 0, 0, 0, ..] | [0x64, 0xff9b, 1, ..] => vec![last],
        // 6to4 (RFC 3056).
        [0x2002, ..] => vec![v4([2, 3, 4, 5])],
        // Teredo (RFC 4380): the server, and the client with its bits turned over.
        [0x2001, 0, ..] => {
            let client = Ipv4Addr::from_bits(!last.to_bits());
            vec![v4([4, 5, 6, 7]), client]
        }
        // ISATAP (RFC 5214).
        [_, _, _, _, 0 | 0x200, 0x5efe, ..] => vec![last],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_special_address_needs_the_second_key_and_some_have_none() {
        let table = [
            ("127.0.0.1", "loopback"),
            ("127.255.255.254", "loopback"),
            ("::1", "loopback"),
            ("::ffff:127.0.0.1", "loopback"),
            ("::127.0.0.1", "loopback"),
            ("::ffff:0:127.0.0.1", "loopback"),
            ("64:ff9b::7f00:1", "loopback"),
            ("64:ff9b:1::7f00:1", "loopback"),
            ("64:ff9b::8.8.8.8", "an IPv4 address in a transition format"),
            ("64:ff9b:1::8.8.8.8", "an IPv4 address in a transition format"),
            ("2002:7f00:1::", "loopback"),
            ("2002:808:808::1", "an IPv4 address in a transition format"),
            ("2001:0:808:808::f5ff:fffe", "private"),
            ("2001:0:a00:1::f7f7:f7f7", "private"),
            ("2001:0:808:808::f7f7:f7f7", "an IPv4 address in a transition format"),
            ("2a00:1450::5efe:10.0.0.1", "private"),
            ("2a00:1450::5efe:8.8.8.8", "an IPv4 address in a transition format"),
            ("10.1.2.3", "private"),
            ("172.16.0.1", "private"),
            ("172.31.255.255", "private"),
            ("192.168.0.1", "private"),
            ("169.254.0.1", "link-local"),
            ("169.254.169.254", "cloud metadata"),
            ("fd00:ec2::254", "cloud metadata"),
            ("100.100.100.200", "cloud metadata"),
            ("168.63.129.16", "cloud metadata"),
            ("fe80::1", "link-local"),
            ("fec0::1", "site-local"),
            ("fd12::1", "unique local"),
            ("fc00::1", "unique local"),
            ("100.64.0.1", "behind a carrier's NAT"),
            ("100.127.255.255", "behind a carrier's NAT"),
            ("0.1.2.3", "`this network`"),
            ("192.0.0.8", "for protocols"),
            ("192.88.99.1", "for protocols"),
            ("192.0.2.1", "for documentation"),
            ("198.51.100.1", "for documentation"),
            ("203.0.113.1", "for documentation"),
            ("2001:db8::1", "for documentation"),
            ("3fff:fff::1", "for documentation"),
            ("198.18.0.1", "for benchmarking"),
            ("198.19.255.255", "for benchmarking"),
            ("2001:2::1", "for protocols"),
            ("2001:20::1", "for protocols"),
            ("240.0.0.1", "reserved"),
            ("4000::1", "reserved"),
            ("100::1", "discard-only"),
            ("5f00::1", "for segment routing"),
        ];
        for (address, name) in table {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(kind(address).as_str(), name, "{address}");
            assert_eq!(Strict.check(address, false).map_err(AddressKind::as_str), Err(name), "{address}");
            assert!(Strict.check(address, true).is_ok(), "{address}");
        }
        for address in [
            "0.0.0.0",
            "::",
            "::ffff:0.0.0.0",
            "224.0.0.1",
            "239.1.1.1",
            "ff02::1",
            "255.255.255.255",
            "64:ff9b::224.0.0.1",
        ] {
            assert!(Strict.check(address.parse().unwrap(), true).is_err(), "{address}");
            assert!(Strict.check(address.parse().unwrap(), false).is_err(), "{address}");
        }
    }

    #[test]
    fn what_is_public_needs_no_key() {
        for address in [
            "8.8.8.8",
            "::ffff:8.8.8.8",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "192.0.1.1",
            "223.255.255.255",
            "198.17.0.1",
            "2606:4700::1111",
            "2a00:1450:4001::1",
            "2001:4860:4860::8888",
            "3fff:1000::1",
        ] {
            assert_eq!(Strict.check(address.parse().unwrap(), false), Ok(()), "{address}");
        }
        assert_eq!(canonical("::ffff:8.8.8.8".parse().unwrap()).to_string(), "8.8.8.8");
    }
}
