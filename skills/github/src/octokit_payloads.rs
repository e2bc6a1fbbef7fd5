//! Every payload of npm `@octokit/webhooks-examples`, as the sentence it becomes.
//!
//! `OPENCLAW_NODE_MODULES`, which `make test` sets, is the folder that holds the package, or
//! `OPENCLAW_OCTOKIT_EXAMPLES` is the package itself. To accept new sentences: `OPENCLAW_ACCEPT=1`, and
//! read the diff.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::events::Report;
use crate::text::MAX_SENTENCE;
use crate::transform::report;
use serde_json::Value;

const SNAPSHOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots/octokit.txt");

/// The commonest events, each with where its payload names the object that a sentence must name.
const COMMON: [(&str, &[&str]); 26] = [
    ("push", &["/ref"]),
    ("pull_request", &["/pull_request/number", "/pull_request/title"]),
    ("pull_request_review", &["/pull_request/number", "/pull_request/title"]),
    ("pull_request_review_comment", &["/pull_request/number", "/comment/path"]),
    ("issues", &["/issue/number", "/issue/title"]),
    ("issue_comment", &["/issue/number", "/issue/title"]),
    ("create", &["/ref", "/ref_type"]),
    ("delete", &["/ref", "/ref_type"]),
    ("fork", &["/forkee/full_name"]),
    ("star", &["/repository/stargazers_count"]),
    ("watch", &["/repository/name"]),
    ("release", &["/release/tag_name"]),
    ("workflow_run", &["/workflow_run/name", "/workflow_run/run_number"]),
    ("workflow_job", &["/workflow_job/name", "/workflow_job/run_id"]),
    ("check_run", &["/check_run/name"]),
    ("check_suite", &["/check_suite/app/name"]),
    ("deployment", &["/deployment/ref", "/deployment/environment"]),
    ("deployment_status", &["/deployment/ref", "/deployment/environment"]),
    ("status", &["/context"]),
    ("commit_comment", &[]),
    ("discussion", &["/discussion/number", "/discussion/title"]),
    ("discussion_comment", &["/discussion/number", "/discussion/title"]),
    ("repository", &["/repository/name"]),
    ("member", &["/member/login"]),
    ("label", &["/label/name"]),
    ("milestone", &["/milestone/title"]),
];

/// Where the package is; `None`, said aloud, when nobody told.
fn package() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("OPENCLAW_OCTOKIT_EXAMPLES") {
        return Some(path.into());
    }
    if let Some(modules) = std::env::var_os("OPENCLAW_NODE_MODULES") {
        return Some(PathBuf::from(modules).join("@octokit/webhooks-examples"));
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "OPENCLAW_NODE_MODULES is not set: run `make test`");
    println!("SKIPPED octokit_payloads: OPENCLAW_NODE_MODULES does not say where @octokit/webhooks-examples is");
    None
}

/// Every payload with the source it comes from, the event's name and its place in the list.
fn payloads(package: &Path) -> Vec<(String, String, usize, Value)> {
    let mut sources: Vec<_> = std::fs::read_dir(package)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("index.json").is_file())
        .collect();
    sources.sort();
    let mut payloads = Vec::new();
    for source in sources {
        let events: Vec<Value> = serde_json::from_slice(&std::fs::read(source.join("index.json")).unwrap()).unwrap();
        for event in events {
            let name = event["name"].as_str().unwrap();
            for (index, payload) in event["examples"].as_array().unwrap().iter().enumerate() {
                let source = source.file_name().unwrap().to_string_lossy().into_owned();
                payloads.push((source, name.to_owned(), index, payload.clone()));
            }
        }
    }
    payloads
}

fn say(event: &str, payload: &Value) -> Report {
    report(Some(event), Some("application/json"), payload.to_string().as_bytes()).unwrap()
}

#[test]
fn every_payload_becomes_the_sentence_on_record() {
    let Some(package) = package() else { return };
    let mut lines = String::new();
    for (source, event, index, payload) in payloads(&package) {
        let action = payload["action"].as_str().map(|action| format!("/{action}")).unwrap_or_default();
        let said = match say(&event, &payload) {
            Report::Say { sentence, conversation } => {
                assert!(sentence.chars().count() <= MAX_SENTENCE, "{sentence}");
                assert!(!sentence.chars().any(char::is_control), "{sentence}");
                assert_eq!(conversation.as_deref(), payload["repository"]["full_name"].as_str());
                sentence
            }
            Report::Discard(reason) => format!("(discarded) {reason}"),
        };
        writeln!(lines, "{source} {event}{action} #{} -> {said}", index + 1).unwrap();
    }
    if std::env::var_os("OPENCLAW_ACCEPT").is_some() {
        std::fs::write(SNAPSHOT, &lines).unwrap();
    }
    let recorded = std::fs::read_to_string(SNAPSHOT).unwrap();
    for (now, then) in lines.lines().zip(recorded.lines()) {
        assert_eq!(now, then);
    }
    assert_eq!(lines.lines().count(), recorded.lines().count(), "payloads came or went");
}

#[test]
fn the_commonest_events_name_repository_actor_and_object() {
    let Some(package) = package() else { return };
    let mut seen = std::collections::BTreeSet::new();
    for (source, event, index, payload) in payloads(&package) {
        let Some((_, objects)) = COMMON.iter().find(|(name, _)| *name == event) else { continue };
        seen.insert(event.clone());
        let Report::Say { sentence, .. } = say(&event, &payload) else { panic!("{event} was discarded") };
        let at = |pointer: &str| match payload.pointer(pointer) {
            Some(Value::String(text)) => {
                text.strip_prefix("refs/heads/").or(text.strip_prefix("refs/tags/")).unwrap_or(text).to_owned()
            }
            Some(Value::Number(number)) => number.to_string(),
            other => panic!("{source} {event} #{index}: {pointer} is {other:?}"),
        };
        let named = ["/repository/full_name", "/sender/login"].into_iter().chain(objects.iter().copied());
        for pointer in named {
            let name = at(pointer);
            assert!(sentence.contains(&name), "{source} {event} #{index}: `{name}` of {pointer} is not in: {sentence}");
        }
        if event == "commit_comment" {
            assert!(sentence.contains(&at("/comment/commit_id")[..7]), "{sentence}");
        }
    }
    assert_eq!(seen.len(), COMMON.len(), "an event has no example: {seen:?}");
}

#[test]
fn every_payload_reads_the_same_as_a_form() {
    let Some(package) = package() else { return };
    for (_, event, _, payload) in payloads(&package) {
        let encoded: String = payload.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect();
        let form =
            report(Some(&event), Some("application/x-www-form-urlencoded"), format!("payload={encoded}").as_bytes());
        assert_eq!(form, Ok(say(&event, &payload)));
    }
}
