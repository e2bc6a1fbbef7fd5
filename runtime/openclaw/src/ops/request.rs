//! The commands that cross the admin socket, as JSON.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::grant_lines::GrantLine;
use super::{AgentRequest, Arguments, WebhookRequest};

/// A text that `Debug` does not print: it holds a secret's value on its way into the store.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Hidden(pub(crate) String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// One command of an operator. Names are texts here; they are parsed where they are used, so both ways refuse alike.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Request {
    /// How the gateway is.
    Status,
    /// Puts the configuration file in force as it stands now.
    ConfigReload,
    /// The skills of a tenant.
    Skills {
        /// Whose.
        tenant: String,
    },
    /// One skill.
    Skill {
        /// Whose.
        tenant: String,
        /// Which.
        name: String,
    },
    /// Removes a skill and its grant.
    Remove {
        /// Whose.
        tenant: String,
        /// Which.
        name: String,
        /// Whether what it kept goes, too.
        #[serde(default)]
        forget_data: bool,
    },
    /// Switches a skill on or off.
    SetEnabled {
        /// Whose.
        tenant: String,
        /// Which.
        name: String,
        /// On or off.
        enabled: bool,
    },
    /// Calls a tool.
    Call {
        /// Whose.
        tenant: String,
        /// `name` or `name/tool`.
        target: String,
        /// The arguments.
        arguments: Arguments,
        /// The caller's own deadline.
        deadline_ms: Option<u64>,
    },
    /// Makes a named token.
    TokenCreate {
        /// Whose.
        tenant: String,
        /// What it is called.
        name: String,
        /// `read`, `invoke` or `operator`.
        role: String,
        /// After how many milliseconds it ends.
        expires_ms: Option<u64>,
    },
    /// All named tokens.
    TokenList,
    /// Revokes a named token.
    TokenRevoke {
        /// Whose.
        tenant: String,
        /// Which.
        name: String,
    },
    /// About the agent.
    Agent {
        /// What.
        what: AgentRequest,
    },
    /// About webhooks.
    Webhooks {
        /// What.
        what: WebhookRequest,
    },
    /// Copies everything into a folder.
    Backup {
        /// The folder; absolute, since the gateway has another working folder.
        to: PathBuf,
    },
    /// Everything recorded under a trace id.
    Trace {
        /// Whose.
        tenant: String,
        /// 32 hex digits.
        id: String,
    },
    /// Adds lines to a skill's grant.
    Grant {
        /// Whose.
        tenant: String,
        /// Which skill's.
        name: String,
        /// What it may do, bounds, and the end.
        lines: Vec<GrantLine>,
    },
    /// Takes lines of a grant away; without lines, all of it.
    Revoke {
        /// Whose.
        tenant: String,
        /// Which skill's.
        name: String,
        /// What it may do no longer.
        lines: Vec<GrantLine>,
    },
    /// Grants as they stand.
    Grants {
        /// Whose; all tenants' without one.
        tenant: Option<String>,
        /// Which skill's; all without one.
        name: Option<String>,
    },
    /// Grants beside what the skills' authors ask for.
    GrantsDiff {
        /// Whose.
        tenant: String,
        /// Which skill's; all without one.
        name: Option<String>,
    },
    /// Lets an upgrade that waits serve.
    Approve {
        /// Whose.
        tenant: String,
        /// Which skill's.
        name: String,
    },
    /// Forgets an upgrade that waits.
    Reject {
        /// Whose.
        tenant: String,
        /// Which skill's.
        name: String,
    },
    /// Runs a tool with its denials recorded, and says what grant would have let it pass.
    Learn {
        /// Whose.
        tenant: String,
        /// `name` or `name/tool`.
        target: String,
        /// The arguments.
        arguments: Arguments,
        /// Which private addresses may be reached while it learns: origins, and `*` for those written as addresses.
        #[serde(default)]
        allow_private: Vec<String>,
    },
    /// Keeps the value of a secret.
    SecretSet {
        /// Whose.
        tenant: String,
        /// Which.
        name: String,
        /// Its value.
        value: Hidden,
    },
    /// Secrets, without their values.
    SecretList {
        /// Whose; all tenants' without one.
        tenant: Option<String>,
    },
    /// Forgets a secret.
    SecretRemove {
        /// Whose.
        tenant: String,
        /// Which.
        name: String,
    },
    /// Adds a tenant and makes its token.
    TenantAdd {
        /// What it is called.
        name: String,
        /// What its token allows.
        role: String,
    },
    /// Every tenant.
    TenantList,
    /// Makes a tenant another token in place of the one it has.
    TenantRotate {
        /// Which.
        name: String,
        /// What the token allows; as the one before without it.
        role: Option<String>,
    },
    /// Everything kept of a tenant.
    TenantExport {
        /// Which.
        name: String,
    },
    /// Forgets everything of a tenant.
    TenantErase {
        /// Which.
        name: String,
        /// Also `default`.
        force: bool,
    },
    /// Pauses, or ends a pause.
    Pause {
        /// Which tenant; with neither, everything.
        tenant: Option<String>,
        /// Which skill.
        skill: Option<String>,
        /// Pause or resume.
        paused: bool,
    },
}
