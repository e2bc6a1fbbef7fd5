//! URLs as far as a request needs them: split into what `wasi:http` takes, and encoding for what goes in.
//!
//! Invariant: nothing is repaired. A URL that hides its host, or holds what no URL may, is an error here and now.

use super::Error;

/// The parts of a URL.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    pub(super) is_tls: bool,
    pub(super) authority: &'a str,
    /// Path and query, beginning with `/`.
    pub(super) path_and_query: String,
}

/// Splits a URL. A fragment is left out: it is never sent.
pub(super) fn split(url: &str) -> Result<Parts<'_>, Error> {
    let wrong = |reason: &str| Error::Invalid(format!("`{}` {reason}", url.escape_debug()));
    if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong("holds characters no URL has: encode what goes into it"));
    }
    let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong("is no URL: write `https://host/path`"))?;
    let is_tls = match scheme.to_ascii_lowercase().as_str() {
        "https" => true,
        "http" => false,
        _ => return Err(wrong("is neither `http` nor `https`")),
    };
    let rest = rest.split('#').next().unwrap_or_default();
    let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if authority.is_empty() {
        return Err(wrong("has no host"));
    }
    if authority.contains('@') {
        return Err(wrong("carries user info: send an `authorization` header instead"));
    }
    let path_and_query = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
    Ok(Parts { is_tls, authority, path_and_query })
}

/// Percent-encodes text for one segment of a path, or for a name or value of a query: everything but letters, digits
/// and `-._~`. A segment of only dots cannot be encoded: refuse it before.
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_falls_into_its_parts() {
        let parts = split("HTTPS://a.example:8443/x/y?z=1#w").unwrap();
        assert_eq!(parts, Parts { is_tls: true, authority: "a.example:8443", path_and_query: "/x/y?z=1".to_owned() });
        assert_eq!(split("http://[::1]?q").unwrap().path_and_query, "/?q");
        assert_eq!(split("http://a.example").unwrap().path_and_query, "/");
        for bad in ["a.example/x", "ftp://a.example", "https:///x", "https://me@a.example/", "https://a.example/\r\nx"]
        {
            assert!(split(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_encoded_cannot_leave_its_segment() {
        assert_eq!(encode("a/b?c#d%é"), "a%2Fb%3Fc%23d%25%C3%A9");
        assert_eq!(encode("api-v2_1.0~x"), "api-v2_1.0~x");
    }
}
