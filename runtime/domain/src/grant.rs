//! What an operator allowed a skill: the powers, their bounds, and what they are bound to.
//!
//! Invariant: a grant holds for one tenant, one skill, one component digest and one import set, until it expires.
//! Whatever is not in it is denied.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::{Digest, HttpRule, IdError, Origin, SecretName, SkillName, TenantId, Timestamp};

/// A power a guest can be given. Its name is the same in WIT, in grants, in the SDK and in the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// Requests over HTTP: `wasi:http`.
    Http,
    /// A store of keys and values: `wasi:keyvalue`.
    Kv,
    /// Use of secrets it never sees: `openclaw:gateway/secrets`, and placeholders in requests.
    Secrets,
    /// Its own settings: `wasi:config`.
    Config,
    /// Events of its own: `openclaw:gateway/events`.
    Events,
}

impl Capability {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Http, Self::Kv, Self::Secrets, Self::Config, Self::Events];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Kv => "kv",
            Self::Secrets => "secrets",
            Self::Config => "config",
            Self::Events => "events",
        }
    }

    /// The one with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|capability| capability.as_str() == name)
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What may be done with a secret, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretUse {
    /// Which secret of the tenant.
    pub name: SecretName,
    /// What for.
    pub purpose: SecretPurpose,
}

/// What a secret may be used for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretPurpose {
    /// It may stand in a header of a request to this origin that an HTTP rule allows, too.
    SendTo(Origin),
    /// It may be the key of `hmac-sha256`.
    Hmac,
}

impl FromStr for SecretUse {
    type Err = IdError;

    /// Reads `NAME for ORIGIN` or `NAME for hmac`.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let wrong = || IdError {
            given: text.chars().take(80).collect(),
            what: "a use of a secret",
            rule: "`NAME for https://host` or `NAME for hmac`",
        };
        let (name, purpose) = text.split_once(" for ").ok_or_else(wrong)?;
        let purpose = match purpose.trim() {
            "hmac" => SecretPurpose::Hmac,
            origin => SecretPurpose::SendTo(origin.parse().map_err(|_| wrong())?),
        };
        Ok(Self { name: name.trim().parse()?, purpose })
    }
}

impl fmt::Display for SecretUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.purpose {
            SecretPurpose::SendTo(origin) => write!(f, "{} for {origin}", self.name),
            SecretPurpose::Hmac => write!(f, "{} for hmac", self.name),
        }
    }
}

/// What a grant allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Powers {
    /// Requests it may send.
    pub http: BTreeSet<HttpRule>,
    /// The second key: origins of those rules that may be at a private, loopback or otherwise special address.
    pub private: BTreeSet<Origin>,
    /// Buckets it may open. They are its own: another skill's bucket of the same name is another bucket.
    pub kv: BTreeSet<String>,
    /// Secrets it may use.
    pub secrets: BTreeSet<SecretUse>,
    /// Settings of its own it may read; `*` for all.
    pub config: BTreeSet<String>,
    /// Events it may emit, by the name it gives them.
    pub events: BTreeSet<String>,
}

impl Powers {
    /// Whether anything of this capability is granted.
    pub fn has(&self, capability: Capability) -> bool {
        match capability {
            Capability::Http => !self.http.is_empty(),
            Capability::Kv => !self.kv.is_empty(),
            Capability::Secrets => !self.secrets.is_empty(),
            Capability::Config => !self.config.is_empty(),
            Capability::Events => !self.events.is_empty(),
        }
    }

    /// Nothing at all.
    pub fn is_empty(&self) -> bool {
        Capability::ALL.into_iter().all(|capability| !self.has(capability)) && self.private.is_empty()
    }

    /// Adds all of `more`.
    pub fn extend(&mut self, more: Self) {
        self.http.extend(more.http);
        self.private.extend(more.private);
        self.kv.extend(more.kv);
        self.secrets.extend(more.secrets);
        self.config.extend(more.config);
        self.events.extend(more.events);
    }

    /// Takes away all of `less`; returns whether anything was taken.
    pub fn remove(&mut self, less: &Self) -> bool {
        let before = self.len();
        self.http.retain(|rule| !less.http.contains(rule));
        self.private.retain(|origin| !less.private.contains(origin));
        self.kv.retain(|bucket| !less.kv.contains(bucket));
        self.secrets.retain(|secret| !less.secrets.contains(secret));
        self.config.retain(|key| !less.config.contains(key));
        self.events.retain(|name| !less.events.contains(name));
        self.len() != before
    }

    /// How many lines it is.
    pub fn len(&self) -> usize {
        self.http.len()
            + self.private.len()
            + self.kv.len()
            + self.secrets.len()
            + self.config.len()
            + self.events.len()
    }

    /// Each power as the option of `openclaw skills grant` that gives it, in order: (`http`, `GET https://…`).
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines = Vec::with_capacity(self.len());
        lines.extend(self.http.iter().map(|rule| ("http", rule.to_string())));
        lines.extend(self.private.iter().map(|origin| ("private", origin.to_string())));
        lines.extend(self.kv.iter().map(|bucket| ("kv", bucket.clone())));
        lines.extend(self.secrets.iter().map(|secret| ("secret", secret.to_string())));
        lines.extend(self.config.iter().map(|key| ("config", key.clone())));
        lines.extend(self.events.iter().map(|name| ("event", name.clone())));
        lines
    }
}

