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

/// The shell blocks of a section, in order.
fn blocks(section: &str) -> Vec<&'static str> {
    let (_, section) = README.split_once(&format!("\n## {section}\n")).expect("the README has the section");
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
    let (path, printed) = (path(), blocks("Sixty seconds"));
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

#[tokio::test]
async fn granting_a_skill_works_as_pasted() {
    let (path, pasted) = (path(), blocks("Grant a skill"));
    assert_eq!(pasted.len(), 2, "before the grant and after it");
    if !has("python3", &path) {
        return;
    }
    let gateway = TestGateway::start("{}").await;
    let user = TempDir::new().unwrap();
    symlink(gateway.home(), user.path().join(".openclaw")).unwrap();
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    // The server of the first block is ended with the shell that began it.
    let mut script = "set -uo pipefail\ntrap 'kill $(jobs -p)' EXIT\n".to_owned();
    for block in pasted {
        script.push_str(
            &block
                .replace("9000", &port)
                .replace("build skills/", &format!("build {}/skills/", checkout.display()))
                .replace("target/guests", &checkout.join("target/guests").display().to_string()),
        );
    }
    let ran = tokio::process::Command::new("bash")
        .args(["-c", &format!("exec 2>&1\n{script}")])
        .current_dir(user.path())
        .env_clear()
        .env("PATH", &path)
        .env("HOME", user.path())
        // What builds the skill is the machine's own toolchain.
        .envs(
            ["CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"]
                .into_iter()
                .filter_map(|name| Some((name, std::env::var_os(name)?))),
        )
        .stdin(std::process::Stdio::null())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    let is_outcome = |line: &&str| line.starts_with("error: ") || line.contains(" is healthy (");
    let found: Vec<&str> = said.lines().filter(is_outcome).collect();
    assert_eq!(found.len(), 3, "{said}");
    assert!(found[0].contains("CAPABILITY_DENIED") && found[2].contains("CAPABILITY_DENIED"), "{said}");
    assert!(found[1].contains("api-v2 in staging is healthy (HTTP 200, version 1.4.2)"), "{said}");
    assert!(
        said.contains("http GET http://127.0.0.1:") || said.contains("GET http://127.0.0.1:"),
        "the grant is shown: {said}"
    );
    gateway.stop().await;
}
