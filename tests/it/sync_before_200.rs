//! The order of system calls behind a 200: the request is read, the disk has it, and only then the answer is written.

use std::path::Path;
use std::process::Command;

use openclaw_tests::TestGateway;
use serde_json::json;
use tempfile::TempDir;

const CONFIG: &str = r#"{
    log_level: "error",
    webhooks: { incoming: { secret: "a-secret-of-the-tests-own", endpoints: [{ path: "/door", message: "{{body}}" }] } },
}"#;

/// What is watched: whatever reads a request, syncs a file or writes an answer.
const CALLS: &str = "trace=fdatasync,fsync,read,recvfrom,write,writev,sendto";
const POSTS: usize = 5;

fn has_strace() -> bool {
    let found = Command::new("strace").arg("-V").output().is_ok_and(|output| output.status.success());
    assert!(found || std::env::var_os("CI").is_none(), "CI has no strace: `apt-get install strace`");
    if !found {
        // The runner shows what a test says when it is asked to; `make test` says beforehand that this one skips.
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "skipped: strace is not installed");
    }
    found
}

/// The log, once the traced process has ended in it: the tracer outlives it by a moment.
async fn whole_log(file: &Path, id: u32) -> String {
    let end = format!("{id} +++ exited with");
    loop {
        let log = String::from_utf8_lossy(&std::fs::read(file).unwrap_or_default()).into_owned();
        if log.lines().any(|line| line.split_whitespace().collect::<Vec<_>>().join(" ").starts_with(&end)) {
            return log;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_webhook_is_synced_to_disk_before_it_is_answered() {
    if !has_strace() {
        return;
    }
    let (home, logs) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let log = logs.path().join("strace");
    // `-D`: the tracer is nobody's parent, so signals and the exit code are the gateway's own.
    let wrapper = ["strace", "-D", "-f", "-s", "64", "-e", CALLS, "-o", log.to_str().unwrap()];
    let gateway = TestGateway::start_under(&wrapper, home, CONFIG).await;
    let id = gateway.process_id();
    for number in 0..POSTS {
        let headers = [("x-webhook-secret", "a-secret-of-the-tests-own")];
        assert_eq!(gateway.post("/webhook/door", &headers, &json!({ "number": number })).await.status, 200);
    }
    gateway.stop().await;

    let log = whole_log(&log, id).await;
    let (mut asked, mut answered, mut synced) = (0, 0, false);
    for line in log.lines() {
        if line.contains("POST /webhook/door") {
            asked += 1;
            synced = false;
        }
        // A call that waits is two lines; it is done at the second.
        let is_sync = line.contains("fdatasync") || line.contains("fsync");
        if is_sync && line.trim_end().ends_with("= 0") {
            synced = true;
        }
        if line.contains("HTTP/1.1 200") {
            assert!(synced, "answered before it was synced:\n{log}");
            answered += 1;
        }
    }
    assert_eq!((asked, answered), (POSTS, POSTS), "{log}");
}
