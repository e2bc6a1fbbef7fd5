//! Grants as they are answered: the shapes that `--json` prints. They are only ever extended.

use openclaw_domain::{Capability, Grant, HeldUpgrade, Installed, Powers, Timestamp, grant_command};
use serde::{Deserialize, Serialize};

use super::grant_lines::{GrantLine, lines_of};
use super::grants::{asked, is_bound_to};

/// How a skill stands with its grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum GrantState {
    /// It holds one that counts.
    Granted,
    /// It asks for powers, or imports them, and holds none.
    NeedsGrant,
    /// Its grant has ended.
    Expired,
    /// Its grant is for other bytes.
    OtherComponent,
    /// Its grant is for a skill that is not installed.
    NotInstalled,
}

impl GrantState {
    /// For people.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::NeedsGrant => "needs grant",
            Self::Expired => "grant expired",
            Self::OtherComponent => "grant is for another component",
            Self::NotInstalled => "not installed",
        }
    }
}

/// How a grant stands with what is installed.
pub(super) fn state_of(grant: &Grant, installed: &Installed, now: Timestamp) -> GrantState {
    match grant.expires {
        _ if !is_bound_to(grant, installed) => GrantState::OtherComponent,
        Some(end) if end <= now => GrantState::Expired,
        _ => GrantState::Granted,
    }
}

/// How a skill stands; `None` if it needs no grant and has none.
pub(super) fn skill_state(skill: &Installed, grant: Option<&Grant>, now: Timestamp) -> Option<GrantState> {
    match grant {
        Some(grant) => Some(state_of(grant, skill, now)),
        None => {
            let wants = skill.requests.iter().any(|request| Capability::ALL.contains(&request.capability));
            (wants || skill.imports.iter().any(|import| needs_grant(import))).then_some(GrantState::NeedsGrant)
        }
    }
}

/// Imports that do nothing without a grant; each toolchain brings others that need none.
fn needs_grant(import: &str) -> bool {
    const GRANTED: [&str; 5] = [
        "wasi:http/outgoing-handler@",
        "wasi:keyvalue/",
        "wasi:config/",
        "openclaw:gateway/secrets@",
        "openclaw:gateway/events@",
    ];
    GRANTED.iter().any(|prefix| import.starts_with(prefix))
}

/// A grant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct GrantView {
    /// Whose.
    pub(crate) tenant: String,
    /// Which skill's.
    pub(crate) skill: String,
    /// Whether it counts.
    pub(crate) state: GrantState,
    /// The component it is for.
    pub(crate) component: String,
    /// Its lines: powers, limits and end.
    pub(crate) lines: Vec<GrantLine>,
    /// RFC 3339, if it ends.
    pub(crate) expires_at: Option<String>,
    /// RFC 3339.
    pub(crate) granted_at: String,
    /// The command that gives its powers.
    pub(crate) command: String,
    /// What an operator should know, a sentence each.
    #[serde(default)]
    pub(crate) notes: Vec<String>,
}

impl GrantView {
    /// What is told of a grant and the skill it is for, if that is installed.
    pub(super) fn of(grant: &Grant, installed: Option<&Installed>, now: Timestamp) -> Self {
        Self {
            tenant: grant.tenant.to_string(),
            skill: grant.skill.to_string(),
            state: installed.map_or(GrantState::NotInstalled, |skill| state_of(grant, skill, now)),
            component: grant.component.to_string(),
            lines: lines_of(grant),
            expires_at: grant.expires.map(|end| end.to_string()),
            granted_at: grant.granted_at.to_string(),
            command: grant_command(&grant.tenant, &grant.skill, &grant.powers),
            notes: Vec::new(),
        }
    }
}

/// One line an author asks for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AskedView {
    /// The line.
    pub(crate) line: String,
    /// Why, in the author's words.
    pub(crate) reason: String,
    /// Whether the grant has exactly this line.
    pub(crate) granted: bool,
}

/// A skill's grant beside what is asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct GrantDiffView {
    /// Whose.
    pub(crate) tenant: String,
    /// Which skill.
    pub(crate) skill: String,
    /// How it stands; absent if it needs no grant and has none.
    pub(crate) state: Option<GrantState>,
    /// What its author asks for.
    pub(crate) asked: Vec<AskedView>,
    /// What its author asks for without naming a line: the capability and the reason.
    pub(crate) asked_in_words: Vec<String>,
    /// Granted, and not asked for in these words.
    pub(crate) beyond: Vec<String>,
    /// The command that grants all that is asked for and not granted, if there is any.
    pub(crate) command: Option<String>,
    /// The upgrade that waits.
    pub(crate) held: Option<HeldView>,
}

impl GrantDiffView {
    /// Compares.
    pub(super) fn of(skill: &Installed, grant: Option<&Grant>, held: Option<&HeldUpgrade>, now: Timestamp) -> Self {
        let nothing = Powers::default();
        let granted = grant.filter(|grant| is_bound_to(grant, skill)).map_or(&nothing, |grant| &grant.powers);
        let asked = asked(skill, granted);
        let mut missing = Powers::default();
        for request in &skill.requests {
            missing.extend(request.wants.clone());
        }
        missing.remove(granted);
        let wants: Vec<&str> = asked.iter().map(|asked| asked.line.as_str()).collect();
        let lines = granted.lines().into_iter().map(|(option, text)| format!("{option} {text}"));
        Self {
            tenant: skill.tenant.to_string(),
            skill: skill.name.to_string(),
            state: skill_state(skill, grant, now),
            beyond: lines.filter(|line| !wants.contains(&line.as_str())).collect(),
            asked_in_words: skill
                .requests
                .iter()
                .filter(|request| request.wants.is_empty())
                .map(|request| format!("{}: {}", request.capability, request.reason))
                .collect(),
            command: (!missing.is_empty()).then(|| grant_command(&skill.tenant, &skill.name, &missing)),
            held: held.map(HeldView::of),
            asked,
        }
    }
}

/// An upgrade that waits for an operator.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct HeldView {
    /// Whose.
    pub(crate) tenant: String,
    /// Which skill.
    pub(crate) skill: String,
    /// The author's version.
    pub(crate) version: String,
    /// The component that waits.
    pub(crate) digest: String,
    /// Imports that are new.
    pub(crate) new_imports: Vec<String>,
    /// Requests that are new.
    pub(crate) new_requests: Vec<String>,
    /// RFC 3339.
    pub(crate) held_since: String,
}

impl HeldView {
    /// What is told of it.
    pub(crate) fn of(held: &HeldUpgrade) -> Self {
        Self {
            tenant: held.upgrade.tenant.to_string(),
            skill: held.upgrade.name.to_string(),
            version: held.upgrade.version.clone(),
            digest: held.upgrade.digest.to_string(),
            new_imports: held.new_imports.clone(),
            new_requests: held.new_requests.clone(),
            held_since: held.upgrade.installed_at.to_string(),
        }
    }
}
