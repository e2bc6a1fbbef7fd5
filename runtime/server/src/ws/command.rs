//! What may be asked, and by whom.

use openclaw_domain::{Refusal, Role};

/// The commands, as they stand on the wire; the last counts whatever is none.
pub(crate) const COMMANDS: [&str; 8] =
    ["status", "skill_invoke", "subscribe", "cancel", "chat", "heartbeat_trigger", "approval", "unknown"];

/// The commands this build serves.
pub(super) const SERVED: &[&str] = &["status", "skill_invoke", "subscribe", "cancel", "chat"];

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Status,
    SkillInvoke,
    Subscribe,
    Cancel,
    Chat,
    HeartbeatTrigger,
    Approval,
    Unknown,
}

impl Command {
    /// The command with this name.
    pub(super) fn from_name(name: &str) -> Self {
        match name {
            "status" => Self::Status,
            "skill_invoke" => Self::SkillInvoke,
            "subscribe" => Self::Subscribe,
            "cancel" => Self::Cancel,
            "chat" => Self::Chat,
            "heartbeat_trigger" => Self::HeartbeatTrigger,
            "approval" => Self::Approval,
            _ => Self::Unknown,
        }
    }

    /// Its name.
    pub(super) const fn as_str(self) -> &'static str {
        COMMANDS[self as usize]
    }

    /// Checks that a role may ask for it.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`] naming the least role that may.
    pub(super) fn check(self, role: Role) -> Result<(), Refusal> {
        let needed = match self {
            Self::Status | Self::Subscribe | Self::Unknown => Role::Read,
            Self::SkillInvoke | Self::Cancel | Self::Chat | Self::HeartbeatTrigger => Role::Invoke,
            Self::Approval => Role::Operator,
        };
        if role >= needed {
            return Ok(());
        }
        Err(Refusal::Forbidden { command: self.as_str().to_owned(), role: role.as_str(), needed: needed.as_str() })
    }
}

/// What a command without its part is told.
pub(super) fn not_configured(command: Command) -> Refusal {
    let (what, hint) = match command {
        Command::HeartbeatTrigger => ("a heartbeat", "call a skill with `skill_invoke`; `status` lists the skills"),
        _ => ("approvals", "an operator grants with the `openclaw` command line"),
    };
    Refusal::NotConfigured { what: what.to_owned(), hint: hint.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_found_by_its_name() {
        for (index, name) in COMMANDS.iter().enumerate() {
            let command = Command::from_name(name);
            assert_eq!((command as usize, command.as_str()), (index, *name));
        }
    }

    #[test]
    fn each_role_may_what_the_ones_before_it_may() {
        let allowed = |role| {
            let may = COMMANDS.iter().filter(|name| Command::from_name(name).check(role).is_ok());
            may.copied().collect::<Vec<_>>()
        };
        assert_eq!(allowed(Role::Read), ["status", "subscribe", "unknown"]);
        assert_eq!(allowed(Role::Invoke).len(), 7);
        assert_eq!(allowed(Role::Operator).len(), 8);
    }
}
