//! Identifiers as types, so that one cannot stand where another belongs.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use uuid::Uuid;

/// Why a text is no identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not {what}: use {rule}")]
pub struct IdError {
    /// The text that was given, cut to 80 characters.
    pub given: String,
    /// What it should have been.
    pub what: &'static str,
    /// The rule it breaks.
    pub rule: &'static str,
}

const NAME_RULE: &str = "1 to 64 of `a-z`, `0-9` and `-`, not beginning or ending with `-`";

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Arc<str>);

        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                if is_name(text) {
                    return Ok(Self(text.into()));
                }
                Err(IdError { given: text.chars().take(80).collect(), what: $what, rule: NAME_RULE })
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// Name of a tenant: the owner of data, limits and grants. 1 to 64 of `a-z`, `0-9`, `-`.
    TenantId, "a tenant name"
}
name! {
    /// Name of an installed skill: 1 to 64 of `a-z`, `0-9`, `-`.
    ///
    /// It is also a folder name and part of an MCP tool name, so nothing wider is safe.
    SkillName, "a skill name"
}
name! {
    /// Name of a tenant's secret: 1 to 64 of `a-z`, `0-9`, `-`.
    SecretName, "a secret's name"
}
name! {
    /// Name of an endpoint that events are posted to, unique within its tenant: 1 to 64 of `a-z`, `0-9`, `-`.
    EndpointName, "an endpoint's name"
}
name! {
    /// Name of a tool within its skill: 1 to 64 of `a-z`, `0-9`, `-`.
    ToolName, "a tool name"
}

impl Default for TenantId {
    /// The tenant of `gateway.auth.token`: `default`.
    fn default() -> Self {
        Self("default".into())
    }
}

/// SHA-256 of a component file: what a component is known by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// 64 lower-case hex digits.
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }
}

impl FromStr for Digest {
    type Err = IdError;

    /// Reads 64 hex digits, with or without `sha256:` in front.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| IdError {
            given: text.chars().take(80).collect(),
            what: "a digest",
            rule: "`sha256:` and 64 hex digits",
        })?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One run of a guest; unique and ordered by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InvocationId(Uuid);

impl InvocationId {
    /// A new one.
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl Default for InvocationId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for InvocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "inv_{}", self.0.simple())
    }
}

/// One accepted webhook request; unique and ordered by time. Its text is `wh_` and 32 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WebhookId(Uuid);

impl WebhookId {
    /// A new one.
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl Default for WebhookId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for WebhookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wh_{}", self.0.simple())
    }
}

impl FromStr for WebhookId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.strip_prefix("wh_").and_then(|digits| Uuid::try_parse(digits).ok()).map(Self).ok_or_else(|| IdError {
            given: text.chars().take(80).collect(),
            what: "a webhook id",
            rule: "`wh_` and 32 hex digits",
        })
    }
}

/// A W3C trace id: one for everything that follows from one request.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

impl TraceId {
    /// A new random one.
    pub fn new() -> Self {
        Self(*Uuid::now_v7().as_bytes())
    }

    /// Reads the trace id out of a `traceparent` header (W3C Trace Context, version 00 and later).
    ///
    /// A malformed header or an all-zero id is no trace id.
    pub fn from_traceparent(header: &str) -> Option<Self> {
        let mut parts = header.trim().split('-');
        let version = parts.next()?;
        let (trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?);
        let well_formed = version.len() == 2
            && version != "ff"
            && parent.len() == 16
            && flags.len() == 2
            && [version, trace, parent, flags].iter().all(|part| is_lower_hex(part))
            && parent.bytes().any(|byte| byte != b'0')
            && (version != "00" || parts.next().is_none());
        if !well_formed {
            return None;
        }
        trace.parse().ok()
    }

    /// The `traceparent` header that passes this trace on.
    pub fn to_traceparent(&self) -> String {
        let span = &Uuid::now_v7().simple().to_string()[16..];
        format!("00-{self}-{span}-01")
    }
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

impl Default for TraceId {
    fn default() -> Self {
        Self::new()
    }
}

impl FromStr for TraceId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let mut bytes = [0; 16];
        let read = hex::decode_to_slice(text, &mut bytes);
        if read.is_err() || !is_lower_hex(text) || bytes == [0; 16] {
            return Err(IdError {
                given: text.chars().take(80).collect(),
                what: "a trace id",
                rule: "32 lower-case hex digits, not all zero",
            });
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Printed several times a call: as a UUID it needs no allocation, and its simple form is the same 32 digits.
        let mut digits = [0; uuid::fmt::Simple::LENGTH];
        f.write_str(Uuid::from_bytes(self.0).simple().encode_lower(&mut digits))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_lower_case_letters_digits_and_inner_hyphens() {
        for good in ["a", "release-notes", "x2", &"a".repeat(64)] {
            assert!(good.parse::<SkillName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a_b", "a/b", "a.b", "ä", "..", &"a".repeat(65)] {
            assert!(bad.parse::<SkillName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_traceparent_gives_its_trace_id_and_a_malformed_one_none() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        let good = format!("00-{id}-00f067aa0ba902b7-01");
        assert_eq!(TraceId::from_traceparent(&good).map(|trace| trace.to_string()), Some(id.to_owned()));
        assert_eq!(
            TraceId::from_traceparent(&id.parse::<TraceId>().unwrap().to_traceparent()).unwrap().to_string(),
            id
        );
        for bad in [
            "",
            "00",
            &format!("ff-{id}-00f067aa0ba902b7-01"),
            &format!("00-{id}-0000000000000000-01"),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            &format!("00-{}-00f067aa0ba902b7-01", id.to_uppercase()),
            &format!("00-{id}-00f067aa0ba902b7-01-extra"),
        ] {
            assert!(TraceId::from_traceparent(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_digest_reads_what_it_prints() {
        let digest = Digest::from_bytes([7; 32]);
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        assert_eq!(digest.to_hex().parse::<Digest>().unwrap(), digest);
        assert!("sha256:12".parse::<Digest>().is_err());
    }
}
