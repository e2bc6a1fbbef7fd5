//! Which `Host` and `Origin` a request may carry.
//!
//! A page on the internet can point its own name at 127.0.0.1 (rebinding) or open a WebSocket to it (no browser asks
//! first). Invariant: neither reaches anything here, because the name it must use, or its origin, is not on a list.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::{HOST, ORIGIN};
use openclaw_domain::Refusal;

/// Checks the name the client used. An IP literal always passes: rebinding needs a name.
///
/// # Errors
/// [`Refusal::Foreign`] for a name that is neither loopback nor listed; [`Refusal::InvalidRequest`] without one name.
pub(crate) fn check_host(authority: Option<&str>, headers: &HeaderMap, allowed: &[String]) -> Result<(), Refusal> {
    let host = host_text(authority, headers)?;
    let name = host_name(host).to_ascii_lowercase();
    let name = name.strip_suffix('.').unwrap_or(&name);
    let is_loopback_name = name == "localhost" || name.ends_with(".localhost");
    let literal = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    if is_loopback_name || literal.parse::<IpAddr>().is_ok() || allowed.iter().any(|known| known == name) {
        return Ok(());
    }
    Err(Refusal::Foreign { header: "Host", value: shorten(host), key: "gateway.allowedHosts" })
}

/// Checks where a browser's page came from; other clients send no `Origin`.
///
/// # Errors
/// [`Refusal::Foreign`] if it is neither the same origin nor listed.
pub(crate) fn check_origin(
    authority: Option<&str>,
    headers: &HeaderMap,
    behind_proxy: bool,
    allowed: &[String],
) -> Result<(), Refusal> {
    let mut origins = headers.get_all(ORIGIN).iter();
    let Some(first) = origins.next() else { return Ok(()) };
    let origin = first.to_str().unwrap_or("?");
    let is_listed = |origin: &str| allowed.iter().any(|known| known.eq_ignore_ascii_case(origin));
    let is_same = || {
        let (scheme, rest) = origin.split_once("://")?;
        let forwarded = headers.get("x-forwarded-host").filter(|_| behind_proxy).and_then(|value| value.to_str().ok());
        let host = forwarded.or_else(|| host_text(authority, headers).ok())?;
        Some(without_default_port(scheme, rest).eq_ignore_ascii_case(without_default_port(scheme, host.trim())))
    };
    if origins.next().is_none() && (is_listed(origin) || is_same() == Some(true)) {
        return Ok(());
    }
    Err(Refusal::Foreign { header: "Origin", value: shorten(origin), key: "gateway.allowedOrigins" })
}

/// Checks on whose behalf a browser asks where it sends no `Origin`: an image, a link, a form without CORS. Other
/// clients say nothing of the kind.
///
/// # Errors
/// [`Refusal::InvalidRequest`] for what a page of another origin loads: no setting allows it. A person who follows a
/// link to here may come in.
pub(crate) fn check_site(headers: &HeaderMap) -> Result<(), Refusal> {
    let says = |name: &str, value: &str| {
        headers.get_all(name).iter().any(|said| said.as_bytes().eq_ignore_ascii_case(value.as_bytes()))
    };
    let foreign = ["cross-site", "same-site"].into_iter().find(|site| says("sec-fetch-site", site));
    match foreign.filter(|_| !says("sec-fetch-mode", "navigate")) {
        None => Ok(()),
        Some(site) => {
            Err(Refusal::invalid("Sec-Fetch-Site", format!("is `{site}`: pages of other origins may not ask here")))
        }
    }
}

