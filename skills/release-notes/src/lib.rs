//! Skill `release-notes`: commits in, grouped Markdown out, and the same groups as a value for programs.
//!
//! Invariant: pure. The same commits give the same notes; nothing is read, asked or remembered.

mod commit;
mod markdown;

use openclaw_guest::{Report, skill, tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::commit::Parsed;

/// What the tool takes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// The commits of the release, in the order in which they should be listed.
    #[schemars(length(max = 5000))]
    pub commits: Vec<Commit>,
    /// The release's version, for the heading.
    pub version: Option<String>,
    /// The release's date, for the heading.
    pub date: Option<String>,
}

/// A commit: its message alone, or with who made it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a message, or an object with `message` and no more than `author` and `sha`")]
pub enum Commit {
    /// The message.
    Message(String),
    /// The message and where it comes from.
    Detailed(DetailedCommit),
}

/// A commit with who made it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DetailedCommit {
    /// The whole message; footers such as `BREAKING CHANGE:` are read.
    pub message: String,
    /// Who made it.
    pub author: Option<String>,
    /// Its hash; the first seven characters are shown.
    pub sha: Option<String>,
}

/// Release notes as a value.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct Notes {
    /// The version that was given.
    pub version: Option<String>,
    /// The date that was given.
    pub date: Option<String>,
    /// The groups that are not empty: breaking changes first.
    pub groups: Vec<Group>,
    /// How many commits are not listed: merges and empty messages.
    pub skipped: usize,
}

/// Changes of one kind.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct Group {
    /// The kind: `breaking`, `feat`, `fix`, `perf`, `docs` or `other`.
    pub kind: Kind,
    /// Its heading.
    pub title: String,
    /// The changes, in the order of the commits.
    pub entries: Vec<Entry>,
}

/// One change.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct Entry {
    /// What it concerns, from `type(scope): …`.
    pub scope: Option<String>,
    /// What changed.
    pub subject: String,
    /// What breaks, from the `BREAKING CHANGE:` footer.
    pub breaking: Option<String>,
    /// Who made it.
    pub author: Option<String>,
    /// Its hash, seven characters.
    pub sha: Option<String>,
}

/// A kind of change. The order is the order of the groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Something that worked needs a change.
    Breaking,
    /// Something new.
    Feat,
    /// Something that was wrong.
    Fix,
    /// Something faster or smaller.
    Perf,
    /// Words.
    Docs,
    /// Everything else.
    Other,
}

impl Kind {
    const ALL: [Self; 6] = [Self::Breaking, Self::Feat, Self::Fix, Self::Perf, Self::Docs, Self::Other];

    const fn title(self) -> &'static str {
        match self {
            Self::Breaking => "Breaking changes",
            Self::Feat => "Features",
            Self::Fix => "Fixes",
            Self::Perf => "Performance",
            Self::Docs => "Documentation",
            Self::Other => "Other changes",
        }
    }
}

/// Turns commit messages into release notes: Markdown, grouped into breaking changes, features, fixes,
/// performance, documentation and others. Reads Conventional Commits; anything else is listed under others.
#[tool(title = "Release notes", read_only, idempotent)]
pub fn release_notes(arguments: Arguments) -> Report<Notes> {
    let notes = group(arguments);
    Report { text: markdown::render(&notes), value: notes }
}

fn group(arguments: Arguments) -> Notes {
    let total = arguments.commits.len();
    let mut parsed: Vec<(Kind, Entry)> = Vec::with_capacity(total);
    for commit in arguments.commits {
        let DetailedCommit { message, author, sha } = match commit {
            Commit::Message(message) => DetailedCommit { message, author: None, sha: None },
            Commit::Detailed(commit) => commit,
        };
        if let Some(Parsed { kind, scope, subject, breaking }) = commit::parse(&message) {
            let sha = sha.map(|sha| sha.chars().take(7).collect());
            parsed.push((kind, Entry { scope, subject, breaking, author, sha }));
        }
    }
    let skipped = total - parsed.len();
    let mut groups = Vec::new();
    for kind in Kind::ALL {
        let entries: Vec<Entry> = parsed.extract_if(.., |(of, _)| *of == kind).map(|(_, entry)| entry).collect();
        if !entries.is_empty() {
            groups.push(Group { kind, title: kind.title().to_owned(), entries });
        }
    }
    Notes { version: arguments.version, date: arguments.date, groups, skipped }
}

skill!(release_notes);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_come_in_order_and_commits_stay_in_theirs() {
        let messages = ["docs: say why", "feat: b", "chore: tidy", "fix: c", "feat: a", "perf: d", "feat!: e"];
        let commits = messages.into_iter().map(|message| Commit::Message(message.to_owned())).collect();
        let notes = group(Arguments { commits, ..Arguments::default() });
        let listed: Vec<(Kind, Vec<&str>)> = notes
            .groups
            .iter()
            .map(|group| (group.kind, group.entries.iter().map(|entry| entry.subject.as_str()).collect()))
            .collect();
        assert_eq!(
            listed,
            [
                (Kind::Breaking, vec!["e"]),
                (Kind::Feat, vec!["b", "a"]),
                (Kind::Fix, vec!["c"]),
                (Kind::Perf, vec!["d"]),
                (Kind::Docs, vec!["say why"]),
                (Kind::Other, vec!["tidy"]),
            ]
        );
    }

    #[test]
    fn merges_and_empty_messages_are_counted_and_not_listed() {
        let commits = ["Merge pull request #7 from a/b", " \n", "Merge branch 'main'", "fix: it"];
        let commits = commits.into_iter().map(|message| Commit::Message(message.to_owned())).collect();
        let notes = group(Arguments { commits, ..Arguments::default() });
        assert_eq!((notes.skipped, notes.groups.len()), (3, 1));
    }
}
