//! `openclaw skills build`, `test` and `info`: what an author sees of a component before anybody runs it.

use std::path::Path;
use std::process::Output;

use openclaw_tests::gateway::cli;
use openclaw_tests::openclaw;
use openclaw_tests::raw::RawSkill;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// A folder as an author has it whose toolchain made the component already.
fn author() -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("made.wasm"), RawSkill::saying("parrot", "hello").component()).unwrap();
    let manifest = "name = \"parrot\"\nversion = \"0.1.0\"\ndescription = \"Says hello\"\nworld = \"skill\"\n\
                    component = \"made.wasm\"\n";
    std::fs::write(folder.path().join("skill.toml"), manifest).unwrap();
    std::fs::create_dir(folder.path().join("cases")).unwrap();
    folder
}

fn case(folder: &Path, file: &str, text: &str) {
    let case = json!({ "name": format!("it says {text}"), "arguments": {}, "expect": { "text": text } });
    std::fs::write(folder.join("cases").join(file), case.to_string()).unwrap();
}

async fn run(words: &[&str]) -> Output {
    tokio::process::Command::new(openclaw()).args(words).env_remove("OPENCLAW_HOME").output().await.unwrap()
}

#[tokio::test]
async fn a_case_that_fails_is_named_and_ends_the_test_with_1() {
    let folder = author();
    let dir = folder.path().to_str().unwrap();
    case(folder.path(), "good.json", "hello");
    let good = run(&["skills", "test", dir]).await;
    assert_eq!(good.status.code(), Some(0), "{}", String::from_utf8_lossy(&good.stderr));
    assert_eq!(String::from_utf8_lossy(&good.stdout), "ok    parrot: it says hello\n");
    assert!(String::from_utf8_lossy(&good.stderr).contains("1 of 1 cases pass"));

    case(folder.path(), "wrong.json", "goodbye");
    let bad = run(&["skills", "test", dir]).await;
    let (data, talk) = (String::from_utf8_lossy(&bad.stdout), String::from_utf8_lossy(&bad.stderr));
    assert_eq!(bad.status.code(), Some(1), "{talk}");
    assert!(data.contains("ok    parrot: it says hello\nFAIL  parrot: it says goodbye\n"), "{data}");
    assert!(data.lines().last().unwrap().contains("goodbye"), "what differs is shown: {data}");
    assert!(talk.contains("1 of 2 cases pass") && talk.contains("error: 1 of 2 cases fail"), "{talk}");

    let listed = run(&["--json", "skills", "test", dir]).await;
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let passed: Vec<_> = listed.as_array().unwrap().iter().map(|one| one["passed"].as_bool().unwrap()).collect();
    assert_eq!(passed, [true, false]);
}

#[tokio::test]
async fn a_folder_without_cases_does_not_pass() {
    let folder = author();
    let tested = run(&["skills", "test", folder.path().to_str().unwrap()]).await;
    assert_eq!(tested.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&tested.stderr).contains("has no cases"));
}

#[tokio::test]
async fn a_build_says_where_the_file_is_and_its_size_imports_and_digest() {
    let folder = author();
    let built = run(&["--json", "skills", "build", folder.path().to_str().unwrap()]).await;
    assert_eq!(built.status.code(), Some(0), "{}", String::from_utf8_lossy(&built.stderr));
    let built: Value = serde_json::from_slice(&built.stdout).unwrap();
    let file = folder.path().join("target/skills/parrot.wasm");
    let bytes = std::fs::read(&file).unwrap();
    let hex: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        built,
        json!([{
            "name": "parrot", "file": file, "size": bytes.len(), "world": "skill", "imports": [],
            "digest": format!("sha256:{hex}"),
        }])
    );
    let words = run(&["skills", "build", folder.path().to_str().unwrap()]).await;
    let words = String::from_utf8(words.stdout).unwrap();
    for shown in [file.to_str().unwrap(), &format!("{} bytes", bytes.len()), "imports  nothing", &hex] {
        assert!(words.contains(shown), "{shown}: {words}");
    }
}

#[tokio::test]
async fn the_memory_an_instance_begins_with_is_shown() {
    let home = TempDir::new().unwrap();
    let file = home.path().join("large.wasm");
    let large = RawSkill { pages: 32, ..RawSkill::saying("large", "ok") };
    std::fs::write(&file, large.file()).unwrap();
    cli(home.path(), &["skills", "install", file.to_str().unwrap()]).await.unwrap();
    for (skill, bytes) in [("large", 2 << 20), ("template", 256 << 10)] {
        let info: Value = serde_json::from_str(&cli(home.path(), &["skills", "info", skill]).await.unwrap()).unwrap();
        assert_eq!(info["initial_memory"], bytes, "{skill}");
    }
}
