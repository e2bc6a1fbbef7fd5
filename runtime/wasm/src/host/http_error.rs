//! What went wrong with a request, as `wasi:http` says it.

use openclaw_domain::EgressError;
use wasmtime_wasi_http::Error;

/// The nearest of the standard's codes. Words are only in those that carry some.
pub(super) fn of(error: EgressError) -> Error {
    let text = error.to_string();
    match error {
        EgressError::NameDenied { .. } => Error::HttpRequestDenied,
        EgressError::AddressDenied { .. } => Error::DestinationIpProhibited,
        EgressError::BadRequest { part, .. } if part == "url" => Error::HttpRequestUriInvalid,
        EgressError::BadRequest { .. } | EgressError::SecretMissing { .. } => Error::InternalError(Some(text)),
        EgressError::Dns { reason, .. } => Error::DnsError { rcode: Some(reason), info_code: None },
        EgressError::Connect { .. } => Error::ConnectionRefused,
        EgressError::Tls { reason, .. } if reason.contains("certificate") => Error::TlsCertificateError,
        EgressError::Tls { .. } => Error::TlsProtocolError,
        EgressError::TimedOut => Error::HttpResponseTimeout,
        EgressError::TooSlow(_) => Error::ConnectionReadTimeout,
        EgressError::TooLarge { what, limit } => {
            let short = u32::try_from(limit).ok();
            match (what.contains("request"), what.contains("header")) {
                (true, true) => Error::HttpRequestHeaderSectionSize(short),
                (true, false) => Error::HttpRequestBodySize(Some(limit)),
                (false, true) => Error::HttpResponseHeaderSectionSize(short),
                (false, false) => Error::HttpResponseBodySize(Some(limit)),
            }
        }
        EgressError::Protocol(_) => Error::HttpProtocolError,
        EgressError::Internal => Error::InternalError(None),
    }
}
