//! Chooses the sentence for an event.
//!
//! Invariant: every event of every name ends here, in a sentence or in a reason why there is none.

mod account;
mod build;
mod code;
mod issue;
mod repository;
mod review;

use crate::event::Event;
use crate::text::Sentence;

/// What to do about an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// Say this sentence in the conversation of this repository.
    Say {
        /// One line of at most 500 characters.
        sentence: String,
        /// The repository's full name, if the event has one.
        conversation: Option<String>,
    },
    /// Do nothing, for this reason.
    Discard(String),
}

/// Describes an event.
pub fn describe(event: &Event<'_>) -> Report {
    if event.kind() == "ping" {
        return Report::Discard(format!("ping: the handshake of a new webhook of {}", event.place()));
    }
    if !["sender", "repository", "organization", "installation"].iter().any(|path| event.has(path))
        && event.kind() != "security_advisory"
    {
        let reason = format!("{}: the payload names neither who nor where", event.kind());
        return Report::Discard(reason);
    }
    Report::Say { sentence: sentence(event).finish(), conversation: event.repository() }
}

fn sentence(event: &Event<'_>) -> Sentence {
    let (actor, place) = (event.actor(), event.place());
    match event.kind() {
        "push" => code::push(event),
        "create" => code::reference(event, "created"),
        "delete" => code::reference(event, "deleted"),
        "commit_comment" => code::commit_comment(event),

        "pull_request" => review::pull_request(event),
        "pull_request_review" => review::review(event),
        "pull_request_review_comment" => review::review_comment(event),
        "pull_request_review_thread" => review::review_thread(event),

        "issues" => issue::issues(event),
        "issue_comment" => issue::issue_comment(event),
        "discussion" => issue::discussion(event),
        "discussion_comment" => issue::discussion_comment(event),

        "workflow_run" => build::workflow_run(event),
        "workflow_job" => build::workflow_job(event),
        "workflow_dispatch" => Sentence::new(format!(
            "{actor} started workflow {} on {} of {place} by hand",
            event.name("workflow"),
            event.branch("ref")
        )),
        "check_run" => build::check_run(event),
        "check_suite" => build::check_suite(event),
        "deployment" => build::deployment(event),
        "deployment_status" => build::deployment_status(event),
        "deployment_review" => build::deployment_review(event),
        "status" => build::status(event),
        "merge_group" => build::merge_group(event),
        "page_build" => Sentence::new(format!("{actor} published pages of {place}: {}", event.name("build.status"))),

        "repository" => repository::repository(event),
        "repository_import" => Sentence::new(format!("{actor} imported {place}: {}", event.name("status"))),
        "repository_dispatch" => Sentence::new(format!("{actor} dispatched {} to {place}", event.name("action"))),
        "public" => Sentence::new(format!("{actor} made {place} public")),
        "meta" => Sentence::new(format!("{actor} deleted webhook {} of {place}", event.name("hook_id"))),
        "star" => repository::star(event),
        "watch" => repository::watch(event),
        "fork" => repository::fork(event),
        "release" => repository::release(event),
        "member" => repository::member(event),
        "label" => repository::label(event),
        "milestone" => repository::milestone(event),
        "gollum" => repository::gollum(event),
        "package" | "registry_package" => repository::package(event),
        "code_scanning_alert" | "secret_scanning_alert" | "dependabot_alert" | "repository_vulnerability_alert" => {
            repository::alert(event)
        }
        "security_advisory" => repository::security_advisory(event),

        "organization" => account::organization(event),
        "membership" => account::membership(event),
        "team" | "team_add" => account::team(event),
        "org_block" => account::org_block(event),
        "installation" => account::installation(event),
        "installation_repositories" => account::installation_repositories(event),
        "github_app_authorization" => Sentence::new(format!("{actor} {} the app's authorization", event.action())),
        "marketplace_purchase" => account::marketplace_purchase(event),
        "sponsorship" => account::sponsorship(event),
        "projects_v2_item" => account::project_item(event),
        _ => account::other(event),
    }
}
