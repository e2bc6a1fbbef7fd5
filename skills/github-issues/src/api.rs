//! GitHub's REST API as far as issues need it.

use std::fmt;

use openclaw_guest::http::{Request, Response, bearer};
use openclaw_guest::{Failure, config};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The secret that is put into each request.
const TOKEN: &str = "github-token";

/// An issue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Issue {
    /// Its number.
    number: u64,
    /// Its title.
    title: String,
    /// `open` or `closed`.
    state: String,
    /// Its page.
    html_url: String,
    /// How many comments it has.
    #[serde(default)]
    comments: u64,
    /// Present in what GitHub sends when it is a pull request.
    #[serde(default, skip_serializing)]
    #[schemars(skip)]
    pull_request: Option<serde_json::Value>,
}

impl Issue {
    /// GitHub lists pull requests among the issues.
    pub fn is_pull_request(&self) -> bool {
        self.pull_request.is_some()
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{} {} ({}) {}", self.number, self.title, self.state, self.html_url)
    }
}

/// What GitHub says when it says no.
#[derive(Deserialize)]
struct Complaint {
    message: String,
}

/// `/repos/OWNER/NAME`. The schema has checked the characters; dots alone would be a way up.
pub(crate) fn repository_path(repository: &str) -> Result<String, Failure> {
    match repository.split_once('/') {
        Some((owner, name)) if ![".", ".."].contains(&owner) && ![".", ".."].contains(&name) => {
            Ok(format!("/repos/{owner}/{name}"))
        }
        _ => Err(Failure::invalid_arguments(format!("`{repository}` is no repository: write `owner/name`"))),
    }
}

/// Sends a request to a path of the API and reads its answer.
pub(crate) fn call<T: DeserializeOwned>(path: &str, request: impl FnOnce(String) -> Request) -> Result<T, Failure> {
    let base: String = config::require("api-url")?;
    let response = request(format!("{}{path}", base.trim_end_matches('/')))
        .header("accept", "application/vnd.github+json")
        .header("x-github-api-version", "2022-11-28")
        .header("user-agent", "openclaw-github-issues")
        .header("authorization", bearer(TOKEN))
        .send()?;
    if response.is_success() {
        return Ok(response.json()?);
    }
    Err(refused(&response))
}

/// GitHub's no, as ours.
fn refused(response: &Response) -> Failure {
    let said =
        response.json::<Complaint>().map_or_else(|_| "no reason given".to_owned(), |complaint| complaint.message);
    let text = format!("GitHub answered {}: {}", response.status, said.chars().take(500).collect::<String>());
    let is_limited = response.header("x-ratelimit-remaining") == Some("0") || response.header("retry-after").is_some();
    match response.status {
        429 => Failure::rate_limited(text),
        403 if is_limited => Failure::rate_limited(text),
        401 | 403 => Failure::denied(text),
        404 | 410 => Failure::not_found(text),
        400 | 422 => Failure::invalid_arguments(text),
        500.. => Failure::unavailable(text),
        _ => Failure::failed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_an_owner_and_a_name() {
        assert_eq!(repository_path("octo/hello.rs").unwrap(), "/repos/octo/hello.rs");
        for bad in ["octo", "../x", "octo/..", "./."] {
            assert!(repository_path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_issue_prints_in_one_line_and_a_pull_request_is_told_apart() {
        let json = r#"{"number":7,"title":"It breaks","state":"open","html_url":"https://github.com/o/n/issues/7"}"#;
        let issue: Issue = serde_json::from_str(json).unwrap();
        assert_eq!(issue.to_string(), "#7 It breaks (open) https://github.com/o/n/issues/7");
        assert!(!issue.is_pull_request());
        let pull = json.replace("\"number\":7", "\"number\":8,\"pull_request\":{}");
        assert!(serde_json::from_str::<Issue>(&pull).unwrap().is_pull_request());
    }
}
