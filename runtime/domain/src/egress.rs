//! A request that leaves the gateway, and everything that bounds it.
//!
//! Invariant: there is no other way out. Guests, webhooks, model providers and registries all say here what they want
//! sent; the one implementation of [`crate::ports::Egress`] decides whether and where it is dialled.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderMap, HeaderName, Method, StatusCode};

use crate::{HttpRule, Origin, SecretName, TenantId, secret_command};

/// The bytes of a body as they come.
pub type BodyStream = Pin<Box<dyn Stream<Item = Result<Bytes, EgressError>> + Send>>;

/// A request about to be sent.
pub struct Outgoing {
    /// Whose it is.
    pub tenant: TenantId,
    /// Who sends it, for logs and alerts: `skill deploy-check`, `webhook slack`.
    pub sender: Arc<str>,
    /// The method.
    pub method: Method,
    /// Where it goes.
    pub origin: Origin,
    /// Path and query as they are sent, beginning with `/`.
    pub path_and_query: String,
    /// Headers. Those that belong to the connection are refused or rebuilt.
    pub headers: HeaderMap,
    /// Headers whose value holds secrets; filled in last, in the task that sends.
    pub secret_headers: Vec<SecretHeader>,
    /// The body.
    pub body: OutgoingBody,
    /// Which names it may go to.
    pub names: NamePolicy,
    /// Whether private, loopback and other special addresses are allowed for this destination.
    pub allow_private: bool,
    /// Its bounds.
    pub limits: EgressLimits,
    /// When everything must be over, the response's last byte included.
    pub deadline: Instant,
}

/// A header whose value is made of text and secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretHeader {
    /// Its name.
    pub name: HeaderName,
    /// Its value, in order.
    pub parts: Vec<HeaderPart>,
}

/// A piece of a [`SecretHeader`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderPart {
    /// Text as it stands.
    Text(String),
    /// The value of the tenant's secret with this name. That it may go there was checked against the grant.
    Secret(SecretName),
    /// Base64 of what these pieces give, for `Authorization: Basic`.
    Base64(Vec<HeaderPart>),
}

/// A request's body.
pub enum OutgoingBody {
    /// None.
    Empty,
    /// All of it.
    Full(Bytes),
    /// As it comes. Its length is counted, never believed.
    Stream(BodyStream),
}

/// Which names a request may go to.
#[derive(Clone, Debug)]
pub enum NamePolicy {
    /// A guest's: one of these rules must allow method, origin and path.
    Rules(Arc<[HttpRule]>),
    /// The operator wrote this very URL into the configuration.
    Configured,
}

/// Bounds of one request. The deadline is the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EgressLimits {
    /// Bytes of the request's headers. Default 16 KiB.
    pub request_header_bytes: usize,
    /// Bytes of the request's body. Default 4 MiB.
    pub request_body_bytes: u64,
    /// Bytes of the response's status line and headers. Default 32 KiB.
    pub response_header_bytes: usize,
    /// Bytes of the response's body. Default 8 MiB.
    pub response_body_bytes: u64,
    /// Least bytes a second a body must move, averaged over any five seconds. Default 64.
    pub least_bytes_per_second: u32,
}

impl Default for EgressLimits {
    fn default() -> Self {
        Self {
            request_header_bytes: 16 << 10,
            request_body_bytes: 4 << 20,
            response_header_bytes: 32 << 10,
            response_body_bytes: 8 << 20,
            least_bytes_per_second: 64,
        }
    }
}

/// A response.
pub struct Incoming {
    /// Its status.
    pub status: StatusCode,
    /// Its headers, without those of the connection. A secret that was reflected is not in them.
    pub headers: HeaderMap,
    /// Its body; ends with an error at the first broken bound. Trailers are dropped.
    pub body: BodyStream,
}

/// Why a request was not sent, or its response not read to the end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// No rule allows it.
    #[error("no rule allows `{method} {url}`")]
    NameDenied {
        /// The method.
        method: String,
        /// The URL without its query.
        url: String,
    },
    /// The name leads to an address that is not allowed.
    #[error("`{host}` is at {address}, which is {kind}: that {}", way_past(.kind))]
    AddressDenied {
        /// The name, or the address as it was written.
        host: String,
        /// The first address that is not allowed.
        address: std::net::IpAddr,
        /// What kind of address it is: `loopback`, `private`, `link-local` …
        kind: &'static str,
    },
    /// The request itself is wrong.
    #[error("`{part}` of the request {reason}")]
    BadRequest {
        /// `url`, `header x`, `body`.
        part: String,
        /// Why, as the rest of a sentence.
        reason: String,
    },
    /// A secret it needs has no value.
    #[error("the secret `{name}` has no value; set it with `{}`", secret_command(.tenant, .name))]
    SecretMissing {
        /// Whose secret.
        tenant: TenantId,
        /// Which.
        name: SecretName,
    },
    /// The name has no address, or the resolver did not answer.
    #[error("`{host}` could not be resolved: {reason}")]
    Dns {
        /// The name.
        host: String,
        /// Why.
        reason: String,
    },
    /// Nothing answered at the address.
    #[error("`{host}` could not be reached: {reason}")]
    Connect {
        /// The name.
        host: String,
        /// Why.
        reason: String,
    },
    /// TLS could not be agreed on, or the certificate is not for this name.
    #[error("TLS with `{host}` failed: {reason}")]
    Tls {
        /// The name.
        host: String,
        /// Why.
        reason: String,
    },
    /// It took longer than it may.
    #[error("the deadline was over before the response was")]
    TimedOut,
    /// It moved slower than it may.
    #[error("the body moved slower than {0} bytes a second")]
    TooSlow(u32),
    /// More than a bound allows.
    #[error("{what} of more than {limit} bytes")]
    TooLarge {
        /// `a request body`, `response headers` …
        what: &'static str,
        /// The bound.
        limit: u64,
    },
    /// The other side broke HTTP, or off.
    #[error("the connection failed: {0}")]
    Protocol(String),
    /// The gateway failed. Logged whole.
    #[error("the gateway could not send the request")]
    Internal,
}

/// No key opens an address that is not one machine's.
fn way_past(kind: &str) -> &'static str {
    match kind {
        "unspecified" | "multicast" | "broadcast" => "is never dialled",
        _ => "needs a second key",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denied_address_says_whether_there_is_a_key_for_it() {
        let denied = |kind| EgressError::AddressDenied { host: "x".into(), address: [0, 0, 0, 0].into(), kind };
        assert_eq!(denied("loopback").to_string(), "`x` is at 0.0.0.0, which is loopback: that needs a second key");
        assert_eq!(denied("unspecified").to_string(), "`x` is at 0.0.0.0, which is unspecified: that is never dialled");
    }
}
