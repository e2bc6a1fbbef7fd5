//! The components that come with the gateway, and an operator who wants something else.

use std::path::Path;

use openclaw_tests::gateway::cli;
use openclaw_tests::raw::RawSkill;
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

async fn info(home: &Path, skill: &str) -> Value {
    serde_json::from_str(&cli(home, &["skills", "info", skill]).await.unwrap()).unwrap()
}

async fn install(home: &Path, skill: &RawSkill) -> Value {
    let file = home.join("made.wasm");
    std::fs::write(&file, skill.file()).unwrap();
    serde_json::from_str(&cli(home, &["skills", "install", file.to_str().unwrap()]).await.unwrap()).unwrap()
}

#[tokio::test]
async fn an_operator_s_own_skill_of_a_bundled_name_stays_until_it_is_removed() {
    let home = TempDir::new().unwrap();
    let bundled = info(home.path(), "text-diff").await;
    assert_eq!(bundled["bundled"], true);
    let own = install(home.path(), &RawSkill::saying("text-diff", "my own")).await;
    assert_ne!(own["digest"], bundled["digest"]);
    // Each command starts on the home anew, as a gateway does.
    for _ in 0..2 {
        let found = info(home.path(), "text-diff").await;
        assert_eq!((&found["digest"], &found["bundled"]), (&own["digest"], &json!(false)));
    }
    cli(home.path(), &["skills", "remove", "text-diff"]).await.unwrap();
    assert_eq!(info(home.path(), "text-diff").await["digest"], bundled["digest"], "the bundled one is back");
}

#[tokio::test]
async fn a_bundled_skill_that_was_switched_off_stays_off_when_a_new_version_replaces_it() {
    let home = TempDir::new().unwrap();
    let new = info(home.path(), "text-diff").await["digest"].clone();
    cli(home.path(), &["skills", "disable", "text-diff"]).await.unwrap();
    let other = install(home.path(), &RawSkill::saying("other", "as if older")).await["digest"].clone();
    // What an older gateway left behind: a bundled component of the same name with another digest.
    let older = other.as_str().unwrap().strip_prefix("sha256:").unwrap();
    let database = Connection::open(home.path().join("openclaw.db")).unwrap();
    let changed = database
        .execute("UPDATE installed SET digest = ?1 WHERE name = 'text-diff' AND bundled = 1 AND enabled = 0", [older])
        .unwrap();
    assert_eq!(changed, 1);
    drop(database);
    let found = info(home.path(), "text-diff").await;
    assert_eq!(
        (&found["digest"], &found["enabled"], &found["bundled"]),
        (&new, &json!(false), &json!(true)),
        "it is the new version, and still off"
    );
}
