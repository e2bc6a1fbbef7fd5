//! A grant as people type and read it: lines such as `http GET https://api.github.com/**`, the option of
//! `openclaw skills grant` and its value.
//!
//! Invariant: what is shown reads back as the same grant, so `grants show > file` and `grant --from file` are inverse;
//! a line that is wrong is named with the reason and with what would do.

use std::str::FromStr;
use std::time::Duration;

use openclaw_domain::{Grant, GrantLimits, Origin, Powers, SecretUse, TenantLimits, Timestamp};
use serde::{Deserialize, Serialize};

use crate::config::nearest;
use crate::exit::Failed;

/// Every option a line may begin with.
const OPTIONS: [&str; 8] = ["http", "private", "kv", "secret", "config", "event", "limit", "expires"];
/// Every name of a limit, as in `limit memory=32MiB`.
const LIMITS: [&str; 7] =
    ["memory", "deadline", "host-calls", "egress-bytes", "kv-bytes", "calls-per-minute", "concurrent-calls"];
/// Names of buckets, settings and events are at most this long.
const LONGEST_NAME: usize = 128;

/// One line, unread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GrantLine {
    /// `http`, `private`, `kv`, `secret`, `config`, `event`, `limit` or `expires`.
    pub(crate) option: String,
    /// Its value.
    pub(crate) value: String,
}

impl GrantLine {
    /// A line.
    pub(crate) fn new(option: impl Into<String>, value: impl Into<String>) -> Self {
        Self { option: option.into(), value: value.into() }
    }

    /// Reads a text of lines; empty ones and those that begin with `#` do not count.
    pub(crate) fn all_of(text: &str) -> Result<Vec<Self>, Failed> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines
            .map(|line| match line.split_once(char::is_whitespace) {
                Some((option, value)) => Ok(Self::new(option, value.trim())),
                None => Err(Failed::refused(format!("`{line}` is no line of a grant"))
                    .hint("write an option and its value: `http GET https://api.example.com/**`")),
            })
            .collect()
    }
}

impl std::fmt::Display for GrantLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.option, self.value)
    }
}

/// When a grant shall end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// Nothing was said.
    #[default]
    AsBefore,
    /// Never.
    Never,
    /// Then.
    At(Timestamp),
}

/// What lines say together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Powers.
    pub(crate) powers: Powers,
    /// Bounds.
    pub(crate) limits: GrantLimits,
    /// The end.
    pub(crate) expiry: Expiry,
}

impl Wanted {
    /// Reads lines.
    ///
    /// # Errors
    /// The first line that is wrong, with the reason and the fix.
    pub(crate) fn read(lines: &[GrantLine], now: Timestamp) -> Result<Self, Failed> {
        let mut wanted = Self::default();
        for GrantLine { option, value } in lines {
            wanted.add(option, value.trim(), now)?;
        }
        Ok(wanted)
    }

    fn add(&mut self, option: &str, value: &str, now: Timestamp) -> Result<(), Failed> {
        match option {
            "http" => drop(self.powers.http.insert(read("--http", value)?)),
            "private" => drop(self.powers.private.insert(read::<Origin>("--private", value).map_err(|failed| {
                failed.hint("write the origin alone: `http://127.0.0.1:8080`; paths belong into `--http`")
            })?)),
            "kv" => drop(self.powers.kv.insert(name("--kv", value)?)),
            "secret" => drop(self.powers.secrets.insert(read::<SecretUse>("--secret", value)?)),
            "config" => drop(self.powers.config.insert(name("--config", value)?)),
            "event" => drop(self.powers.events.insert(name("--event", value)?)),
            "limit" => {
                let (key, text) = value.split_once('=').ok_or_else(|| {
                    Failed::refused(format!("`--limit {value}` has no value")).hint("write `--limit memory=32MiB`")
                })?;
                set_limit(&mut self.limits, key.trim(), text.trim())?;
            }
            "expires" => self.expiry = expiry(value, now)?,
            other => {
                return Err(
                    Failed::refused(format!("`{other}` is no option of a grant")).hint(suggestion(other, &OPTIONS))
                );
            }
        }
        Ok(())
    }

