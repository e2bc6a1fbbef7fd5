//! A transform gives the same bytes for the same input, whichever process asks, and however often.

use std::process::Stdio;

use openclaw_tests::replay::{REPLAY, replay};
use openclaw_tests::{TestRegistry, test_compiler};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::guests::{EGRESS_HOSTILE, TRANSFORMS};

/// Inputs of a run, half of them events and half of them requests.
const INPUTS: usize = 256;

/// What strangers write into a string: placeholders, variables, markup, escapes and anything else.
fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("{{event.message}}".to_owned()),
        Just("{{body.text}}".to_owned()),
        Just("${HOME}".to_owned()),
        Just("<!channel> & <@U1|x>".to_owned()),
        "[ -~]{0,12}",
        any::<String>(),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|flag| json!(flag)),
        any::<f64>().prop_map(|number| json!(number)),
        any_text().prop_map(|text| json!(text)),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|list| json!(list)),
            prop::collection::btree_map("[a-z_]{1,8}", inner, 0..6).prop_map(|map| json!(map)),
        ]
    })
}

/// An object with the fields that transforms read, each there or not, and of any type.
fn any_data() -> impl Strategy<Value = Value> {
    let known = prop::sample::select(vec![
        "message",
        "task_name",
        "result",
        "context",
        "channel",
        "sender_name",
        "text",
        "error",
        "type",
        "severity",
        "details",
        "event",
        "location",
        "entity_id",
        "user_name",
        "repository",
        "action",
        "sender",
    ]);
    prop::collection::btree_map(known, any_json(), 0..8).prop_map(|map| json!(map))
}

/// One input: a line of `replay`.
fn any_input() -> impl Strategy<Value = Value> {
    let kinds = ["agent.task.completed", "agent.error", "channel.message.received", "security.alert", "push", "ping"];
    let egress = ["template", "slack", "pagerduty", "datadog", "home-assistant"];
    let ingress = ["template", "slack", "github", "home-assistant"];
    let settings = prop_oneof![
        Just(json!({ "routing_key": "${KEY}" })),
        Just(json!({})),
        Just(json!({ "api": "events", "tags": ["b:1", "a:2"] })),
        any_data(),
        Just(json!({ "message": "{{body}} {{body.text}} {{body.details.a}}", "skill": "a/b", "all": "{{event}}" })),
        Just(json!({ "message": "<{{body.message}}>", "z": "{{event.message}}", "a": ["{{event.details}}", 1.0] })),
    ];
    let types = ["application/json", "application/x-www-form-urlencoded", "text/plain"];
    let select = |words: &[&'static str]| prop::sample::select(words.to_vec());
    (select(&kinds), settings, any_data(), select(&egress), select(&ingress), select(&types), any::<bool>()).prop_map(
        |(kind, settings, data, egress, ingress, content_type, out)| {
            let (settings, data) = (settings.to_string(), data.to_string());
            if out {
                json!({ "transform": egress, "id": "evt_1", "kind": kind, "settings": settings, "data": data })
            } else {
                let line = json!({ "transform": ingress, "kind": kind, "settings": settings });
                let mut line = line;
                line["content_type"] = json!(content_type);
                line["body"] = json!(data);
                line
            }
        },
    )
}

async fn in_another_process(components: &[&str], lines: &str) -> String {
    let mut child = tokio::process::Command::new(test_compiler())
        .arg(REPLAY)
        .args(components)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{:?}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn the_same_input_gives_the_same_bytes_in_two_processes_and_twice_in_one() {
    let mut runner = TestRunner::default();
    let mut inputs: Vec<Value> = (0..INPUTS).map(|_| any_input().new_tree(&mut runner).unwrap().current()).collect();
    let float = json!({ "behave": "nan" }).to_string();
    inputs.push(json!({ "transform": "egress-hostile", "id": "e", "kind": "k", "settings": float, "data": "{}" }));
    let lines: String = inputs.iter().map(|input| format!("{input}\n")).collect();

    let components: Vec<&str> = TRANSFORMS.iter().copied().chain([EGRESS_HOSTILE]).collect();
    let registry = TestRegistry::serving(&components).await;
    let (here, there) = tokio::join!(replay(&registry, &lines), in_another_process(&components, &lines));
    let again = replay(&registry, &lines).await;

    assert_eq!(here.lines().count(), inputs.len());
    let sent = here.lines().filter(|line| line.starts_with("application/json") || line.starts_with("Message")).count();
    assert!(sent > INPUTS / 8, "only {sent} of {INPUTS} inputs came to anything: they test nothing");
    for (((input, here), there), again) in inputs.iter().zip(here.lines()).zip(there.lines()).zip(again.lines()) {
        assert_eq!(here, there, "in another process, of {input}");
        assert_eq!(here, again, "a second time, of {input}");
    }
    assert_eq!(here, there);
}
