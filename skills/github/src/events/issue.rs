//! Issues, discussions and the comments on them.

use crate::event::Event;
use crate::text::Sentence;

/// What happens alike to issues, pull requests and discussions.
pub(super) fn tracked(event: &Event<'_>, subject: &str) -> String {
    let (actor, action) = (event.actor(), event.name("action"));
    let assignee = || event.first_name(&["assignee.login", "issue.assignee.login", "pull_request.assignee.login"]);
    match action.as_str() {
        "labeled" | "unlabeled" if !event.has("label") => format!("{actor} changed the labels of {subject}"),
        "labeled" => format!("{actor} labeled {subject} with {}", event.name("label.name")),
        "unlabeled" => format!("{actor} took label {} off {subject}", event.name("label.name")),
        "assigned" | "unassigned" if assignee().is_empty() => format!("{actor} changed who is assigned to {subject}"),
        "assigned" => format!("{actor} assigned {} to {subject}", assignee()),
        "unassigned" => format!("{actor} unassigned {} from {subject}", assignee()),
        "milestoned" => {
            let milestone = event.first_name(&["milestone.title", "issue.milestone.title"]);
            format!("{actor} added {subject} to milestone {milestone}")
        }
        "demilestoned" if !event.has("milestone") => format!("{actor} removed {subject} from its milestone"),
        "demilestoned" => format!("{actor} removed {subject} from milestone {}", event.name("milestone.title")),
        _ => format!("{actor} {} {subject}", event.action()),
    }
}

/// An issue changed.
pub(super) fn issues(event: &Event<'_>) -> Sentence {
    let subject = format!("{} in {}", event.numbered(noun(event), "issue"), event.place());
    let text = match (event.name("action").as_str(), event.name("issue.state_reason").as_str()) {
        ("closed", "not_planned") => format!("{} closed {subject} as not planned", event.actor()),
        ("transferred", _) => {
            let target = event.name("changes.new_repository.full_name");
            format!("{} transferred {subject} to {target}", event.actor())
        }
        _ => tracked(event, &subject),
    };
    Sentence::new(text).link(event.link("issue.html_url"))
}

/// Somebody commented on an issue or a pull request.
pub(super) fn issue_comment(event: &Event<'_>) -> Sentence {
    comment(event, &event.numbered(noun(event), "issue"))
}

/// What an issue is: to GitHub a pull request is one too, and its comments and milestones arrive as such.
fn noun(event: &Event<'_>) -> &'static str {
    if event.has("issue.pull_request") { "pull request" } else { "issue" }
}

/// Somebody commented on a discussion.
pub(super) fn discussion_comment(event: &Event<'_>) -> Sentence {
    comment(event, &event.numbered("discussion", "discussion"))
}

fn comment(event: &Event<'_>, subject: &str) -> Sentence {
    let (actor, place) = (event.actor(), event.place());
    let text = match event.name("action").as_str() {
        "created" => format!("{actor} commented on {subject} in {place}{}", event.saying("comment.body")),
        "deleted" => format!("{actor} deleted a comment on {subject} in {place}"),
        _ => format!("{actor} {} a comment on {subject} in {place}{}", event.action(), event.saying("comment.body")),
    };
    Sentence::new(text).link(event.link("comment.html_url"))
}

/// A discussion changed.
pub(super) fn discussion(event: &Event<'_>) -> Sentence {
    let subject = format!("{} in {}", event.numbered("discussion", "discussion"), event.place());
    let actor = event.actor();
    let text = match event.name("action").as_str() {
        "created" => format!("{actor} started {subject}{}", event.saying("discussion.body")),
        "answered" => format!("{actor} marked an answer to {subject}"),
        "unanswered" => format!("{actor} unmarked the answer to {subject}"),
        "category_changed" => format!("{actor} moved {subject} to category {}", event.name("discussion.category.name")),
        "transferred" => {
            format!("{actor} transferred {subject} to {}", event.name("changes.new_repository.full_name"))
        }
        _ => tracked(event, &subject),
    };
    Sentence::new(text).link(event.link("discussion.html_url"))
}
