//! Secrets from the operator's side: values go in, names come out.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Output, Stdio};

use openclaw_tests::gateway::cli;
use openclaw_tests::{TestGateway, openclaw};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;

const VALUE: &str = "ghp_a-value-that-stands-nowhere-else";

/// Runs a command with this on its standard input.
async fn feed(home: &Path, words: &[&str], input: &str) -> Output {
    let mut child = tokio::process::Command::new(openclaw())
        .arg("--home")
        .arg(home)
        .args(words)
        .env_remove("OPENCLAW_HOME")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    child.wait_with_output().await.unwrap()
}

async fn listed(home: &Path) -> Value {
    serde_json::from_str(&cli(home, &["secrets", "list"]).await.unwrap()).unwrap()
}

/// Whether any file below a folder holds these bytes.
fn holds(folder: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().map(Result::unwrap).any(|entry| match entry.file_type().unwrap() {
        kind if kind.is_dir() => holds(&entry.path(), bytes),
        kind if kind.is_file() => {
            std::fs::read(entry.path()).unwrap().windows(bytes.len()).any(|window| window == bytes)
        }
        _ => false,
    })
}

#[tokio::test]
async fn a_value_is_kept_unseen_replaced_and_forgotten() {
    let home = TempDir::new().unwrap();
    let set = feed(home.path(), &["secrets", "set", "github-token"], &format!("{VALUE}\n")).await;
    let said = [&set.stdout[..], &set.stderr[..]].concat();
    assert!(set.status.success(), "{}", String::from_utf8_lossy(&said));
    assert!(!String::from_utf8_lossy(&said).contains(VALUE));
    assert_eq!(
        listed(home.path()).await,
        json!([{"tenant": "default", "name": "github-token", "source": "store", "has_value": true, "used_by": []}])
    );
    assert!(!holds(home.path(), VALUE.as_bytes()), "it is nowhere in the home as it is");
    let again = feed(home.path(), &["--json", "secrets", "set", "github-token"], "another").await;
    assert_eq!(serde_json::from_slice::<Value>(&again.stdout).unwrap()["new"], false);
    cli(home.path(), &["secrets", "remove", "github-token"]).await.unwrap();
    assert_eq!(listed(home.path()).await, json!([]));
    let absent = cli(home.path(), &["secrets", "remove", "github-token"]).await.unwrap_err();
    assert!(absent.contains("keeps no secret `github-token`") && absent.contains("secrets list"), "{absent}");
}

#[tokio::test]
async fn a_value_is_no_argument_and_nothing_is_no_value() {
    let home = TempDir::new().unwrap();
    let argument = feed(home.path(), &["secrets", "set", "github-token", VALUE], "").await;
    assert_eq!(argument.status.code(), Some(2), "wrong usage");
    for (name, tenant, input, told) in [
        ("github-token", "default", "", "no value was given"),
        ("github-token", "default", "\n", "no value was given"),
        ("GitHub Token", "default", VALUE, "is not a secret's name"),
        ("github-token", "nobody", VALUE, "there is no tenant `nobody`"),
    ] {
        let refused = feed(home.path(), &["secrets", "set", name, "--tenant", tenant], input).await;
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(3), "{said}");
        assert!(said.contains(told) && !said.contains(VALUE), "{said}");
    }
}

#[tokio::test]
async fn values_that_are_elsewhere_are_named_by_the_configuration_and_not_set_here() {
    let home = TempDir::new().unwrap();
    let file = home.path().join("key");
    std::fs::write(&file, VALUE).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let config = json!({
        "secrets": {"from-file": {"file": file}, "from-nowhere": {"env": "A_VARIABLE_NOBODY_SETS"}},
        "tenants": {"acme": {"secrets": {"from-file": {"file": "/nowhere/key"}}}},
    });
    let gateway = TestGateway::start_in(home, &config.to_string()).await;
    let found = listed(gateway.home()).await;
    let short: Vec<_> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            format!("{} {} {}", one["tenant"].as_str().unwrap(), one["name"].as_str().unwrap(), one["has_value"])
        })
        .collect();
    assert_eq!(short, ["acme from-file false", "default from-file true", "default from-nowhere false"]);
    let refused = feed(gateway.home(), &["secrets", "set", "from-file"], "x").await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("`from-file` is read from file ") && !said.contains(VALUE), "{said}");
    assert!(!gateway.said().contains(VALUE));
    gateway.stop().await;
}

#[tokio::test]
async fn a_value_in_the_configuration_is_refused_with_where_it_belongs() {
    let home = TempDir::new().unwrap();
    std::fs::write(home.path().join("openclaw.json"), json!({"secrets": {"token": VALUE}}).to_string()).unwrap();
    let refused = cli(home.path(), &["config", "check"]).await.unwrap_err();
    assert!(refused.contains("a value does not belong into this file"), "{refused}");
    assert!(!refused.contains(VALUE), "{refused}");
}
