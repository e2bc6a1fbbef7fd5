//! Which endpoint a URL names, and who sends.
//!
//! Invariant: a URL names one endpoint of one tenant, or none; `t` is reserved, so no path reaches across tenants.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::ConnectInfo;
use http::request::Parts;
use percent_encoding::percent_decode_str;

use crate::auth::ClientAddress;

/// Tenant of `/webhook/<path>`.
const DEFAULT_TENANT: &str = "default";

/// An endpoint as a URL names it; whether it exists is another question.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EndpointAddress<'a> {
    /// The tenant's name, as written.
    pub(super) tenant: &'a str,
    /// The path, decoded, beginning with `/`.
    pub(super) path: Cow<'a, str>,
}

impl<'a> EndpointAddress<'a> {
    /// The endpoint of a tenant with this path, decoded.
    pub(super) fn of(tenant: &'a str, path: &'a str) -> Self {
        Self { tenant, path: Cow::Borrowed(path) }
    }

    /// Reads a request's path; `None` if it can name no endpoint (bytes that are not UTF-8, a tenant without a path).
    pub(super) fn from_uri_path(uri_path: &'a str) -> Option<Self> {
        let rest = uri_path.strip_prefix("/webhook").unwrap_or(uri_path);
        let (tenant, path) = match rest.strip_prefix("/t/") {
            // `t` is reserved: an endpoint under `/t` of the default tenant could pass for another tenant's.
            Some(of_tenant) => of_tenant.split_at(of_tenant.find('/')?),
            None if rest == "/t" => return None,
            None => (DEFAULT_TENANT, rest),
        };
        let path = percent_decode_str(path).decode_utf8().ok()?;
        Some(Self { tenant, path })
    }
}

/// The address to hold a request against, as the server found it behind whatever proxies it trusts.
pub(super) fn sender_address(head: &Parts) -> ClientAddress {
    let extensions = &head.extensions;
    if let Some(sender) = extensions.get::<ClientAddress>() {
        return *sender;
    }
    // Whoever serves these routes without the server in front is all senders at once: strict, and never open.
    let peer = extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip().to_canonical());
    ClientAddress(peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(uri_path: &str) -> Option<(&str, String)> {
        EndpointAddress::from_uri_path(uri_path).map(|address| (address.tenant, address.path.into_owned()))
    }

    #[test]
    fn a_url_names_the_default_tenant_unless_its_path_begins_with_t() {
        assert_eq!(named("/webhook/deploy-alert"), Some(("default", "/deploy-alert".to_owned())));
        assert_eq!(named("/webhook/ci/deploy"), Some(("default", "/ci/deploy".to_owned())));
        assert_eq!(named("/webhook/t/acme/deploy-alert"), Some(("acme", "/deploy-alert".to_owned())));
        assert_eq!(named("/webhook/team"), Some(("default", "/team".to_owned())));
        assert_eq!(named("/webhook/caf%C3%A9"), Some(("default", "/café".to_owned())));
        assert_eq!(named("/webhook/t"), None);
        assert_eq!(named("/webhook/t/acme"), None);
        assert_eq!(named("/webhook/%FF"), None);
    }
}