    /// Whether nothing was said.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The name of each limit that a line of `revoke` takes away: `limit memory`, with or without a value.
pub(crate) fn clear_limits(lines: &[GrantLine], limits: &mut GrantLimits) -> Result<bool, Failed> {
    let before = *limits;
    for line in lines.iter().filter(|line| line.option == "limit") {
        let key = line.value.split('=').next().unwrap_or_default().trim();
        match key {
            "memory" => limits.memory = None,
            "deadline" => limits.deadline = None,
            "host-calls" => limits.host_calls = None,
            "egress-bytes" => limits.egress_bytes = None,
            "kv-bytes" => limits.kv_bytes = None,
            "calls-per-minute" => limits.calls_per_minute = None,
            "concurrent-calls" => limits.concurrent_calls = None,
            other => return Err(no_such_limit(other)),
        }
    }
    Ok(before != *limits)
}

/// A grant, line by line, as it can be read again.
pub(crate) fn lines_of(grant: &Grant) -> Vec<GrantLine> {
    let mut lines: Vec<_> =
        grant.powers.lines().into_iter().map(|(option, value)| GrantLine::new(option, value)).collect();
    lines.extend(limit_lines(&grant.limits));
    lines.extend(grant.expires.map(|end| GrantLine::new("expires", end.to_string())));
    lines
}

fn limit_lines(limits: &GrantLimits) -> Vec<GrantLine> {
    let GrantLimits { memory, deadline, host_calls, egress_bytes, kv_bytes, calls_per_minute, concurrent_calls } =
        *limits;
    [
        ("memory", memory.map(|bytes| size(bytes as u64))),
        ("deadline", deadline.map(|time| humantime::format_duration(time).to_string().replace(' ', ""))),
        ("host-calls", host_calls.map(|number| number.to_string())),
        ("egress-bytes", egress_bytes.map(size)),
        ("kv-bytes", kv_bytes.map(size)),
        ("calls-per-minute", calls_per_minute.map(|number| number.to_string())),
        ("concurrent-calls", concurrent_calls.map(|number| number.to_string())),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some(GrantLine::new("limit", format!("{name}={}", value?))))
    .collect()
}

/// Adds the bounds of `more` to those of `limits`.
pub(crate) fn extend_limits(limits: &mut GrantLimits, more: &GrantLimits) {
    limits.memory = more.memory.or(limits.memory);
    limits.deadline = more.deadline.or(limits.deadline);
    limits.host_calls = more.host_calls.or(limits.host_calls);
    limits.egress_bytes = more.egress_bytes.or(limits.egress_bytes);
    limits.kv_bytes = more.kv_bytes.or(limits.kv_bytes);
    limits.calls_per_minute = more.calls_per_minute.or(limits.calls_per_minute);
    limits.concurrent_calls = more.concurrent_calls.or(limits.concurrent_calls);
}

/// Refuses a bound that is wider than the tenant's: it would be accepted and have no effect.
pub(crate) fn refuse_wider(limits: &GrantLimits, of_tenant: &TenantLimits) -> Result<(), Failed> {
    let call = &of_tenant.call;
    let pairs = [
        ("memory", "memoryBytes", limits.memory.map(|n| n as u64), call.memory as u64),
        ("deadline", "deadlineMs", limits.deadline.map(millis), millis(call.deadline)),
        ("host-calls", "hostCalls", limits.host_calls, call.host_calls),
        ("egress-bytes", "egressBytes", limits.egress_bytes, of_tenant.egress_bytes),
        ("kv-bytes", "kvBytes", limits.kv_bytes, of_tenant.kv_bytes),
        (
            "calls-per-minute",
            "callsPerMinute",
            limits.calls_per_minute.map(u64::from),
            of_tenant.calls_per_minute.into(),
        ),
        (
            "concurrent-calls",
            "concurrentCalls",
            limits.concurrent_calls.map(u64::from),
            of_tenant.concurrent_calls.into(),
        ),
    ];
    for (name, key, wanted, bound) in pairs {
        if let Some(wanted) = wanted.filter(|wanted| *wanted > bound) {
            return Err(Failed::refused(format!(
                "`--limit {name}` of {wanted} is wider than the tenant's own, {bound}: a grant can only narrow it"
            ))
            .hint(format!("raise `limits.{key}` in the configuration first")));
        }
    }
    Ok(())
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn set_limit(limits: &mut GrantLimits, key: &str, text: &str) -> Result<(), Failed> {
    let wrong = |reason: String, fix: &str| Failed::refused(format!("`--limit {key}={text}` {reason}")).hint(fix);
    let bytes = || parse_size(text).ok_or_else(|| wrong("is no number of bytes".into(), "write `32MiB` or `33554432`"));
    let small = || match text.parse::<u32>() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(wrong("is no whole number from 1".into(), "write a number alone: `60`")),
    };
    match key {
        "memory" => match bytes()? {
            number if number < 64 << 10 => return Err(wrong("is less than one page, 64 KiB".into(), "write `32MiB`")),
            number => limits.memory = Some(usize::try_from(number).unwrap_or(usize::MAX)),
        },
        "deadline" => {
            let time = humantime::parse_duration(text).ok().filter(|time| time.as_millis() > 0);
            limits.deadline = Some(time.ok_or_else(|| wrong("is no duration".into(), "write `500ms`, `5s` or `1m`"))?);
        }
        "host-calls" => limits.host_calls = Some(small()?.into()),
        "egress-bytes" => limits.egress_bytes = Some(bytes()?),
        "kv-bytes" => limits.kv_bytes = Some(bytes()?),
        "calls-per-minute" => limits.calls_per_minute = Some(small()?),
        "concurrent-calls" => limits.concurrent_calls = Some(small()?),
        other => return Err(no_such_limit(other)),
    }
    Ok(())
}

fn no_such_limit(name: &str) -> Failed {
    Failed::refused(format!("`{name}` is no limit of a grant")).hint(suggestion(name, &LIMITS))
}

fn suggestion(given: &str, known: &[&str]) -> String {
    match nearest(given, known) {
        Some(word) => format!("did you mean `{word}`?"),
        None => format!("use one of: {}", known.join(", ")),
    }
}

fn read<T: FromStr<Err: std::fmt::Display>>(option: &str, value: &str) -> Result<T, Failed> {
    value.parse().map_err(|error| Failed::refused(format!("`{option}`: {error}")))
}

/// A name that a guest uses: a bucket, a setting, an event.
fn name(option: &str, value: &str) -> Result<String, Failed> {
    let is_good = (1..=LONGEST_NAME).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_graphic());
    match is_good {
        true => Ok(value.to_owned()),
        false => Err(Failed::refused(format!("`{option} {value}` is no name"))
            .hint(format!("use 1 to {LONGEST_NAME} letters, digits and signs, without spaces"))),
    }
}

