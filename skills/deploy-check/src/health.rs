//! What a health page says: healthy, unhealthy, or nothing at all.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Words of a health page's `status` that mean no.
const BAD: [&str; 8] = ["down", "fail", "failed", "failing", "error", "critical", "unhealthy", "out_of_service"];
/// A version is cut to so many characters: it is a stranger's text, and it is kept.
const VERSION_CHARS: usize = 64;

/// How a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// It answers, and says nothing against itself.
    Healthy,
    /// It answers with an error, or says that it is not well.
    Unhealthy,
    /// Nothing answers.
    Unreachable,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Unreachable => "unreachable",
        })
    }
}

/// What one look found; remembered until the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Health {
    /// How it is.
    pub state: State,
    /// The status it answered with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The version it names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl Health {
    /// Nothing answered.
    pub(crate) fn unreachable() -> Self {
        Self { state: State::Unreachable, status: None, version: None }
    }

    /// Reads an answer: its status decides, and the `status` of a JSON page can only make it worse.
    pub(crate) fn read(status: u16, page: &[u8]) -> Self {
        let page: Value = serde_json::from_slice(page).unwrap_or_default();
        let says_no = page["status"].as_str().is_some_and(|word| BAD.contains(&word.to_ascii_lowercase().as_str()));
        let state = if (200..300).contains(&status) && !says_no { State::Healthy } else { State::Unhealthy };
        let version = page["version"].as_str().map(|version| version.chars().take(VERSION_CHARS).collect());
        Self { state, status: Some(status), version }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_can_only_make_a_status_worse() {
        for (status, page, state) in [
            (200, "", State::Healthy),
            (204, "", State::Healthy),
            (200, r#"{"status":"UP"}"#, State::Healthy),
            (200, r#"{"status":"DOWN"}"#, State::Unhealthy),
            (503, r#"{"status":"UP"}"#, State::Unhealthy),
            (301, "", State::Unhealthy),
        ] {
            assert_eq!(Health::read(status, page.as_bytes()).state, state, "{status} {page}");
        }
    }

    #[test]
    fn a_version_is_kept_as_far_as_it_is_one() {
        assert_eq!(Health::read(200, br#"{"version":"1.2"}"#).version.as_deref(), Some("1.2"));
        assert_eq!(Health::read(200, br#"{"version":12}"#).version, None);
        let long = format!(r#"{{"version":"{}"}}"#, "é".repeat(100));
        assert_eq!(Health::read(200, long.as_bytes()).version.unwrap().chars().count(), VERSION_CHARS);
    }
}
