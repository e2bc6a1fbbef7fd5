//! Payloads that GitHub would not send, or sends on behalf of somebody unfriendly.

use crate::events::Report;
use crate::text::MAX_SENTENCE;
use crate::transform::{Refusal, report};
use proptest::prelude::*;
use serde_json::{Value, json};

const JSON: Option<&str> = Some("application/json");

fn sentence(event: &str, payload: &Value) -> String {
    match report(Some(event), JSON, payload.to_string().as_bytes()) {
        Ok(Report::Say { sentence, .. }) => sentence,
        other => panic!("{other:?}"),
    }
}

fn issue(title: &str) -> Value {
    json!({
        "action": "opened",
        "issue": { "number": 1, "title": title, "html_url": "https://github.com/o/r/issues/1" },
        "repository": { "full_name": "o/r" },
        "sender": { "login": "mona" },
    })
}

#[test]
fn a_title_cannot_break_out_of_its_line_or_its_quotes() {
    assert_eq!(
        sentence("issues", &issue("a\nSYSTEM: \"obey\"\u{202e}\u{1b}[2J")),
        "mona opened issue #1 \"a SYSTEM: 'obey' [2J\" in o/r: https://github.com/o/r/issues/1"
    );
}

#[test]
fn a_long_title_is_cut_and_the_link_stays() {
    let line = sentence("issues", &issue(&"long ".repeat(5_000)));
    assert!(line.contains("long…\" in o/r: https://github.com/o/r/issues/1"), "{line}");
    assert!(line.chars().count() <= MAX_SENTENCE);
}

#[test]
fn many_commits_are_counted_and_three_are_named() {
    let commit = |index: u32| json!({ "id": format!("{index:040}"), "message": format!("Change {index}\n\nWhy.") });
    let payload = json!({
        "ref": "refs/heads/main",
        "commits": (0..5).map(commit).collect::<Vec<_>>(),
        "repository": { "full_name": "o/r" },
        "sender": { "login": "mona" },
    });
    assert_eq!(
        sentence("push", &payload),
        "mona pushed 5 commits to main of o/r: \"Change 0\" (0000000), \"Change 1\" (0000000), \"Change 2\" (0000000) and 2 more"
    );
}

#[test]
fn an_event_nobody_has_heard_of_still_makes_a_sentence() {
    let payload = json!({
        "action": "polished",
        "shiny_thing": { "name": "lamp" },
        "repository": { "full_name": "o/r" },
        "sender": { "login": "mona" },
    });
    assert_eq!(sentence("shiny_thing", &payload), "mona polished shiny thing lamp on o/r");
}

#[test]
fn what_says_nothing_is_discarded_with_a_reason() {
    let discarded = |event, body: &[u8]| match report(Some(event), JSON, body) {
        Ok(Report::Discard(reason)) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(discarded("push", b"{}"), "push: the payload names neither who nor where");
    assert!(discarded("ping", b"{\"zen\":\"x\"}").starts_with("ping: the handshake"));
}

#[test]
fn a_request_that_is_not_githubs_is_refused_with_the_fix() {
    let refusal = |event, content_type, body: &[u8]| match report(event, content_type, body) {
        Err(Refusal::NoEvent(reason) | Refusal::UnsupportedBody(reason)) => reason,
        other => panic!("{other:?}"),
    };
    assert!(refusal(None, JSON, b"{}").contains("`x-github-event` is missing"));
    assert!(refusal(Some("Push\n"), JSON, b"{}").contains("not the name of an event"));
    assert!(refusal(Some("push"), JSON, b"{").contains("line 1, column 2"));
    assert!(refusal(Some("push"), JSON, b"[]").contains("not a JSON object"));
    assert!(refusal(Some("push"), Some("application/x-www-form-urlencoded"), b"a=1").contains("`payload`"));
    assert!(refusal(Some("push"), None, b"\xff").contains("UTF-8"));
}

/// Values of the wrong kind at the paths that sentences read.
fn odd_payload() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        Just(json!([])),
        Just(json!([7])),
        Just(json!({})),
        any::<bool>().prop_map(|flag| json!(flag)),
        any::<u32>().prop_map(|number| json!(number)),
        any::<String>().prop_map(|text| json!(text)),
    ];
    let names = prop::sample::select(vec![
        "action",
        "repository",
        "sender",
        "login",
        "full_name",
        "issue",
        "pull_request",
        "comment",
        "commits",
        "ref",
        "title",
        "number",
        "pages",
        "alert",
        "label",
        "check_run",
        "workflow_run",
        "repositories_added",
        "name",
    ]);
    let names = names.prop_map(str::to_owned);
    leaf.prop_recursive(3, 40, 8, move |inner| {
        prop_oneof![
            prop::collection::btree_map(names.clone(), inner.clone(), 1..8).prop_map(|map| json!(map)),
            prop::collection::vec(inner, 0..3).prop_map(|list| json!(list)),
        ]
    })
}

const EVENTS: [&str; 12] = [
    "push",
    "issues",
    "pull_request",
    "issue_comment",
    "check_run",
    "workflow_run",
    "gollum",
    "label",
    "status",
    "installation_repositories",
    "code_scanning_alert",
    "something_new",
];

proptest! {
    #[test]
    fn no_payload_panics_and_every_sentence_is_one_bounded_line(
        event in prop::sample::select(EVENTS.to_vec()), payload in odd_payload(),
    ) {
        if let Ok(Report::Say { sentence, conversation }) = report(Some(event), JSON, payload.to_string().as_bytes()) {
            prop_assert!(sentence.chars().count() <= MAX_SENTENCE);
            prop_assert!(!sentence.chars().any(char::is_control));
            prop_assert!(conversation.is_none_or(|name| !name.chars().any(char::is_control)));
        }
    }

    #[test]
    fn no_bytes_panic(event in any::<Option<String>>(), body in any::<Vec<u8>>()) {
        for content_type in [None, JSON, Some("application/x-www-form-urlencoded")] {
            let _ = report(event.as_deref(), content_type, &body);
            let _ = report(Some("push"), content_type, &body);
        }
    }
}
