//! Pull requests and their reviews.

use crate::event::Event;
use crate::text::Sentence;

/// `pull request #2 "title" in owner/repository`.
fn subject(event: &Event<'_>) -> String {
    format!("{} in {}", event.numbered("pull request", "pull_request"), event.place())
}

/// A pull request changed.
pub(super) fn pull_request(event: &Event<'_>) -> Sentence {
    let (actor, subject) = (event.actor(), subject(event));
    let reviewer = || event.first_name(&["requested_reviewer.login", "requested_team.name"]);
    let text = match event.name("action").as_str() {
        "opened" => {
            let (from, into) = (event.branch("pull_request.head.ref"), event.branch("pull_request.base.ref"));
            let draft = if event.is("pull_request.draft") { "draft " } else { "" };
            format!("{actor} opened {draft}{subject}, to merge {from} into {into}")
        }
        "closed" if event.is("pull_request.merged") => {
            format!("{actor} merged {subject} into {}", event.branch("pull_request.base.ref"))
        }
        "closed" => format!("{actor} closed {subject} without merging it"),
        "synchronize" => {
            format!("{actor} pushed commits to {subject}, now at {}", event.commit("pull_request.head.sha"))
        }
        "review_requested" => format!("{actor} asked {} to review {subject}", reviewer()),
        "review_request_removed" => format!("{actor} no longer asks {} to review {subject}", reviewer()),
        "ready_for_review" => format!("{actor} marked {subject} as ready for review"),
        "converted_to_draft" => format!("{actor} turned {subject} into a draft"),
        "auto_merge_enabled" => format!("{actor} turned on auto-merge for {subject}"),
        "auto_merge_disabled" => format!("{actor} turned off auto-merge for {subject}"),
        "enqueued" => format!("{actor} added {subject} to the merge queue"),
        "dequeued" => format!("{actor} removed {subject} from the merge queue"),
        _ => super::issue::tracked(event, &subject),
    };
    Sentence::new(text).link(event.link("pull_request.html_url"))
}

/// A pull request was reviewed.
pub(super) fn review(event: &Event<'_>) -> Sentence {
    let (actor, subject, saying) = (event.actor(), subject(event), event.saying("review.body"));
    let text = match (event.name("action").as_str(), event.name("review.state").as_str()) {
        ("submitted", "approved") => format!("{actor} approved {subject}{saying}"),
        ("submitted", "changes_requested") => format!("{actor} requested changes to {subject}{saying}"),
        ("submitted", _) => format!("{actor} reviewed {subject}{saying}"),
        (_, _) => {
            let author = event.name("review.user.login");
            format!("{actor} {} the review of {subject} by {author}", event.action())
        }
    };
    Sentence::new(text).link(event.link("review.html_url"))
}

/// Somebody commented on a line of a pull request.
pub(super) fn review_comment(event: &Event<'_>) -> Sentence {
    let (actor, subject, file) = (event.actor(), subject(event), event.name("comment.path"));
    let text = match event.name("action").as_str() {
        "created" => format!("{actor} commented on {file} in {subject}{}", event.saying("comment.body")),
        "deleted" => format!("{actor} deleted a comment on {file} in {subject}"),
        _ => format!("{actor} {} a comment on {file} in {subject}{}", event.action(), event.saying("comment.body")),
    };
    Sentence::new(text).link(event.link("comment.html_url"))
}

/// A conversation of a review was settled or reopened.
pub(super) fn review_thread(event: &Event<'_>) -> Sentence {
    Sentence::new(format!("{} {} a review thread of {}", event.actor(), event.action(), subject(event)))
        .link(event.link("pull_request.html_url"))
}