/// Bounds of one skill that are narrower than its tenant's. `None` leaves the tenant's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GrantLimits {
    /// Linear memory of one call, in bytes.
    pub memory: Option<usize>,
    /// Wall-clock time of one call.
    pub deadline: Option<Duration>,
    /// Host calls of one call.
    pub host_calls: Option<u64>,
    /// Bytes one call may send and receive over HTTP, headers and bodies.
    pub egress_bytes: Option<u64>,
    /// Bytes of keys and values it may keep.
    pub kv_bytes: Option<u64>,
    /// Calls begun within one minute.
    pub calls_per_minute: Option<u32>,
    /// Calls at one time.
    pub concurrent_calls: Option<u32>,
}

/// What an operator allowed a skill of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Whose skill.
    pub tenant: TenantId,
    /// Which skill.
    pub skill: SkillName,
    /// The bytes it is for.
    pub component: Digest,
    /// The import set those bytes had, sorted.
    pub imports: Vec<String>,
    /// What it allows.
    pub powers: Powers,
    /// Bounds of its own.
    pub limits: GrantLimits,
    /// When it ends; `None` if it does not.
    pub expires: Option<Timestamp>,
    /// When it was last changed.
    pub granted_at: Timestamp,
}

/// A power that was missing when a guest wanted it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// Of which capability.
    pub capability: Capability,
    /// What was wanted, for people: `GET https://api.github.com/user`.
    pub wanted: String,
    /// The least that would have allowed it; empty if no grant could.
    pub missing: Powers,
    /// Why, if it is not simply that nobody granted it: the grant expired, is for another component, was revoked.
    pub reason: Option<String>,
}

impl Denial {
    /// The command that gives what is missing; `None` if no grant could.
    pub fn command(&self, tenant: &TenantId, skill: &SkillName) -> Option<String> {
        if self.missing.is_empty() {
            return None;
        }
        Some(grant_command(tenant, skill, &self.missing))
    }
}

/// How a denial begins to say what was wanted when it came before the guest ran.
const IMPORTS: &str = "what it imports: ";

impl Denial {
    /// What [`Denial::wanted`] says of a call that no grant covers, so that its guest never ran.
    pub fn of_imports(needs: &BTreeSet<Capability>) -> String {
        let names: Vec<&str> = needs.iter().map(|capability| capability.as_str()).collect();
        format!("{IMPORTS}{}", names.join(", "))
    }

    /// Whether the call was denied before its guest ran.
    pub fn is_of_imports(&self) -> bool {
        self.wanted.starts_with(IMPORTS)
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({})", self.wanted, self.capability)?;
        match &self.reason {
            Some(reason) => write!(f, ": {reason}"),
            None => f.write_str(": no grant allows it"),
        }
    }
}

/// What a command line needs to be about this tenant: nothing for `default`, else ` --tenant acme` with the space
/// before it. Pasted without it, a command meant for one tenant changes another.
pub fn tenant_option(tenant: &TenantId) -> String {
    match *tenant == TenantId::default() {
        true => String::new(),
        false => format!(" --tenant {tenant}"),
    }
}

/// The command line that gives a secret its value, ready to paste into a shell.
pub fn secret_command(tenant: &TenantId, name: &SecretName) -> String {
    format!("openclaw secrets set {name}{}", tenant_option(tenant))
}

/// The command line that grants these powers, ready to paste into a shell.
pub fn grant_command(tenant: &TenantId, skill: &SkillName, powers: &Powers) -> String {
    let mut command = format!("openclaw skills grant {skill}{}", tenant_option(tenant));
    for (option, value) in powers.lines() {
        // A guest chose part of this text, and people paste it: everything is quoted, and a quote ends nothing.
        command.push_str(&format!(" --{option} '{}'", value.replace('\'', r"'\''")));
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_cannot_be_broken_out_of_by_what_a_guest_asked_for() {
        let powers = Powers { kv: BTreeSet::from(["a'; rm -rf /; '".to_owned()]), ..Powers::default() };
        let command = grant_command(&TenantId::default(), &"s".parse().unwrap(), &powers);
        assert_eq!(command, r"openclaw skills grant s --kv 'a'\''; rm -rf /; '\'''");
    }

    #[test]
    fn a_command_is_for_the_tenant_it_is_about() {
        let (ours, acme) = (TenantId::default(), "acme".parse().unwrap());
        let (name, skill) = ("token".parse().unwrap(), "notes".parse().unwrap());
        assert_eq!(secret_command(&ours, &name), "openclaw secrets set token");
        assert_eq!(secret_command(&acme, &name), "openclaw secrets set token --tenant acme");
        let powers = Powers { kv: BTreeSet::from(["a".to_owned()]), ..Powers::default() };
        assert_eq!(grant_command(&acme, &skill, &powers), "openclaw skills grant notes --tenant acme --kv 'a'");
    }

    #[test]
    fn a_use_of_a_secret_prints_what_it_reads() {
        for text in ["github-token for https://api.github.com", "signing-key for hmac"] {
            assert_eq!(text.parse::<SecretUse>().unwrap().to_string(), text);
        }
        for bad in ["github-token", "a for b", "A for hmac", "a for https://x/y"] {
            assert!(bad.parse::<SecretUse>().is_err(), "{bad}");
        }
    }

    #[test]
    fn powers_add_and_take_away_line_by_line() {
        let mut powers = Powers::default();
        assert!(powers.is_empty());
        let some = Powers {
            http: BTreeSet::from(["GET https://a.example/**".parse().unwrap()]),
            events: BTreeSet::from(["changed".to_owned()]),
            ..Powers::default()
        };
        powers.extend(some.clone());
        assert!(powers.has(Capability::Http) && powers.has(Capability::Events) && !powers.has(Capability::Kv));
        assert_eq!(powers.lines().len(), 2);
        assert!(powers.remove(&some));
        assert!(!powers.remove(&some));
        assert!(powers.is_empty());
    }
}
