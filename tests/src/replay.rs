//! Transforms run from a list, in this process or in another one, so that what came out can be compared.
//!
//! Invariant: a run depends on its line alone: ids, times and traces are in it, and nothing is taken from this process.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use openclaw_domain::ports::Guests as _;
use openclaw_domain::{
    EgressCall, EgressEvent, EgressOutcome, IngressCall, IngressOutcome, IngressRequest, TenantId, Timestamp,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::registry::{Opening, TestRegistry, told};

/// The argument that makes the test compiler install the components named after it, run the lines on its standard input
/// and print what came out.
pub const REPLAY: &str = "replay";

/// Reads standard input, prints what came out: a line for a line.
///
/// # Panics
/// If a component is not installed or a line is not one of [`replay`].
pub fn replay_main(components: &[&str], compiler: PathBuf) -> ExitCode {
    let mut lines = String::new();
    std::io::stdin().read_to_string(&mut lines).expect("standard input is text");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let said = runtime.expect("a runtime of two threads fits").block_on(async {
        // Code of its own, compiled by itself: that of another process could not differ.
        let cache = TempDir::new().expect("a temporary folder can be made");
        let opening = Opening { cache: cache.path().to_owned(), ..Opening::bare() };
        let opening = opening.with(|settings| {
            settings.compile.program = compiler;
            // No load on the machine may make an honest call run into it.
            settings.limits.deadline = Duration::from_secs(120);
        });
        let registry = opening.open().await;
        for component in components {
            registry.install(component).await;
        }
        replay(&registry, &lines).await
    });
    let written = std::io::stdout().write_all(said.as_bytes());
    if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs each line, a JSON object: `transform`, `settings`, and either `data`, `kind`, `id` of an event or `body` and
/// `content_type` of a request, all of them text. What comes of each is one line.
///
/// # Panics
/// If a line is not that.
pub async fn replay(registry: &TestRegistry, lines: &str) -> String {
    let mut said = String::new();
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).expect("a line is a JSON object");
        said.push_str(&one(registry, &line).await.escape_debug().to_string());
        said.push('\n');
    }
    said
}

async fn one(registry: &TestRegistry, line: &Value) -> String {
    let text = |name: &str| line[name].as_str().unwrap_or_else(|| panic!("`{name}` is text")).to_owned();
    let trace = "0af7651916cd43dd8448eb211c80319c".parse().expect("a trace id");
    let transform = text("transform").parse().expect("a name");
    let settings = text("settings").into();
    let at = Timestamp::from_millis(1_780_920_000_000);
    if line.get("data").is_some() {
        let (id, kind, data, endpoint) = (text("id"), text("kind"), text("data").into(), "test".into());
        let event = EgressEvent { id, kind, timestamp: at, data, endpoint, settings };
        let call = EgressCall { tenant: TenantId::default(), transform, event, trace };
        return match registry.registry.transform_egress(call).await.map(|reply| reply.outcome) {
            Ok(EgressOutcome::Deliver { content_type, headers, body, missing }) => {
                format!("{content_type} {headers:?} {missing} {}", String::from_utf8_lossy(&body))
            }
            Ok(skip) => format!("{skip:?}"),
            Err(refusal) => told(Err(refusal)),
        };
    }
    let request = IngressRequest {
        path: "/door".into(),
        method: "POST".to_owned(),
        query: Vec::new(),
        headers: vec![("x-github-event".to_owned(), text("kind"))],
        content_type: Some(text("content_type")),
        body: Bytes::from(text("body")),
        received_at: at,
        settings,
    };
    let call = IngressCall { tenant: TenantId::default(), transform, request, trace };
    match registry.registry.transform_ingress(call).await.map(|reply| reply.outcome) {
        Ok(IngressOutcome::Respond { status, content_type, body }) => {
            format!("respond {status} {content_type} {}", String::from_utf8_lossy(&body))
        }
        Ok(other) => format!("{other:?}"),
        Err(refusal) => told(Err(refusal)),
    }
}
