//! A grant as text: TOML that an operator reads, one item a line, so that two grants differ line by line.
//!
//! Invariant: what [`to_text`] writes, [`from_text`] reads back as the same grant; a key it does not know is an error,
//! since a limit that is misspelt is a limit that is missing.

use std::fmt::Write as _;
use std::str::FromStr;
use std::time::{Duration, UNIX_EPOCH};

use openclaw_domain::{Grant, GrantLimits, Powers, TenantId, Timestamp};
use serde::Deserialize;

/// Why a text is no grant: the key, the reason, and what would do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct GrantTextError(String);

/// The file of a grant, with a header that says what it is and what writes it.
pub fn to_text(grant: &Grant) -> String {
    let Grant { tenant, skill, component, imports, powers, limits, expires, granted_at } = grant;
    let option = match *tenant == TenantId::default() {
        true => String::new(),
        false => format!(" --tenant {tenant}"),
    };
    let mut text = format!(
        "# What the skill `{skill}` of the tenant `{tenant}` may do. Whatever is not here is denied.\n\
         # Written by `openclaw skills grant {skill}{option}` and `openclaw skills revoke {skill}{option}`.\n\
         # It is in force for these bytes of the component only. A running gateway reads it anew when one of those\n\
         # commands, or a reload, tells it to.\n\n"
    );
    let mut line = |key: &str, value: &str| {
        let _ = writeln!(text, "{key} = {}", quoted(value)); // writing to a `String` cannot fail
    };
    line("tenant", tenant.as_str());
    line("skill", skill.as_str());
    line("component", &component.to_string());
    line("granted_at", &granted_at.to_string());
    if let Some(expires) = expires {
        line("expires", &expires.to_string());
    }
    let Powers { http, private, kv, secrets, config, events } = powers;
    list(&mut text, "imports", imports.iter().cloned());
    list(&mut text, "http", http.iter().map(ToString::to_string));
    list(&mut text, "private", private.iter().map(ToString::to_string));
    list(&mut text, "kv", kv.iter().cloned());
    list(&mut text, "secrets", secrets.iter().map(ToString::to_string));
    list(&mut text, "config", config.iter().cloned());
    list(&mut text, "events", events.iter().cloned());
    write_limits(&mut text, limits);
    text
}

/// Writes a list, one item a line; nothing if it is empty.
fn list(text: &mut String, key: &str, items: impl Iterator<Item = String>) {
    let mut items = items.peekable();
    if items.peek().is_none() {
        return;
    }
    let _ = writeln!(text, "\n{key} = [");
    for item in items {
        let _ = writeln!(text, "    {},", quoted(&item));
    }
    text.push_str("]\n");
}

fn write_limits(text: &mut String, limits: &GrantLimits) {
    let GrantLimits { memory, deadline, host_calls, egress_bytes, kv_bytes, calls_per_minute, concurrent_calls } =
        *limits;
    let lines = [
        ("memory", memory.map(|bytes| bytes as u64)),
        ("deadline_ms", deadline.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))),
        ("host_calls", host_calls),
        ("egress_bytes", egress_bytes),
        ("kv_bytes", kv_bytes),
        ("calls_per_minute", calls_per_minute.map(u64::from)),
        ("concurrent_calls", concurrent_calls.map(u64::from)),
    ];
    if lines.iter().all(|(_, value)| value.is_none()) {
        return;
    }
    text.push_str("\n[limits]\n");
    for (key, value) in lines {
        if let Some(value) = value {
            // TOML's integers end at 2^63 − 1; a limit beyond that bounds nothing either way.
            let _ = writeln!(text, "{key} = {}", value.min(i64::MAX.cast_unsigned()));
        }
    }
}

/// A TOML basic string on one line, whatever is in it.
fn quoted(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    text.push('"');
    for character in value.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            // Control characters, and what turns text around or hides in it: an operator must see what is granted.
            character if character.is_control() || is_invisible(character) => {
                let _ = write!(text, "\\U{:08X}", u32::from(character));
            }
            character => text.push(character),
        }
    }
    text.push('"');
    text
}

/// Marks that change how the text around them is shown, or show nothing.
const fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

/// The file as TOML has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    tenant: String,
    skill: String,
    component: String,
    granted_at: String,
    expires: Option<String>,
    #[serde(default)]
    imports: Vec<String>,
    #[serde(default)]
    http: Vec<String>,
    #[serde(default)]
    private: Vec<String>,
    #[serde(default)]
    kv: Vec<String>,
    #[serde(default)]
    secrets: Vec<String>,
    #[serde(default)]
    config: Vec<String>,
    #[serde(default)]
    events: Vec<String>,
    #[serde(default)]
    limits: Limits,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    memory: Option<usize>,
    deadline_ms: Option<u64>,
    host_calls: Option<u64>,
    egress_bytes: Option<u64>,
    kv_bytes: Option<u64>,
    calls_per_minute: Option<u32>,
    concurrent_calls: Option<u32>,
}

/// Reads the file of a grant.
///
/// # Errors
/// If it is no TOML, has a key no grant has or lacks one it needs, or a value is not of its kind.
pub fn from_text(text: &str) -> Result<Grant, GrantTextError> {
    let file: File = toml::from_str(text).map_err(|error| GrantTextError(error.to_string().trim_end().to_owned()))?;
    let limits = GrantLimits {
        memory: file.limits.memory,
        deadline: file.limits.deadline_ms.map(Duration::from_millis),
        host_calls: file.limits.host_calls,
        egress_bytes: file.limits.egress_bytes,
        kv_bytes: file.limits.kv_bytes,
        calls_per_minute: file.limits.calls_per_minute,
        concurrent_calls: file.limits.concurrent_calls,
    };
    Ok(Grant {
        tenant: parsed("tenant", &file.tenant)?,
        skill: parsed("skill", &file.skill)?,
        component: parsed("component", &file.component)?,
        imports: file.imports,
        powers: Powers {
            http: all("http", &file.http)?,
            private: all("private", &file.private)?,
            kv: file.kv.into_iter().collect(),
            secrets: all("secrets", &file.secrets)?,
            config: file.config.into_iter().collect(),
            events: file.events.into_iter().collect(),
        },
        limits,
        expires: file.expires.map(|text| moment("expires", &text)).transpose()?,
        granted_at: moment("granted_at", &file.granted_at)?,
    })
}

fn parsed<T: FromStr<Err: std::error::Error>>(key: &str, text: &str) -> Result<T, GrantTextError> {
    text.parse().map_err(|error| GrantTextError(format!("`{key}`: {error}")))
}

fn all<T: FromStr<Err: std::error::Error>, C: FromIterator<T>>(
    key: &str,
    texts: &[String],
) -> Result<C, GrantTextError> {
    texts.iter().map(|text| parsed(key, text)).collect()
}

fn moment(key: &str, text: &str) -> Result<Timestamp, GrantTextError> {
    humantime::parse_rfc3339(text)
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .map(Timestamp::from_millis)
        .ok_or_else(|| GrantTextError(format!("`{key}`: `{text}` is no moment: write it as `2026-06-08T12:00:00Z`")))
}
