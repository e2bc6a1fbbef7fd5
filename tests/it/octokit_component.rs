//! Every payload of npm `@octokit/webhooks-examples` through the `github` component as it is shipped: what its core says
//! natively (the snapshot beside it) is what the component says in its sandbox.

use std::path::PathBuf;

use openclaw_domain::ports::Guests as _;
use openclaw_domain::{IngressCall, IngressOutcome, IngressRequest, TenantId, Timestamp, TraceId};
use openclaw_tests::{Opening, TestRegistry};
use serde_json::Value;

use crate::guests::GITHUB;

const SNAPSHOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../skills/github/tests/snapshots/octokit.txt");

/// The npm package; `None`, said aloud, when nobody told where it is.
#[expect(clippy::print_stdout, reason = "whoever runs the tests must see what was left out")]
fn package() -> Option<PathBuf> {
    if let Some(modules) = std::env::var_os("OPENCLAW_NODE_MODULES") {
        return Some(PathBuf::from(modules).join("@octokit/webhooks-examples"));
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "OPENCLAW_NODE_MODULES is not set: run `make test`");
    println!("SKIPPED octokit_component: OPENCLAW_NODE_MODULES does not say where @octokit/webhooks-examples is");
    None
}

async fn say(registry: &TestRegistry, event: &str, payload: &Value) -> String {
    let request = IngressRequest {
        path: "/github".into(),
        method: "POST".to_owned(),
        query: Vec::new(),
        headers: vec![("x-github-event".to_owned(), event.to_owned())],
        content_type: Some("application/json".to_owned()),
        body: payload.to_string().into(),
        received_at: Timestamp::from_millis(1_780_920_000_000),
        settings: "{}".into(),
    };
    let transform = "github".parse().unwrap();
    let call = IngressCall { tenant: TenantId::default(), transform, request, trace: TraceId::new() };
    match registry.registry.transform_ingress(call).await.unwrap().outcome {
        IngressOutcome::Message { text, .. } => text,
        IngressOutcome::Discard { reason } => format!("(discarded) {reason}"),
        other => panic!("{event}: {other:?}"),
    }
}

#[tokio::test]
async fn every_payload_reads_in_the_sandbox_as_it_reads_natively() {
    let Some(package) = package() else { return };
    let registry = Opening::default().open().await;
    registry.install(GITHUB).await;
    let recorded = std::fs::read_to_string(SNAPSHOT).unwrap();
    let mut recorded = recorded.lines();
    let mut sources: Vec<_> = std::fs::read_dir(package).unwrap().map(|entry| entry.unwrap().path()).collect();
    sources.retain(|path| path.join("index.json").is_file());
    sources.sort();
    for source in sources {
        let events: Vec<Value> = serde_json::from_slice(&std::fs::read(source.join("index.json")).unwrap()).unwrap();
        for event in &events {
            let name = event["name"].as_str().unwrap();
            for payload in event["examples"].as_array().unwrap() {
                let (what, then) = recorded.next().unwrap().split_once(" -> ").unwrap();
                assert_eq!(say(&registry, name, payload).await, then, "{what}");
            }
        }
    }
    assert_eq!(recorded.next(), None);
}