fn expiry(text: &str, now: Timestamp) -> Result<Expiry, Failed> {
    if text == "never" {
        return Ok(Expiry::Never);
    }
    let moment = match humantime::parse_duration(text) {
        Ok(after) => Some(now.plus(after)),
        Err(_) => moment(text),
    };
    match moment {
        Some(end) if end > now => Ok(Expiry::At(end)),
        Some(end) => Err(Failed::refused(format!("`--expires {text}` is {end}, which has passed: it is {now}"))
            .hint("`openclaw skills revoke NAME` ends a grant at once")),
        None => Err(Failed::refused(format!("`--expires {text}` is no time")).hint(
            "write `30d`, `12h`, a day such as `2030-12-31`, a moment such as `2030-12-31T18:00:00Z`, or `never`",
        )),
    }
}

/// A day, its first moment in UTC, or a moment of RFC 3339.
fn moment(text: &str) -> Option<Timestamp> {
    let whole = if text.len() == "2030-12-31".len() { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let time = humantime::parse_rfc3339_weak(&whole).ok()?;
    let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Timestamp::from_millis(i64::try_from(since.as_millis()).ok()?))
}

/// Bytes in the largest unit that leaves a whole number.
pub(crate) fn size(bytes: u64) -> String {
    for (unit, name) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if bytes >= unit && bytes.is_multiple_of(unit) {
            return format!("{}{name}", bytes / unit);
        }
    }
    bytes.to_string()
}