/// The authority of the request target if it has one (RFC 9112 §3.2.2), else the one `Host`.
fn host_text<'a>(authority: Option<&'a str>, headers: &'a HeaderMap) -> Result<&'a str, Refusal> {
    let mut hosts = headers.get_all(HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    if let Some(authority) = authority {
        return Ok(authority);
    }
    match (first.and_then(|host| host.to_str().ok()), second) {
        (Some(host), None) if !host.is_empty() => Ok(host),
        _ => Err(Refusal::invalid("Host", "must be sent exactly once")),
    }
}

/// The host without its port.
fn host_name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            // Two colons without brackets: a bare IPv6 address, not a port.
            if name.contains(':') && !name.ends_with(']') { host } else { name }
        }
        _ => host,
    }
}

fn without_default_port<'a>(scheme: &str, host: &'a str) -> &'a str {
    let port = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
    host.strip_suffix(port).unwrap_or(host)
}

fn shorten(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    #[test]
    fn a_host_is_loopback_a_literal_or_listed() {
        let allowed = ["gateway.example".to_owned()];
        for good in [
            "localhost",
            "localhost:18789",
            "LOCALHOST.:1",
            "app.localhost",
            "127.0.0.1:18789",
            "192.168.1.100",
            "[::1]:18789",
            "[::1]",
            "::1",
            "gateway.example:443",
        ] {
            assert!(check_host(None, &headers(&[("host", good)]), &allowed).is_ok(), "{good}");
        }
        for bad in ["evil.test", "evil.test:18789", "localhost.evil.test", "notlocalhost", "127.0.0.1.evil.test", ":80"]
        {
            assert!(check_host(None, &headers(&[("host", bad)]), &allowed).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_request_names_its_host_exactly_once() {
        assert!(check_host(None, &headers(&[]), &[]).is_err());
        assert!(check_host(None, &headers(&[("host", "localhost"), ("host", "evil.test")]), &[]).is_err());
        assert!(check_host(Some("evil.test"), &headers(&[("host", "localhost")]), &[]).is_err());
    }

    #[test]
    fn an_origin_is_absent_the_same_or_listed() {
        let allowed = ["https://app.example".to_owned()];
        let check = |pairs: &[(&'static str, &str)], behind_proxy| {
            check_origin(None, &headers(pairs), behind_proxy, &allowed).is_ok()
        };
        assert!(check(&[("host", "localhost:1")], false));
        assert!(check(&[("host", "localhost:1"), ("origin", "http://localhost:1")], false));
        assert!(check(&[("host", "gateway.example"), ("origin", "https://gateway.example:443")], false));
        assert!(check(&[("host", "localhost:1"), ("origin", "https://app.example")], false));
        for bad in ["http://localhost:2", "http://evil.test", "null", "https://app.example.evil.test", "localhost:1"] {
            assert!(!check(&[("host", "localhost:1"), ("origin", bad)], false), "{bad}");
        }
        let proxied = [("host", "10.0.0.1"), ("x-forwarded-host", "gw.example"), ("origin", "https://gw.example")];
        assert!(check(&proxied, true));
        assert!(!check(&proxied, false));
    }

    #[test]
    fn what_a_foreign_page_loads_is_refused_and_a_link_to_here_is_not() {
        for site in ["cross-site", "same-site", "Cross-Site"] {
            assert!(
                check_site(&headers(&[("sec-fetch-site", site), ("sec-fetch-mode", "no-cors")])).is_err(),
                "{site}"
            );
            assert!(
                check_site(&headers(&[("sec-fetch-site", site), ("sec-fetch-mode", "navigate")])).is_ok(),
                "{site}"
            );
        }
        for own in [&[][..], &[("sec-fetch-site", "none")], &[("sec-fetch-site", "same-origin")]] {
            assert!(check_site(&headers(own)).is_ok(), "{own:?}");
        }
    }

    #[test]
    fn the_null_origin_passes_only_if_it_is_listed() {
        let sandboxed = headers(&[("host", "localhost"), ("origin", "null")]);
        assert!(check_origin(None, &sandboxed, false, &[]).is_err());
        assert!(check_origin(None, &sandboxed, false, &["null".to_owned()]).is_ok());
    }
}
