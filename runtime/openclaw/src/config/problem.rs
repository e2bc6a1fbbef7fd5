//! What is wrong with a configuration: every finding at once, each with the key's path, the reason and the fix.
//!
//! Invariant: a path is reported once, so one mistake (an unset variable, say) does not cause a second finding about
//! the value it left behind.

use std::fmt;
use std::path::PathBuf;

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Where: a key path such as `webhooks.incoming.endpoints[0].path`; empty for the file as a whole.
    pub(crate) path: String,
    /// What is wrong, as the rest of a sentence that begins with the path.
    pub(crate) reason: String,
    /// What to do about it.
    pub(crate) fix: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.is_empty() {
            true => write!(f, "the file {}: {}", self.reason, self.fix),
            false => write!(f, "`{}` {}: {}", self.path, self.reason, self.fix),
        }
    }
}

/// Findings as they are collected.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Problems {
    /// Notes what keeps this configuration from being used.
    pub(crate) fn error(&mut self, path: impl Into<String>, reason: impl Into<String>, fix: impl Into<String>) {
        push(&mut self.errors, Problem { path: path.into(), reason: reason.into(), fix: fix.into() });
    }

    /// Notes what an operator should know and may live with.
    pub(crate) fn warn(&mut self, path: impl Into<String>, reason: impl Into<String>, fix: impl Into<String>) {
        push(&mut self.warnings, Problem { path: path.into(), reason: reason.into(), fix: fix.into() });
    }

    /// The warnings if there was no error, else every error.
    pub(crate) fn finish(self, file: Option<PathBuf>) -> Result<Vec<Problem>, ConfigError> {
        if self.errors.is_empty() { Ok(self.warnings) } else { Err(ConfigError { file, problems: self.errors }) }
    }
}

fn push(list: &mut Vec<Problem>, problem: Problem) {
    if list.iter().all(|known| known.path != problem.path) {
        list.push(problem);
    }
}

/// A configuration that cannot be used, with all its findings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) struct ConfigError {
    /// The file, if there is one.
    pub(crate) file: Option<PathBuf>,
    /// What is wrong with it; at least one.
    pub(crate) problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "the configuration {} cannot be used", file.display())?,
            None => f.write_str("the configuration cannot be used")?,
        }
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}
