//! Grant files edited by hand, skills removed with their grants, and commands that name the tenant they are about.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use openclaw_tests::gateway::cli;
use openclaw_tests::{Loopback, TestGateway, openclaw, until};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::guests::{POWERS, SLEEPER};

/// As a person runs it, without `--json`; what was said.
async fn said(home: &Path, words: &[&str]) -> (Output, String) {
    let mut command = tokio::process::Command::new(openclaw());
    command.arg("--home").arg(home).args(words).env_remove("OPENCLAW_HOME");
    let output = command.output().await.unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output, text)
}

async fn ask(home: &Path, words: &[&str]) -> Value {
    serde_json::from_str(&cli(home, words).await.unwrap()).unwrap()
}

fn file_of(home: &Path, tenant: &str) -> PathBuf {
    home.join("grants").join(tenant).join("powers.toml")
}

/// A gateway with the skill `powers`, which may ask this server and keep notes.
async fn reaching(server: &Loopback) -> TestGateway {
    let gateway = TestGateway::start("{}").await;
    cli(gateway.home(), &["skills", "install", POWERS]).await.unwrap();
    let (rule, private) = (format!("GET {}/**", server.origin()), server.origin());
    let words = ["skills", "grant", "powers", "--http", &rule, "--private", &private, "--kv", "notes"];
    cli(gateway.home(), &words).await.unwrap();
    gateway
}

/// A call that asks the server for what it never answers; it is under way when this returns.
#[expect(clippy::disallowed_methods, reason = "the caller awaits it: the call is to end by itself")]
async fn hanging(gateway: &TestGateway, server: &Loopback) -> tokio::task::JoinHandle<Result<String, String>> {
    let (home, before) = (gateway.home().to_owned(), server.seen().len());
    let wanted = json!({ "host": server.address(), "path": "/hang" }).to_string();
    let call = tokio::spawn(async move { cli(&home, &["skills", "call", "powers/fetch", &wanted]).await });
    until(|| server.seen().len() > before || call.is_finished()).await;
    assert!(!call.is_finished(), "{:?}", call.await);
    call
}

#[tokio::test]
async fn a_grant_taken_out_of_its_file_ends_the_calls_that_run_at_the_reload() {
    let server = Loopback::start().await;
    let gateway = reaching(&server).await;
    let file = file_of(gateway.home(), "default");
    let whole = std::fs::read_to_string(&file).unwrap();
    let without_kv = whole.replace("\"notes\",", "");
    assert_ne!(without_kv, whole);

    let call = hanging(&gateway, &server).await;
    // A file that says what it said takes nothing away.
    cli(gateway.home(), &["config", "reload"]).await.unwrap();
    assert!(!call.is_finished());
    std::fs::write(&file, without_kv).unwrap();
    cli(gateway.home(), &["config", "reload"]).await.unwrap();
    let ended = call.await.unwrap().unwrap_err();
    assert!(ended.contains("CAPABILITY_DENIED") && ended.contains("the grant was changed"), "{ended}");

    // Any command about grants reads the files anew, and so ends what they no longer allow.
    std::fs::write(&file, &whole).unwrap();
    cli(gateway.home(), &["config", "reload"]).await.unwrap();
    let call = hanging(&gateway, &server).await;
    std::fs::remove_file(&file).unwrap();
    cli(gateway.home(), &["skills", "install", SLEEPER]).await.unwrap();
    cli(gateway.home(), &["skills", "grant", "sleeper", "--kv", "naps"]).await.unwrap();
    let ended = call.await.unwrap().unwrap_err();
    assert!(ended.contains("the grant was changed"), "{ended}");
    let home = gateway.stop().await;
    let database = rusqlite::Connection::open(home.path().join("openclaw.db")).unwrap();
    let ended: Vec<i64> = database
        .prepare("SELECT json_extract(detail, '$.calls_ended') FROM audit WHERE action = 'grant.edit' ORDER BY number")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(ended, [1, 0, 1], "taken away, given back, taken away");
}