fn parse_size(text: &str) -> Option<u64> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match unit.trim() {
        "" | "B" => 1,
        "KiB" | "K" | "k" => 1 << 10,
        "MiB" | "M" => 1 << 20,
        "GiB" | "G" => 1 << 30,
        "KB" | "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_780_920_000_000);

    fn wanted(text: &str) -> Result<Wanted, String> {
        let told = |failed: Failed| format!("{} | {}", failed.message, failed.hint.unwrap_or_default());
        Wanted::read(&GrantLine::all_of(text).map_err(told)?, NOW).map_err(told)
    }

    #[test]
    fn what_is_shown_reads_back_as_the_same_grant() {
        let text = "# what it may do\nhttp GET https://api.github.com/repos/**\nprivate http://127.0.0.1:8080\n\
                    kv notes\nsecret token for https://api.github.com\nsecret key for hmac\nconfig *\nevent changed\n\
                    limit memory=32MiB\nlimit deadline=1m30s\nlimit host-calls=10\nlimit egress-bytes=1000\n\
                    limit kv-bytes=1KiB\nlimit calls-per-minute=60\nlimit concurrent-calls=2\nexpires 2026-07-08\n";
        let read = wanted(text).unwrap();
        let Expiry::At(end) = read.expiry else { panic!("it ends") };
        let grant = Grant {
            tenant: openclaw_domain::TenantId::default(),
            skill: "s".parse().unwrap(),
            component: openclaw_domain::Digest::from_bytes([0; 32]),
            imports: Vec::new(),
            powers: read.powers.clone(),
            limits: read.limits,
            expires: Some(end),
            granted_at: NOW,
        };
        let shown: Vec<String> = lines_of(&grant).iter().map(ToString::to_string).collect();
        assert_eq!(shown.len(), 15);
        assert_eq!(wanted(&shown.join("\n")).unwrap(), read);
        assert!(shown.contains(&"expires 2026-07-08T00:00:00.000Z".to_owned()), "{shown:?}");
    }

    #[test]
    fn an_expiry_is_a_while_a_day_a_moment_or_never() {
        let end = |text: &str| wanted(&format!("expires {text}")).map(|wanted| wanted.expiry);
        assert_eq!(end("1h"), Ok(Expiry::At(NOW.plus(Duration::from_secs(3600)))));
        assert_eq!(end("2026-06-09"), Ok(Expiry::At(Timestamp::from_millis(1_780_963_200_000))));
        assert_eq!(end("2026-06-08T12:00:01Z"), Ok(Expiry::At(NOW.plus(Duration::from_secs(1)))));
        assert_eq!(end("never"), Ok(Expiry::Never));
        assert!(end("2026-06-08").unwrap_err().contains("has passed: it is 2026-06-08T12:00:00.000Z"));
        assert!(end("soon").unwrap_err().starts_with("`--expires soon` is no time | write `30d`"));
    }

    #[test]
    fn a_wrong_line_is_named_with_the_reason_and_the_fix() {
        for (line, told) in [
            ("http https://example.com/**", "a method and a URL belong in it"),
            ("http GET https://example.com", "end it with `/**`"),
            ("private http://10.0.0.1/x", "write the origin alone"),
            ("kv a b", "`--kv a b` is no name"),
            ("secret github-token", "NAME for https://host"),
            ("limit memory", "write `--limit memory=32MiB`"),
            ("limit memory=lots", "is no number of bytes"),
            ("limit memory=1KiB", "less than one page"),
            ("limit deadline=0s", "is no duration"),
            ("limit calls-per-minute=0", "is no whole number from 1"),
            ("limit memroy=1MiB", "did you mean `memory`?"),
            ("limit banana=1", "use one of: memory, deadline"),
            ("htpp GET https://example.com/", "did you mean `http`?"),
            ("http", "write an option and its value"),
        ] {
            let found = wanted(line).unwrap_err();
            assert!(found.contains(told), "{line}: {found}");
        }
    }

    #[test]
    fn a_grant_does_not_widen_a_tenants_bounds() {
        let of_tenant = TenantLimits::default();
        let refused = |line: &str| refuse_wider(&wanted(line).unwrap().limits, &of_tenant);
        assert!(refused("limit memory=64MiB").is_ok());
        let failed = refused("limit memory=65MiB").unwrap_err();
        assert!(failed.message.contains("a grant can only narrow it"), "{failed}");
        assert_eq!(failed.hint.as_deref(), Some("raise `limits.memoryBytes` in the configuration first"));
        assert!(refused("limit deadline=31s").is_err() && refused("limit concurrent-calls=49").is_err());
    }

    #[test]
    fn a_limit_is_taken_away_by_its_name() {
        let mut limits = wanted("limit memory=1MiB\nlimit kv-bytes=5").unwrap().limits;
        assert!(clear_limits(&[GrantLine::new("limit", "memory")], &mut limits).unwrap());
        assert!(!clear_limits(&[GrantLine::new("limit", "memory=1MiB")], &mut limits).unwrap());
        assert_eq!((limits.memory, limits.kv_bytes), (None, Some(5)));
        assert!(clear_limits(&[GrantLine::new("limit", "x")], &mut limits).is_err());
    }
}
