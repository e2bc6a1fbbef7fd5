//! The jail holds whatever runs in it: the compiler here is a shell script that does what a subverted one would.

use std::fs;
use std::time::Duration;

use insta::assert_snapshot;
use openclaw_tests::raw::RawSkill;
use openclaw_tests::{Opening, compiler_script};
use tempfile::TempDir;

/// What an install says whose compiler does these lines of shell, and the folder `$HERE` of the script.
async fn refusal_of(lines: &str) -> (String, TempDir) {
    let here = TempDir::new().unwrap();
    let script = compiler_script(here.path(), &lines.replace("$HERE", here.path().to_str().unwrap()));
    let opening = Opening::default().with_cache(here.path()).with(|settings| {
        settings.compile.program = script;
        settings.compile.deadline = Duration::from_secs(2);
        settings.compile.max_artifact_bytes = 1 << 20;
    });
    let registry = opening.open().await;
    (registry.refusal_to_install(RawSkill::default().component()).await, here)
}

#[tokio::test]
async fn a_compiler_that_never_ends_is_killed_at_its_deadline() {
    let (refusal, here) = refusal_of("echo $$ > $HERE/pid; exec /bin/sleep 100000").await;
    assert_snapshot!(refusal, @"
    `refused` was refused: compiling it takes more than 2 s
    hint: build it optimised, or split it
    ");
    let pid = fs::read_to_string(here.path().join("pid")).unwrap();
    let command = format!("/proc/{}/cmdline", pid.trim());
    openclaw_tests::until(|| fs::read(&command).map_or(true, |command| !command.starts_with(b"/bin/sleep"))).await;
}

#[tokio::test]
async fn code_larger_than_the_limit_is_refused_without_being_kept() {
    let (refusal, here) = refusal_of("exec /usr/bin/head -c 3000000 /dev/zero").await;
    assert_snapshot!(refusal, @"
    `refused` was refused: compiling it takes more than 1048576 bytes of code
    hint: build it optimised, or split it
    ");
    assert_eq!(fs::read_dir(here.path().join("cache")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_compiler_is_told_nothing_of_the_gateway_s_environment() {
    let (_, here) = refusal_of("/bin/cat /proc/$$/environ > $HERE/environment").await;
    assert!(std::env::vars_os().count() > 0, "there is something to keep from it");
    assert_eq!(fs::read_to_string(here.path().join("environment")).unwrap(), "");
}
