//! Where a request goes: scheme, host and port, in the one form in which they are compared.
//!
//! Invariant: two texts that name the same place are the same [`Origin`]; a text that hides its place (user info,
//! control characters, a path) is none.

use std::fmt;
use std::str::FromStr;

/// `http` or `https`. Nothing else is ever dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// Clear text.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// Its name in a URL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port a URL without one means.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// The scheme with this name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Http, Self::Https].into_iter().find(|scheme| scheme.as_str().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Scheme, host and port (RFC 6454). The host is lower case, without a trailing dot, an IPv6 address in brackets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// `http` or `https`.
    pub scheme: Scheme,
    /// Name or address.
    pub host: String,
    /// The port, the scheme's own if the text had none.
    pub port: u16,
}

/// Why a text is no origin, as the end of a sentence that begins with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no origin: {reason}")]
pub struct OriginError {
    /// The text, cut to 200 characters.
    pub given: String,
    /// Why and what would do.
    pub reason: &'static str,
}

impl Origin {
    /// Splits `SCHEME://HOST[:PORT]` from what follows it; the rest is empty or begins with `/`, `?` or `#`.
    ///
    /// # Errors
    /// If the text is no URL of that form, or hides its host behind user info or characters no host has.
    pub fn split(text: &str) -> Result<(Self, &str), OriginError> {
        let wrong = |reason| OriginError { given: text.chars().take(200).collect(), reason };
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("write `https://host` or `http://host`"))?;
        let scheme = Scheme::from_name(scheme).ok_or_else(|| wrong("its scheme is neither `http` nor `https`"))?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        if authority.contains('@') {
            return Err(wrong("it carries user info; send an `authorization` header instead"));
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
                let port = digits.then(|| port.parse::<u16>().ok()).flatten().filter(|port| *port != 0);
                (host, port.ok_or_else(|| wrong("its port is none of 1 to 65535"))?)
            }
            _ => (authority, scheme.default_port()),
        };
        let host = read_host(host.strip_suffix('.').unwrap_or(host)).ok_or_else(|| {
            wrong("its host is empty or holds characters no host has; write names in their ASCII form")
        })?;
        Ok((Self { scheme, host, port }, rest))
    }
}

/// A name of letters, digits, `-`, `_` and `.`, or an IPv6 address in brackets in its one canonical text (RFC 5952).
/// What a name means is for the resolver.
fn read_host(host: &str) -> Option<String> {
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().ok().map(|address| format!("[{address}]"));
    }
    let is_name = (1..=253).contains(&host.len())
        && !host.starts_with('.')
        && !host.ends_with('.')
        && !host.contains("..")
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    is_name.then(|| host.to_ascii_lowercase())
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let (origin, rest) = Self::split(text)?;
        if rest.is_empty() || rest == "/" {
            return Ok(origin);
        }
        Err(OriginError { given: text.chars().take(200).collect(), reason: "it ends with its host and port" })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        if self.port != self.scheme.default_port() {
            write!(f, ":{}", self.port)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_spellings_of_one_place_are_one_origin() {
        for text in ["https://Example.COM", "https://example.com:443/", "HTTPS://example.com."] {
            assert_eq!(text.parse::<Origin>().unwrap().to_string(), "https://example.com", "{text}");
        }
        for text in ["http://[::1]:8080", "http://[0:0:0:0:0:0:0:1]:8080/", "http://[0::0001]:8080"] {
            assert_eq!(text.parse::<Origin>().unwrap().to_string(), "http://[::1]:8080", "{text}");
        }
        assert_eq!("http://[2A00::B]".parse::<Origin>().unwrap().to_string(), "http://[2a00::b]");
    }

    #[test]
    fn what_hides_its_place_is_no_origin() {
        for bad in [
            "example.com",
            "ftp://example.com",
            "https://",
            "https://user@example.com",
            "https://example.com:0",
            "https://example.com:port",
            "https://example.com:",
            "https://exa mple.com",
            "https://example.com\r\nx",
            "https://ex\0ample.com",
            "https://[::1",
            "https://[::1%25eth0]",
            "https://a..b",
            "https://münchen.de",
            "https://example.com/path",
        ] {
            assert!(bad.parse::<Origin>().is_err(), "{bad:?}");
        }
    }
}
