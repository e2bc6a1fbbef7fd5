//! Which requests a skill may send: one line an operator reads, `GET https://api.github.com/repos/**`.
//!
//! Invariant: a rule allows exactly what it says. Nothing in it is a prefix, a substring or a pattern that is wider
//! than it looks: `*.` stands for one label, `*` in a path for one segment, `**` for any number of them.

use std::fmt;
use std::str::FromStr;

use crate::{Origin, Scheme};

/// Methods, origin and path a request may have. The query is free; a fragment is never sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HttpRule {
    /// Upper-case methods; empty means any.
    methods: Vec<String>,
    scheme: Scheme,
    host: HostPattern,
    port: u16,
    /// The path's segments after the first `/`.
    path: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum HostPattern {
    Exact(String),
    /// `*.` and this: exactly one more label.
    OneLabelOf(String),
}

/// Why a text is no rule. It names the part, the reason and what would do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no HTTP rule: {reason}; write for example `GET https://api.example.com/v1/**`")]
pub struct HttpRuleError {
    /// The text, cut to 200 characters.
    pub given: String,
    /// Why.
    pub reason: String,
}

impl HttpRule {
    /// The rule that allows exactly one method and path at an origin.
    pub fn exactly(method: &str, origin: &Origin, path: &str) -> Self {
        let path = path.strip_prefix('/').unwrap_or(path);
        Self {
            methods: vec![method.to_ascii_uppercase()],
            scheme: origin.scheme,
            host: HostPattern::Exact(origin.host.clone()),
            port: origin.port,
            path: literal_stars(path).split('/').map(str::to_owned).collect(),
        }
    }

    /// Whether it allows this request. `path` is as it will be sent, without query, beginning with `/`.
    ///
    /// A path with a `.` or `..` segment, plain, percent-encoded or with `;` parameters, with a `\`, or with an encoded
    /// `/` or `\` is allowed by no rule: what the other side makes of it is anybody's guess.
    pub fn allows(&self, method: &str, origin: &Origin, path: &str) -> bool {
        self.allows_origin(origin)
            && (self.methods.is_empty() || self.methods.iter().any(|known| known == method))
            && path.strip_prefix('/').is_some_and(|path| {
                let path = literal_stars(path);
                let segments: Vec<&str> = path.split('/').collect();
                segments.iter().all(|segment| is_plain(segment)) && matches(&self.path, &segments)
            })
    }

    /// Whether any request to this origin is allowed.
    pub fn allows_origin(&self, origin: &Origin) -> bool {
        let host = match &self.host {
            HostPattern::Exact(host) => *host == origin.host,
            HostPattern::OneLabelOf(parent) => {
                origin.host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == parent)
            }
        };
        host && self.scheme == origin.scheme && self.port == origin.port
    }
}

/// A request's path with its stars encoded, so that in a rule `%2A` is a star and `*` is any text.
fn literal_stars(path: &str) -> String {
    path.replace("%2a", "%2A").replace('*', "%2A")
}