#[tokio::test]
async fn removing_a_skill_takes_its_grant_and_ends_its_calls_and_says_what_stays() {
    let server = Loopback::start().await;
    let gateway = reaching(&server).await;
    let note = json!({ "bucket": "notes", "key": "a", "value": "one" }).to_string();
    cli(gateway.home(), &["skills", "call", "powers/set", &note]).await.unwrap();
    let call = hanging(&gateway, &server).await;
    let (output, text) = said(gateway.home(), &["skills", "remove", "powers"]).await;
    assert!(output.status.success(), "{text}");
    assert!(text.contains("- kv notes") && text.contains("calls that were ended: 1"), "{text}");
    assert!(text.contains("openclaw skills remove powers --forget-data"), "{text}");
    let ended = call.await.unwrap().unwrap_err();
    assert!(ended.contains("the skill was removed"), "{ended}");
    assert!(!file_of(gateway.home(), "default").exists());

    // The same bytes again are a stranger's.
    let again = ask(gateway.home(), &["skills", "install", POWERS]).await;
    assert_eq!(again["grant"], "needs-grant");
    let get = ["skills", "call", "powers/get", &note];
    assert!(cli(gateway.home(), &get).await.unwrap_err().contains("CAPABILITY_DENIED"));
    cli(gateway.home(), &["skills", "grant", "powers", "--kv", "notes"]).await.unwrap();
    assert!(ask(gateway.home(), &get).await["text"].to_string().contains("one"), "what it kept stayed");

    let removed = ask(gateway.home(), &["skills", "remove", "powers"]).await;
    assert_eq!((&removed["kept"]["keys"], &removed["forgotten"]["keys"]), (&json!(1), &json!(0)));
    let erased = ask(gateway.home(), &["skills", "remove", "powers", "--forget-data"]).await;
    assert_eq!((&erased["kept"]["keys"], &erased["forgotten"]["keys"]), (&json!(0), &json!(1)));
    let gone = cli(gateway.home(), &["skills", "remove", "powers", "--forget-data"]).await.unwrap_err();
    assert!(gone.contains("SKILL_NOT_FOUND"), "{gone}");
    gateway.stop().await;
}

#[tokio::test]
async fn every_command_that_is_hinted_at_is_for_the_tenant_it_is_about() {
    let home = TempDir::new().unwrap();
    cli(home.path(), &["tenants", "add", "acme"]).await.unwrap();
    let (_, text) = said(home.path(), &["skills", "install", POWERS, "--tenant", "acme"]).await;
    assert!(text.contains("openclaw skills grants diff powers --tenant acme"), "{text}");
    let words = ["skills", "grant", "powers", "--tenant", "acme", "--secret", "signing for hmac"];
    let (_, text) = said(home.path(), &words).await;
    assert!(text.contains("`openclaw skills revoke powers --tenant acme`"), "{text}");
    assert!(text.contains("`openclaw secrets set signing --tenant acme`"), "{text}");
    let sign = json!({ "name": "signing", "text": "x" }).to_string();
    let (_, text) = said(home.path(), &["skills", "call", "powers/sign", &sign, "--tenant", "acme"]).await;
    assert!(text.contains("`openclaw secrets set signing --tenant acme`"), "{text}");
    for (what, words) in [("acme/powers", "openclaw resume acme/powers"), ("acme", "openclaw resume acme")] {
        cli(home.path(), &["pause", what]).await.unwrap();
        let (_, text) = said(home.path(), &["skills", "call", "powers/sign", &sign, "--tenant", "acme"]).await;
        assert!(text.contains(&format!("`{words}`")), "{text}");
    }
    for words in [
        &["skills", "grant", "powers", "--tenant", "acme"][..],
        &["skills", "revoke", "powers", "--tenant", "acme", "--kv", "none"],
    ] {
        let (_, text) = said(home.path(), words).await;
        assert!(text.contains("powers --tenant acme`"), "{text}");
    }
}

