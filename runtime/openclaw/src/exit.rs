//! How a command ends badly: what is said, what would help, and the exit code that scripts rely on.
//!
//! Invariant: a code's meaning never changes. 0 done, 1 failed, 2 wrong usage (clap's own), 3 refused by the gateway or
//! by the configuration, 4 no gateway runs on this home, 5 another process holds the home.

use std::process::ExitCode;

use openclaw_domain::{Code, Refusal};
use serde::{Deserialize, Serialize};

use crate::config::ConfigError;

/// Why a command ended, as its exit code tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ending {
    /// Something failed: I/O, a build, a test case.
    Failed,
    /// The gateway or the configuration said no.
    Refused,
    /// No gateway runs on this home.
    NotRunning,
    /// Another process holds the home.
    HomeInUse,
}

impl Ending {
    /// Its exit code.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Refused => 3,
            Self::NotRunning => 4,
            Self::HomeInUse => 5,
        }
    }
}

/// A command that ended badly. It crosses the admin socket, so both ways of running a command say the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failed {
    /// How it ends.
    pub(crate) ending: Ending,
    /// The stable code of a refusal, such as `SKILL_NOT_FOUND`.
    pub(crate) code: Option<String>,
    /// What failed, by name.
    pub(crate) message: String,
    /// What would help.
    pub(crate) hint: Option<String>,
}

impl Failed {
    /// Something failed.
    pub(crate) fn because(message: impl Into<String>) -> Self {
        Self { ending: Ending::Failed, code: None, message: message.into(), hint: None }
    }

    /// The gateway, or a rule, said no.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self { ending: Ending::Refused, ..Self::because(message) }
    }

    /// With what would help.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Its exit code.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.ending.code())
    }
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        let code = refusal.code();
        // The reader owns this machine: an internal failure is told whole, which no client is.
        let message = match &refusal {
            Refusal::Internal(source) => format!("{refusal}: {}", chain(&**source)),
            other => other.to_string(),
        };
        Self {
            ending: if code == Code::Internal { Ending::Failed } else { Ending::Refused },
            code: Some(code.as_str().to_owned()),
            message,
            hint: refusal.hint(),
        }
    }
}

impl From<ConfigError> for Failed {
    fn from(error: ConfigError) -> Self {
        Self::refused(error.to_string()).hint("`openclaw config check` reads the file again")
    }
}

impl From<anyhow::Error> for Failed {
    fn from(error: anyhow::Error) -> Self {
        Self::because(format!("{error:#}"))
    }
}

/// An error and all its causes on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_keeps_its_code_and_hint_and_ends_with_3() {
        let failed = Failed::from(Refusal::SkillNotFound("nope".to_owned()));
        assert_eq!(failed.code.as_deref(), Some("SKILL_NOT_FOUND"));
        assert_eq!((failed.ending.code(), failed.message.contains("`nope`")), (3, true));
        assert!(failed.hint.is_some_and(|hint| hint.contains("skills list")));
    }

    #[test]
    fn an_internal_failure_is_told_whole_to_the_operator_and_ends_with_1() {
        let failed = Failed::from(Refusal::internal("the disk is full"));
        assert!(failed.message.contains("the disk is full"));
        assert_eq!(failed.ending.code(), 1);
    }
}
