//! The README's first minute, run as it is printed: whoever pastes it must get what it promises.
//!
//! Only two things differ from a reader's terminal: the gateway was started by the test instead of `make run`, and so
//! listens on a port of its own.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use openclaw_tests::{TestGateway, openclaw};
use serde_json::json;
use tempfile::TempDir;

const README: &str = include_str!("../../README.md");
const SENTENCE: &str = "Deployment completed: api-v2 is now success (commit abc123)";

/// The shell blocks of the section, in order.
fn blocks() -> Vec<&'static str> {
    let (_, section) = README.split_once("\n## Sixty seconds\n").expect("the README has the section");
    let section = section.split("\n## ").next().expect("a split has a first part");
    section.split("```sh\n").skip(1).map(|rest| rest.split("```").next().expect("a block ends")).collect()
}

fn has(program: &str, path: &std::ffi::OsStr) -> bool {
    let found = Command::new(program).arg("--version").env("PATH", path).output().is_ok();
    assert!(found || std::env::var_os("CI").is_none(), "CI has no {program}");
    if !found {
        // The runner shows what a test says when it is asked to; `make test` says beforehand what is not installed.
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "skipped: {program} is not installed");
    }
    found
}

/// Programs of the build under test first, then what `make test` installs, then the machine's.
fn path() -> std::ffi::OsString {
    let program = openclaw();
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/bin");
    let machine = std::env::var_os("PATH").unwrap_or_default();
    let folders = [program.parent().expect("a program lies in a folder").to_owned(), tools];
    std::env::join_paths(folders.into_iter().chain(std::env::split_paths(&machine))).expect("no folder has a colon")
}

#[tokio::test]
async fn the_sixty_seconds_of_the_readme_work_as_pasted() {
    let (path, printed) = (path(), blocks());
    let (start, pasted) = printed.split_first().expect("the section has blocks");
    assert_eq!(*start, "make run\n");
    assert!(pasted.iter().any(|block| block.contains("websocat")) && pasted.iter().any(|block| block.contains("curl")));
    let gateway = TestGateway::start("{}").await;
    let mut watching = gateway.connect("").await;
    watching.ask("status", "watching", &json!({})).await;

    // `~/.openclaw` is the gateway's home; nothing else of this machine's user is seen.
    let user = TempDir::new().unwrap();
    symlink(gateway.home(), user.path().join(".openclaw")).unwrap();
    let port = format!(":{}", gateway.address().rsplit(':').next().expect("an address has a port"));
    // One shell for all of them, as a person has: what one block exports, the next one uses.
    let mut script = "set -euo pipefail\n".to_owned();
    for block in pasted {
        if block.contains("websocat") && !has("websocat", &path) || block.contains("curl") && !has("curl", &path) {
            continue;
        }
        script.push_str(&block.replace(":18789", &port));
    }
    let ran = tokio::process::Command::new("bash")
        .args(["-c", &script])
        .current_dir(user.path())
        .env_clear()
        .env("PATH", &path)
        .env("HOME", user.path())
        .stdin(std::process::Stdio::null())
        .output()
        .await
        .unwrap();
    let (data, talk) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{}\n{data}\n{talk}", ran.status);
    assert!(data.contains("list skills"), "release notes were written: {data}");
    if has("curl", &path) {
        let seen = watching.first_of("channel.message.received").await.expect("the webhook is heard");
        assert_eq!(seen["payload"]["text"], SENTENCE);
        assert!(README.contains(SENTENCE), "and it is the sentence that was promised");
    }
    gateway.stop().await;
}