#[tokio::test]
async fn a_grant_file_that_is_not_in_force_is_said_everywhere_and_never_written_over() {
    let server = Loopback::start().await;
    let gateway = reaching(&server).await;
    let file = file_of(gateway.home(), "default");
    let misspelt = std::fs::read_to_string(&file).unwrap().replace("kv = [", "vk = [");
    std::fs::write(&file, &misspelt).unwrap();
    let refused = cli(gateway.home(), &["skills", "grant", "powers", "--kv", "other"]).await.unwrap_err();
    assert!(refused.contains("is not in force") && refused.contains("`vk`"), "{refused}");
    assert!(refused.contains("openclaw skills revoke powers` removes it"), "{refused}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), misspelt);

    let (_, status) = said(gateway.home(), &["status"]).await;
    assert!(status.contains("powers.toml` is not in force"), "{status}");
    assert!(ask(gateway.home(), &["status"]).await["grant_problems"][0].to_string().contains("vk"));
    let shown = cli(gateway.home(), &["skills", "grants", "show", "powers"]).await.unwrap_err();
    assert!(shown.contains("powers.toml` is not in force"), "{shown}");
    let denied = cli(gateway.home(), &["skills", "call", "powers/get", r#"{"bucket":"notes","key":"a"}"#]).await;
    let denied = denied.unwrap_err();
    assert!(denied.contains("CAPABILITY_DENIED") && denied.contains("is not in force"), "{denied}");

    // Put right, it counts; others' to write, it does not; removed, it is a grant like any other.
    std::fs::write(&file, misspelt.replace("vk = [", "kv = [")).unwrap();
    cli(gateway.home(), &["skills", "grant", "powers", "--kv", "other"]).await.unwrap();
    assert!(std::fs::read_to_string(&file).unwrap().contains("\"notes\""), "no line was lost");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
    let refused = cli(gateway.home(), &["skills", "grant", "powers", "--kv", "more"]).await.unwrap_err();
    assert!(refused.contains("is not in force"), "{refused}");
    cli(gateway.home(), &["skills", "revoke", "powers"]).await.unwrap();
    assert!(!file.exists());
    cli(gateway.home(), &["skills", "grant", "powers", "--kv", "more"]).await.unwrap();
    assert_eq!(ask(gateway.home(), &["status"]).await["grant_problems"], json!([]));
    gateway.stop().await;
}

/// At a terminal, which `script` of util-linux is; what was typed is its input.
async fn at_a_terminal(home: &Path, typed: &str, words: &[&str]) -> String {
    use tokio::io::AsyncWriteExt as _;
    let quoted: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
    let line = format!("{} --home '{}' {}", openclaw().display(), home.display(), quoted.join(" "));
    let mut child = tokio::process::Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .env_remove("OPENCLAW_HOME")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.as_mut().unwrap().write_all(typed.as_bytes()).await.unwrap();
    String::from_utf8_lossy(&child.wait_with_output().await.unwrap().stdout).into_owned()
}

#[tokio::test]
async fn learning_says_at_a_terminal_that_requests_are_sent_and_sends_none_without_a_yes() {
    let server = Loopback::start().await;
    let home = TempDir::new().unwrap();
    cli(home.path(), &["skills", "install", POWERS]).await.unwrap();
    let wanted = json!({ "host": server.address(), "path": "/" }).to_string();
    let learn = ["skills", "grant", "powers", "--learn", "fetch", "--args", &wanted, "--allow-private"];
    let refused = at_a_terminal(home.path(), "n\n", &learn).await;
    assert!(refused.contains("its requests are really sent") && refused.contains("it did not run"), "{refused}");
    assert!(server.seen().is_empty());
    let agreed = at_a_terminal(home.path(), "y\nn\n", &learn).await;
    assert!(agreed.contains("private ") && agreed.contains("grant this?"), "{agreed}");
    assert_eq!(server.seen().len(), 1);
    let shown = ask(home.path(), &["skills", "grants", "show"]).await;
    assert_eq!(shown, json!([]), "nothing is granted without the second yes");
}

#[tokio::test]
async fn learning_reaches_the_one_private_origin_it_was_told_and_metadata_by_no_plain_word() {
    let (named, other) = (Loopback::start().await, Loopback::start().await);
    let home = TempDir::new().unwrap();
    cli(home.path(), &["skills", "install", POWERS]).await.unwrap();
    let learn = |host: String, allowed: String| {
        let home = home.path().to_owned();
        async move {
            let wanted = json!({ "host": host, "path": "/" }).to_string();
            ask(&home, &["skills", "learn", "powers/fetch", &wanted, &allowed]).await
        }
    };
    let only = format!("--allow-private={}", named.origin());
    assert!(learn(named.address().to_owned(), only.clone()).await["outcome"].is_string());
    let refused = learn(other.address().to_owned(), only).await;
    assert!(refused["failure"].to_string().contains("loopback"), "{refused}");
    assert_eq!((named.seen().len(), other.seen().len()), (1, 0));
    for host in ["169.254.169.254", "[fd00:ec2::254]", "168.63.129.16"] {
        let refused = learn(host.to_owned(), "--allow-private".to_owned()).await;
        assert!(refused["failure"].to_string().contains("cloud metadata"), "{refused}");
    }
    let wrong = ["skills", "learn", "powers/fetch", "{}", "--allow-private=127.0.0.1:9000"];
    let wrong = cli(home.path(), &wrong).await.unwrap_err();
    assert!(wrong.contains("is no origin") && wrong.contains("--allow-private=http://127.0.0.1:9000"), "{wrong}");
}
