//! Issues of GitHub repositories, with a token this skill never sees.
//!
//! Invariant: the token is named, not held, and a repository is `owner/name` and nothing else, so that no argument leads
//! a request to another part of the API.

mod api;

use openclaw_guest::http::{Request, encode};
use openclaw_guest::{Failure, Report, tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use api::{Issue, call, repository_path};

/// Which issues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Wanted {
    /// Those that wait.
    #[default]
    Open,
    /// Those that are done.
    Closed,
    /// Both.
    All,
}

/// Which issues to list.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listing {
    /// `owner/name`.
    #[schemars(regex(pattern = r"^[A-Za-z0-9._-]{1,100}/[A-Za-z0-9._-]{1,100}$"))]
    repository: String,
    /// `open` without it.
    #[serde(default)]
    state: Wanted,
    /// Only issues with all of these labels.
    #[serde(default)]
    #[schemars(length(max = 10))]
    labels: Vec<String>,
    /// At most so many; 20 without it. Pull requests are left out after counting.
    #[schemars(range(min = 1, max = 100))]
    limit: Option<u32>,
}

/// A new issue.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewIssue {
    /// `owner/name`.
    #[schemars(regex(pattern = r"^[A-Za-z0-9._-]{1,100}/[A-Za-z0-9._-]{1,100}$"))]
    repository: String,
    /// Its title.
    #[schemars(length(min = 1, max = 256))]
    title: String,
    /// What it says, in Markdown.
    #[serde(default)]
    #[schemars(length(max = 65_536))]
    body: String,
    /// Its labels.
    #[serde(default)]
    #[schemars(length(max = 10))]
    labels: Vec<String>,
}

/// A comment.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewComment {
    /// `owner/name`.
    #[schemars(regex(pattern = r"^[A-Za-z0-9._-]{1,100}/[A-Za-z0-9._-]{1,100}$"))]
    repository: String,
    /// The issue's number.
    number: u64,
    /// What it says, in Markdown.
    #[schemars(length(min = 1, max = 65_536))]
    body: String,
}

/// Several issues.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Issues {
    /// In GitHub's order, the newest first.
    issues: Vec<Issue>,
}

/// Where something new is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Created {
    /// Its page.
    html_url: String,
}

/// Lists issues of a GitHub repository, without pull requests.
#[tool(title = "List issues", read_only, idempotent, open_world)]
pub fn list(listing: &Listing) -> Result<Report<Issues>, Failure> {
    let state = match listing.state {
        Wanted::Open => "open",
        Wanted::Closed => "closed",
        Wanted::All => "all",
    };
    let path = format!("{}/issues", repository_path(&listing.repository)?);
    let labels: Vec<String> = listing.labels.iter().map(|label| encode(label)).collect();
    let mut query = format!("?state={state}&per_page={}", listing.limit.unwrap_or(20));
    if !labels.is_empty() {
        query.push_str(&format!("&labels={}", labels.join(",")));
    }
    let mut issues: Vec<Issue> = call(&(path + &query), Request::get)?;
    issues.retain(|issue| !issue.is_pull_request());
    let lines: Vec<String> = issues.iter().map(ToString::to_string).collect();
    let text = if lines.is_empty() { format!("no {state} issues") } else { lines.join("\n") };
    Ok(Report { text, value: Issues { issues } })
}

/// Creates an issue in a GitHub repository.
#[tool(title = "Create an issue", open_world)]
pub fn create(issue: &NewIssue) -> Result<Report<Issue>, Failure> {
    let path = format!("{}/issues", repository_path(&issue.repository)?);
    let body = json!({ "title": issue.title, "body": issue.body, "labels": issue.labels });
    let created: Issue = call(&path, |url| Request::post(url).json(&body))?;
    Ok(Report { text: format!("created {created}"), value: created })
}

/// Comments an issue or pull request of a GitHub repository.
#[tool(title = "Comment an issue", open_world)]
pub fn comment(comment: &NewComment) -> Result<Report<Created>, Failure> {
    let path = format!("{}/issues/{}/comments", repository_path(&comment.repository)?, comment.number);
    let created: Created = call(&path, |url| Request::post(url).json(&json!({ "body": comment.body })))?;
    Ok(Report { text: format!("commented: {}", created.html_url), value: created })
}

openclaw_guest::skill!(list, create, comment);
