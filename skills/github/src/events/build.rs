//! Workflows, checks, deployments and commit statuses: what machines say about a commit.

use crate::event::Event;
use crate::text::Sentence;

/// What a state or conclusion means, as the end of a sentence.
fn outcome(state: &str) -> String {
    match state {
        "success" => "succeeded",
        "failure" => "failed",
        "error" => "ended in an error",
        "cancelled" => "was cancelled",
        "timed_out" => "timed out",
        "skipped" => "was skipped",
        "neutral" => "finished as neutral",
        "action_required" => "needs action",
        "stale" => "went stale",
        "startup_failure" => "failed to start",
        "requested" | "created" => "was requested",
        "queued" => "was queued",
        "waiting" | "pending" => "is waiting",
        "in_progress" => "is running",
        "completed" | "" => "finished",
        "inactive" => "became inactive",
        other => return format!("is {}", other.replace('_', " ")),
    }
    .to_owned()
}

/// The conclusion below `path` once there is one, else its status, else the action.
fn progress(event: &Event<'_>, path: &str) -> String {
    let conclusion = event.name(&format!("{path}.conclusion"));
    let action = event.name("action");
    match (action.as_str(), conclusion.as_str()) {
        ("completed", conclusion) => outcome(conclusion),
        ("created", "") => outcome(&event.name(&format!("{path}.status"))),
        ("created", conclusion) => outcome(conclusion),
        (action, _) => outcome(action),
    }
}

/// ` on branch`, or ` on commit abc1234` where no branch is known.
fn on(event: &Event<'_>, branch: &str, commit: &str) -> String {
    let branch = event.branch(branch);
    if branch.is_empty() { format!("commit {}", event.commit(commit)) } else { branch }
}

/// A run of a workflow.
pub(super) fn workflow_run(event: &Event<'_>) -> Sentence {
    let workflow = event.first_name(&["workflow_run.name", "workflow.name", "workflow_run.path"]);
    let on = on(event, "workflow_run.head_branch", "workflow_run.head_sha");
    let (place, progress) = (event.place(), progress(event, "workflow_run"));
    let (number, actor) = (event.name("workflow_run.run_number"), event.actor());
    Sentence::new(format!("{workflow} on {on} of {place} {progress} (workflow run #{number} by {actor})"))
        .link(event.link("workflow_run.html_url"))
}

/// A job of a workflow.
pub(super) fn workflow_job(event: &Event<'_>) -> Sentence {
    let job = event.name("workflow_job.name");
    let workflow = event.name("workflow_job.workflow_name");
    let workflow = if workflow.is_empty() { workflow } else { format!(" of workflow {workflow}") };
    let on = on(event, "workflow_job.head_branch", "workflow_job.head_sha");
    let (place, progress) = (event.place(), progress(event, "workflow_job"));
    let (run, actor) = (event.name("workflow_job.run_id"), event.actor());
    Sentence::new(format!("job {job}{workflow} on {on} of {place} {progress} (run {run} by {actor})"))
        .link(event.link("workflow_job.html_url"))
}

/// One check of a commit.
pub(super) fn check_run(event: &Event<'_>) -> Sentence {
    let (actor, place, commit) = (event.actor(), event.place(), event.commit("check_run.head_sha"));
    let branch = event.branch("check_run.check_suite.head_branch");
    let branch = if branch.is_empty() { branch } else { format!("{branch}, ") };
    let check = format!("check {} on {branch}commit {commit} of {place}", event.name("check_run.name"));
    let text = match event.name("action").as_str() {
        "rerequested" => format!("{actor} asked to run {check} again"),
        "requested_action" => {
            format!("{actor} asked for action {} of {check}", event.name("requested_action.identifier"))
        }
        _ => format!("{check} {} (by {actor})", progress(event, "check_run")),
    };
    Sentence::new(text).link(event.link("check_run.html_url"))
}

/// All checks of one app for a commit.
pub(super) fn check_suite(event: &Event<'_>) -> Sentence {
    let (actor, place, commit) = (event.actor(), event.place(), event.commit("check_suite.head_sha"));
    let branch = event.branch("check_suite.head_branch");
    let branch = if branch.is_empty() { branch } else { format!("{branch}, ") };
    let suite = format!("check suite of {} on {branch}commit {commit} of {place}", event.name("check_suite.app.name"));
    Sentence::new(match event.name("action").as_str() {
        "rerequested" => format!("{actor} asked to run {suite} again"),
        _ => format!("{suite} {} (by {actor})", progress(event, "check_suite")),
    })
}

/// A deployment was asked for.
pub(super) fn deployment(event: &Event<'_>) -> Sentence {
    let (actor, place) = (event.actor(), event.place());
    let (reference, target) = (event.branch("deployment.ref"), event.name("deployment.environment"));
    // Older GitHub Enterprise servers send no action.
    let action = Some(event.action()).filter(|action| !action.is_empty()).unwrap_or_else(|| "created".to_owned());
    Sentence::new(format!("{actor} {action} a deployment of {reference} to {target} in {place}"))
        .link(event.link("workflow_run.html_url"))
}

/// A deployment came further.
pub(super) fn deployment_status(event: &Event<'_>) -> Sentence {
    let (actor, place, state) = (event.actor(), event.place(), outcome(&event.name("deployment_status.state")));
    let (reference, target) = (event.branch("deployment.ref"), event.name("deployment.environment"));
    let about = event.saying("deployment_status.description");
    let link = event.link("deployment_status.environment_url").or_else(|| event.link("deployment_status.target_url"));
    Sentence::new(format!("deployment of {reference} to {target} in {place} {state} (by {actor}){about}")).link(link)
}

/// A reviewer is asked for, or decided about, a deployment.
pub(super) fn deployment_review(event: &Event<'_>) -> Sentence {
    let (actor, place) = (event.actor(), event.place());
    let target = event.first_name(&["environment", "workflow_job_run.environment"]);
    let run = event.name("workflow_run.name");
    Sentence::new(match event.name("action").as_str() {
        "requested" => format!("deployment to {target} in {place} waits for review (workflow {run} by {actor})"),
        _ => format!("{actor} {} the deployment to {target} in {place} (workflow {run})", event.action()),
    })
    .link(event.link("workflow_run.html_url"))
}

/// A status was reported for a commit.
pub(super) fn status(event: &Event<'_>) -> Sentence {
    let (actor, place, commit) = (event.actor(), event.place(), event.commit("sha"));
    let (context, state) = (event.name("context"), outcome(&event.name("state")));
    let about = event.saying("description");
    Sentence::new(format!("status {context} on commit {commit} of {place} {state} (by {actor}){about}"))
        .link(event.link("target_url").or_else(|| event.link("commit.html_url")))
}

/// A merge queue asks for its checks.
pub(super) fn merge_group(event: &Event<'_>) -> Sentence {
    let (actor, place, base) = (event.actor(), event.place(), event.branch("merge_group.base_ref"));
    let commit = event.commit("merge_group.head_sha");
    Sentence::new(format!("merge group {commit} into {base} of {place}: {} (by {actor})", event.action()))
}
