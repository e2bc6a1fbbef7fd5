//! Branches, tags and commits.

use crate::event::Event;
use crate::text::{Sentence, first_line, short};

/// How many commits of a push are named.
const NAMED_COMMITS: usize = 3;
/// Most characters of each of them, so that all fit into one sentence.
const MAX_COMMIT_TITLE: usize = 72;

/// Commits were pushed, or a branch or tag was made or removed by a push.
pub(super) fn push(event: &Event<'_>) -> Sentence {
    let (actor, place, branch) = (event.actor(), event.place(), event.branch("ref"));
    let noun = if event.name("ref").starts_with("refs/tags/") { "tag" } else { "branch" };
    let compare = event.link("compare");
    if event.is("deleted") {
        return Sentence::new(format!("{actor} deleted {noun} {branch} of {place}"));
    }
    let commits = || event.at("commits").into_iter().flat_map(|commits| commits.elements());
    let total = commits().count();
    if total == 0 {
        let verb = match (event.is("created"), event.is("forced")) {
            (true, _) => format!("pushed new {noun} {branch} to"),
            (false, true) => format!("force-pushed {noun} {branch} of"),
            (false, false) => format!("moved {noun} {branch} of"),
        };
        return Sentence::new(format!("{actor} {verb} {place}, now at {}", event.commit("after"))).link(compare);
    }
    let verb = if event.is("forced") { "force-pushed" } else { "pushed" };
    let plural = if total == 1 { "" } else { "s" };
    let named: Vec<String> = commits()
        .take(NAMED_COMMITS)
        .map(|commit| {
            let title = first_line(commit.get("message"), MAX_COMMIT_TITLE);
            format!("{title} ({})", short(commit.get("id")))
        })
        .collect();
    let more = if total > NAMED_COMMITS { format!(" and {} more", total - NAMED_COMMITS) } else { String::new() };
    let target = if noun == "tag" { format!("tag {branch}") } else { branch };
    Sentence::new(format!("{actor} {verb} {total} commit{plural} to {target} of {place}: {}{more}", named.join(", ")))
        .link(compare)
}

/// A branch or tag was made or removed.
pub(super) fn reference(event: &Event<'_>, verb: &str) -> Sentence {
    let (actor, place) = (event.actor(), event.place());
    Sentence::new(format!("{actor} {verb} {} {} in {place}", event.name("ref_type"), event.branch("ref")))
}

/// Somebody commented on a commit.
pub(super) fn commit_comment(event: &Event<'_>) -> Sentence {
    let (actor, place) = (event.actor(), event.place());
    let (commit, saying) = (event.commit("comment.commit_id"), event.saying("comment.body"));
    Sentence::new(format!("{actor} commented on commit {commit} of {place}{saying}"))
        .link(event.link("comment.html_url"))
}
