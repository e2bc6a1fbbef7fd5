//! The commands that cross the admin socket, as JSON.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Arguments;

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
    /// Removes a skill.
    Remove {
        /// Whose.
        tenant: String,
        /// Which.
        name: String,
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
}