fn is_plain(segment: &str) -> bool {
    let lower = segment.to_ascii_lowercase();
    // Some servers cut a segment's parameters off before they look at its dots: `..;x` is `..` to them.
    let dots = lower.replace("%2e", ".").replace("%3b", ";");
    let dots = dots.split(';').next().unwrap_or_default();
    dots != "."
        && dots != ".."
        && !lower.contains('\\')
        && !lower.contains("%2f")
        && !lower.contains("%5c")
        && !lower.contains("%00")
        && segment.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Matches segments against a pattern; a `*` inside a segment stands for any run of characters in it.
fn matches(pattern: &[String], segments: &[&str]) -> bool {
    // One row of the usual table: `reached[n]` says that the pattern so far matches the first `n` segments.
    let mut reached = vec![false; segments.len() + 1];
    reached[0] = true;
    for part in pattern {
        let mut next = vec![false; segments.len() + 1];
        if part == "**" {
            let mut any = false;
            for (at, was) in reached.iter().enumerate() {
                any |= was;
                next[at] = any;
            }
        } else {
            for (at, segment) in segments.iter().enumerate() {
                next[at + 1] = reached[at] && matches_segment(part.as_bytes(), segment.as_bytes());
            }
        }
        reached = next;
    }
    reached.last().copied().unwrap_or(false)
}

fn matches_segment(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut from, mut star) = (0, 0, None);
    while from < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(byte) if *byte == text[from] => {
                at += 1;
                from += 1;
            }
            _ => match star {
                Some((star_at, star_from)) => {
                    at = star_at + 1;
                    from = star_from + 1;
                    star = Some((star_at, from));
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

impl FromStr for HttpRule {
    type Err = HttpRuleError;

    fn from_str(text: &str) -> Result<Self, HttpRuleError> {
        let wrong = |reason: String| HttpRuleError { given: text.chars().take(200).collect(), reason };
        let (methods, url) = text
            .trim()
            .split_once(char::is_whitespace)
            .ok_or_else(|| wrong("a method and a URL belong in it, with a space between".into()))?;
        let url = url.trim_start();
        let mut listed = Vec::new();
        if methods != "*" {
            for method in methods.split(',') {
                if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-') {
                    return Err(wrong(format!("`{method}` is no method: use `GET`, `GET,POST` or `*`")));
                }
                listed.push(method.to_ascii_uppercase());
            }
            listed.sort();
            listed.dedup();
        }
        // `*.` is read apart, so that the rest goes through the one reader of origins.
        let (one_label, plain) = match url.split_once("://*.") {
            Some((scheme, rest)) => (true, format!("{scheme}://{rest}")),
            None => (false, url.to_owned()),
        };
        let (origin, path) = Origin::split(&plain).map_err(|error| wrong(error.reason.to_owned()))?;
        if one_label && (!origin.host.contains('.') || origin.host.starts_with('[')) {
            return Err(wrong("`*.` needs a domain of at least two labels behind it".into()));
        }
        if path.contains(['?', '#']) {
            return Err(wrong("it ends with the path: the query is always free".into()));
        }
        let path = path.strip_prefix('/').ok_or_else(|| wrong("it has no path: end it with `/**` for all".into()))?;
        let path: Vec<String> = path.replace("%2a", "%2A").split('/').map(str::to_owned).collect();
        for segment in &path {
            if !is_plain(segment) || (segment.contains("**") && segment != "**") {
                return Err(wrong(format!("`{segment}` is no path segment: use text, `*` or a `**` of its own")));
            }
        }
        let host = match one_label {
            true => HostPattern::OneLabelOf(origin.host),
            false => HostPattern::Exact(origin.host),
        };
        Ok(Self { methods: listed, scheme: origin.scheme, host, port: origin.port, path })
    }
}

impl fmt::Display for HttpRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.methods.is_empty() {
            true => f.write_str("*")?,
            false => f.write_str(&self.methods.join(","))?,
        }
        write!(f, " {}://", self.scheme)?;
        match &self.host {
            HostPattern::Exact(host) => f.write_str(host)?,
            HostPattern::OneLabelOf(parent) => write!(f, "*.{parent}")?,
        }
        if self.port != self.scheme.default_port() {
            write!(f, ":{}", self.port)?;
        }
        write!(f, "/{}", self.path.join("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(rule: &str, request: &str) -> bool {
        let (method, url) = request.split_once(' ').unwrap();
        let (origin, path) = Origin::split(url).unwrap();
        rule.parse::<HttpRule>().unwrap().allows(method, &origin, path.split('?').next().unwrap())
    }

    #[test]
    fn a_rule_allows_exactly_what_it_says() {
        let rule = "GET https://api.github.com/repos/**";
        assert!(allows(rule, "GET https://api.github.com/repos/a/b?page=2"));
        assert!(allows(rule, "GET https://API.github.com:443/repos/a"));
        for other in [
            "POST https://api.github.com/repos/a",
            "GET http://api.github.com/repos/a",
            "GET https://api.github.com:8443/repos/a",
            "GET https://api.github.com/user",
            "GET https://api.github.com/reposx/a",
            "GET https://x.api.github.com/repos/a",
            "GET https://api.github.com.evil.example/repos/a",
            "GET https://evilapi.github.com/repos/a",
            "GET https://api.github.com/repos/../user",
            "GET https://api.github.com/repos/%2e%2E/user",
            "GET https://api.github.com/repos/..;/user",
            "GET https://api.github.com/repos/%2e.%3Bx=1/user",
            "GET https://api.github.com/repos/a%2fb",
            "GET https://api.github.com/repos/a\\b",
        ] {
            assert!(!allows(rule, other), "{other}");
        }
    }

    #[test]
    fn a_star_is_one_label_or_one_segment_and_two_are_any_number() {
        assert!(allows("* https://*.example.com/**", "PUT https://a.example.com/"));
        assert!(!allows("* https://*.example.com/**", "PUT https://example.com/"));
        assert!(!allows("* https://*.example.com/**", "PUT https://a.b.example.com/"));
        assert!(allows("GET https://h.example/a/*/c", "GET https://h.example/a/b/c"));
        assert!(!allows("GET https://h.example/a/*/c", "GET https://h.example/a/b/b/c"));
        assert!(allows("GET https://h.example/a/**/c", "GET https://h.example/a/c"));
        assert!(allows("GET https://h.example/a/**/c", "GET https://h.example/a/x/y/c"));
        assert!(allows("GET https://h.example/v*-b", "GET https://h.example/v12-b"));
        assert!(!allows("GET https://h.example/v*-b", "GET https://h.example/v12-c"));
        assert!(!allows("GET https://h.example/a", "GET https://h.example/a/"));
    }

    #[test]
    fn a_rule_prints_what_it_reads_and_a_bad_one_says_why() {
        for text in ["GET,POST https://*.example.com:8443/a/*/**", "* http://127.0.0.1:9999/**"] {
            assert_eq!(text.parse::<HttpRule>().unwrap().to_string(), text);
        }
        for bad in [
            "https://example.com/**",
            "GET example.com/**",
            "GET https://example.com",
            "GET https://*/x",
            "GET https://*.com/x",
            "GET https://a*.example.com/x",
            "GET https://example.com/a**",
            "GET https://example.com/../x",
            "GET https://user@example.com/x",
            "GET https://example.com/x?y",
            "G ET https://example.com/x",
            "",
        ] {
            assert!(bad.parse::<HttpRule>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_exact_rule_allows_its_own_request_and_no_other() {
        let origin: Origin = "http://127.0.0.1:8080".parse().unwrap();
        let rule = HttpRule::exactly("GET", &origin, "/health/api");
        assert_eq!(rule.to_string(), "GET http://127.0.0.1:8080/health/api");
        assert!(rule.allows("GET", &origin, "/health/api"));
        assert!(!rule.allows("GET", &origin, "/health/web"));
        let rule = HttpRule::exactly("GET", &origin, "/a*/**");
        assert_eq!(rule.to_string(), "GET http://127.0.0.1:8080/a%2A/%2A%2A");
        assert!(rule.allows("GET", &origin, "/a*/**") && rule.allows("GET", &origin, "/a%2a/%2A*"));
        assert!(!rule.allows("GET", &origin, "/ab/c"));
        assert_eq!(rule.to_string().parse::<HttpRule>().unwrap(), rule);
    }
}
