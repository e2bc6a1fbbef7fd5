//! Grants from the operator's side: given, shown, compared and taken away, by the command line alone.

use std::path::Path;
use std::process::Output;

use openclaw_tests::gateway::{cli, request};
use openclaw_tests::raw::RawSkill;
use openclaw_tests::{TestGateway, openclaw};
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::guests::SLEEPER;

const ALL: [&str; 18] = [
    "--http",
    "GET https://api.github.com/repos/**",
    "--private",
    "http://127.0.0.1:8080",
    "--kv",
    "naps",
    "--secret",
    "github-token for https://api.github.com",
    "--config",
    "*",
    "--event",
    "slept",
    "--limit",
    "memory=32MiB",
    "--limit",
    "calls-per-minute=60",
    "--expires",
    "2999-12-31",
];
const LINES: [&str; 9] = [
    "http GET https://api.github.com/repos/**",
    "private http://127.0.0.1:8080",
    "kv naps",
    "secret github-token for https://api.github.com",
    "config *",
    "event slept",
    "limit memory=32MiB",
    "limit calls-per-minute=60",
    "expires 2999-12-31T00:00:00.000Z",
];

async fn with_sleeper() -> TempDir {
    let home = TempDir::new().unwrap();
    cli(home.path(), &["skills", "install", SLEEPER]).await.unwrap();
    home
}

/// As a person runs it, without `--json`.
async fn run(home: &Path, words: &[&str]) -> Output {
    let mut command = tokio::process::Command::new(openclaw());
    command.arg("--home").arg(home).args(words).env_remove("OPENCLAW_HOME");
    command.output().await.unwrap()
}

async fn grant(home: &Path, name: &str, options: &[&str]) -> Result<Value, String> {
    let mut words = vec!["skills", "grant", name];
    words.extend_from_slice(options);
    cli(home, &words).await.map(|answer| serde_json::from_str(&answer).unwrap())
}

/// The lines of every grant, as `skills grants show` has them.
async fn granted(home: &Path) -> Vec<String> {
    let shown: Value = serde_json::from_str(&cli(home, &["skills", "grants", "show"]).await.unwrap()).unwrap();
    let lines = shown.as_array().unwrap().iter().flat_map(|grant| grant["lines"].as_array().unwrap());
    lines.map(|line| format!("{} {}", line["option"].as_str().unwrap(), line["value"].as_str().unwrap())).collect()
}

fn audited(home: &Path) -> Vec<String> {
    let database = Connection::open(home.join("openclaw.db")).unwrap();
    let mut query = database.prepare("SELECT action, subject, detail FROM audit ORDER BY number").unwrap();
    let rows = query.query_map([], |row| {
        let detail: Value = serde_json::from_str(&row.get::<_, String>(2)?).unwrap();
        Ok(format!("{} {} {}", row.get::<_, String>(0)?, row.get::<_, String>(1)?, detail["lines"]))
    });
    rows.unwrap().map(Result::unwrap).filter(|line| line.starts_with("grant.")).collect()
}

#[tokio::test]
async fn what_is_granted_is_shown_as_lines_that_grant_the_same_again() {
    let home = with_sleeper().await;
    let made = grant(home.path(), "sleeper", &ALL).await.unwrap();
    assert_eq!((&made["state"], &made["skill"]), (&json!("granted"), &json!("sleeper")));
    let note = made["notes"].to_string();
    assert!(note.contains("openclaw secrets set github-token"), "a secret without a value is said: {note}");
    assert!(note.contains("second key for it opens nothing"), "a key without a rule is said: {note}");
    assert_eq!(granted(home.path()).await, LINES);

    let file = home.path().join("grant.txt");
    std::fs::write(&file, run(home.path(), &["skills", "grants", "show", "sleeper"]).await.stdout).unwrap();
    cli(home.path(), &["skills", "revoke", "sleeper"]).await.unwrap();
    assert_eq!(granted(home.path()).await, [""; 0]);
    grant(home.path(), "sleeper", &["--from", file.to_str().unwrap()]).await.unwrap();
    assert_eq!(granted(home.path()).await, LINES);
}

#[tokio::test]
async fn lines_are_taken_away_one_by_one_and_the_last_takes_the_grant() {
    let home = with_sleeper().await;
    grant(home.path(), "sleeper", &["--kv", "a", "--kv", "b", "--limit", "deadline=5s"]).await.unwrap();
    let revoke = |words: &'static [&'static str]| {
        let mut all = vec!["skills", "revoke", "sleeper"];
        all.extend_from_slice(words);
        let home = home.path().to_owned();
        async move { cli(&home, &all).await }
    };
    let absent = revoke(&["--kv", "c"]).await.unwrap_err();
    assert!(absent.contains("the grant of `sleeper` has no line `kv c`"), "{absent}");
    let left: Value = serde_json::from_str(&revoke(&["--kv", "a"]).await.unwrap()).unwrap();
    assert_eq!(left["left"], json!(["kv b", "limit deadline=5s"]));
    revoke(&["--limit", "deadline"]).await.unwrap();
    revoke(&["--kv", "b"]).await.unwrap();
    assert!(revoke(&[]).await.unwrap_err().contains("holds no grant"));
    assert_eq!(
        audited(home.path()),
        [
            r#"grant.give sleeper ["kv a","kv b","limit deadline=5s"]"#,
            r#"grant.revoke sleeper ["kv a"]"#,
            r#"grant.revoke sleeper ["limit deadline"]"#,
            r#"grant.revoke sleeper ["kv b"]"#,
        ]
    );
}

#[tokio::test]
async fn a_wrong_grant_is_refused_with_the_fix_and_changes_nothing() {
    let home = with_sleeper().await;
    for (name, options, told) in [
        ("nope", &["--kv", "a"][..], "no skill named `nope`"),
        ("sleeper", &[], "skills grants diff sleeper"),
        ("sleeper", &["--http", "https://x.example/"], "a method and a URL belong in it"),
        ("sleeper", &["--private", "http://10.0.0.1/x"], "write the origin alone"),
        ("sleeper", &["--limit", "memroy=1MiB"], "did you mean `memory`?"),
        ("sleeper", &["--limit", "memory=2GiB"], "raise `limits.memoryBytes`"),
        ("sleeper", &["--kv", "a", "--expires", "2020-01-01"], "which has passed"),
        ("sleeper", &["--kv", "a", "--expires", "soon"], "is no time"),
        ("template", &["--kv", "a"], "a transform imports nothing"),
    ] {
        let refused = grant(home.path(), name, options).await.unwrap_err();
        assert!(refused.contains(told), "{options:?}: {refused}");
        assert!(refused.contains(r#""exit":3"#), "{refused}");
    }
    assert_eq!(granted(home.path()).await, [""; 0]);
    assert_eq!(audited(home.path()), [""; 0]);
}

#[tokio::test]
async fn a_grant_that_ended_is_shown_as_such_and_renewed_only_by_saying_until_when() {
    let home = with_sleeper().await;
    // The next command is another process, and begins more than a millisecond later.
    grant(home.path(), "sleeper", &["--kv", "naps", "--expires", "1ms"]).await.unwrap();
    let listed: Value = serde_json::from_str(&cli(home.path(), &["skills", "list"]).await.unwrap()).unwrap();
    let sleeper = listed.as_array().unwrap().iter().find(|skill| skill["name"] == "sleeper").unwrap();
    assert_eq!(sleeper["grant"], "expired");
    let words = run(home.path(), &["skills", "info", "sleeper"]).await;
    assert!(String::from_utf8_lossy(&words.stdout).contains("grant expired"));
    let refused = grant(home.path(), "sleeper", &["--kv", "more"]).await.unwrap_err();
    assert!(refused.contains("say until when it is renewed"), "{refused}");
    let renewed = grant(home.path(), "sleeper", &["--expires", "never"]).await.unwrap();
    assert_eq!((&renewed["state"], &renewed["expires_at"]), (&json!("granted"), &Value::Null));
}

#[tokio::test]
async fn grants_of_two_tenants_are_two() {
    let home = with_sleeper().await;
    cli(home.path(), &["skills", "install", SLEEPER, "--tenant", "acme"]).await.unwrap();
    grant(home.path(), "sleeper", &["--kv", "ours"]).await.unwrap();
    grant(home.path(), "sleeper", &["--kv", "theirs", "--tenant", "acme"]).await.unwrap();
    let of = |tenant: &'static str| {
        let home = home.path().to_owned();
        async move {
            let shown = cli(&home, &["skills", "grants", "show", "sleeper", "--tenant", tenant]).await.unwrap();
            serde_json::from_str::<Value>(&shown).unwrap()[0]["lines"].clone()
        }
    };
    assert_eq!(of("default").await, json!([{"option": "kv", "value": "ours"}]));
    assert_eq!(of("acme").await, json!([{"option": "kv", "value": "theirs"}]));
    cli(home.path(), &["skills", "revoke", "sleeper", "--tenant", "acme"]).await.unwrap();
    assert_eq!(granted(home.path()).await, ["kv ours"]);
}

/// Everything a client can say, and what an attacker would try, with the strongest token there is.
#[tokio::test]
async fn no_network_door_changes_a_grant() {
    const CONFIG: &str = r#"{
        gateway: { auth: { mode: "token", token: "an-operators-own-long-token" } },
        webhooks: { incoming: { secret: "a-webhook-secret-of-24-b", endpoints: [{ path: "/door", message: "hi" }] } },
    }"#;
    let home = with_sleeper().await;
    grant(home.path(), "sleeper", &["--kv", "naps"]).await.unwrap();
    let gateway = TestGateway::start_in(home, CONFIG).await;
    let before = granted(gateway.home()).await;
    let lines = json!([{"option": "kv", "value": "more"}]);
    let wanted = json!({
        "command": "grant", "tenant": "default", "name": "sleeper", "skill": "sleeper", "lines": lines, "args": {},
        "text": "openclaw skills grant sleeper --kv more", "id": "1", "request_id": "1", "decision": "approve",
        "grant": {"kv": ["more"]}, "events": ["*"],
    });
    let mut session = gateway.connect("?token=an-operators-own-long-token").await;
    for (index, kind) in [
        "status",
        "chat",
        "skill_invoke",
        "heartbeat_trigger",
        "subscribe",
        "cancel",
        "approval",
        "grant",
        "revoke",
        "skill_grant",
        "skills.grant",
        "approve",
        "learn",
        "secret-set",
        "tenant-add",
        "pause",
        "config_reload",
    ]
    .into_iter()
    .enumerate()
    {
        drop(session.ask(kind, &format!("r{index}"), &wanted).await);
    }
    let headers = [("authorization", "Bearer an-operators-own-long-token"), ("content-type", "application/json")];
    for path in [
        "/",
        "/ws",
        "/v1/command",
        "/v1/install?tenant=default",
        "/admin",
        "/grants",
        "/metrics",
        "/webhook/v1/command",
    ] {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            if let Ok(answer) = request(gateway.address(), method, path, &headers, wanted.to_string().as_bytes()).await
            {
                assert!(!answer.body.contains("naps"), "{method} {path}: {answer:?}");
            }
        }
    }
    let secret = [("x-webhook-secret", "a-webhook-secret-of-24-b")];
    drop(gateway.post("/webhook/door", &secret, &wanted).await);
    assert_eq!(granted(gateway.home()).await, before);
    let home = gateway.stop().await;
    assert_eq!(audited(home.path()).len(), 1, "the one grant of the beginning");
}

/// A service on loopback that answers 200 to everything, until the test ends.
async fn healthy_service() -> (u16, tokio::task::JoinSet<()>) {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut serving = tokio::task::JoinSet::new();
    serving.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => break,
                }
            }
            let body = r#"{"status":"ok","version":"1.2.3"}"#;
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            drop(stream.write_all(answer.as_bytes()).await);
        }
    });
    (port, serving)
}

/// The README's way: read the denial, paste its command, call again, take it back.
#[tokio::test]
async fn the_command_of_a_denial_pasted_with_the_second_key_lets_the_call_pass_until_it_is_revoked() {
    let (port, _serving) = healthy_service().await;
    let home = TempDir::new().unwrap();
    let url = format!("http://127.0.0.1:{port}/health/{{service}}");
    let config = json!({"skills": {"entries": {"deploy-check": {"settings": {"health-url": url}}}}}).to_string();
    let component = home.path().join("deploy-check.wasm");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../skills/deploy-check");
    cli(home.path(), &["skills", "build", source, "--output", component.to_str().unwrap()]).await.unwrap();
    let gateway = TestGateway::start_in(home, &config).await;
    cli(gateway.home(), &["skills", "install", component.to_str().unwrap()]).await.unwrap();
    let call = ["skills", "call", "deploy-check", "service=api", "environment=staging"];
    let private = format!("http://127.0.0.1:{port}");
    // One paste a round: each denial names the next thing that is missing.
    for round in 0..8 {
        let Err(denied) = cli(gateway.home(), &call).await else { break };
        assert!(round < 7, "{denied}");
        let denied: Value = serde_json::from_str(denied.lines().find(|line| line.starts_with('{')).unwrap()).unwrap();
        let error = &denied["error"];
        assert_eq!(error["code"], "CAPABILITY_DENIED", "{error}");
        let command = error["hint"].as_str().unwrap();
        // What the skill is not linked with at all it cannot name, so that command learns it.
        let more = match command.contains("--learn") {
            true => "--allow-private --approve".to_owned(),
            false => format!("--private '{private}'"),
        };
        let words = format!("{command} --home '{}' {more}", gateway.home().display());
        let words = words.replacen("openclaw", &openclaw().display().to_string(), 1);
        let pasted = tokio::process::Command::new("sh").arg("-c").arg(&words).output().await.unwrap();
        assert!(pasted.status.success(), "{words}: {}", String::from_utf8_lossy(&pasted.stderr));
    }
    let passed = cli(gateway.home(), &call).await.unwrap();
    assert!(passed.contains("api"), "{passed}");
    cli(gateway.home(), &["skills", "revoke", "deploy-check"]).await.unwrap();
    assert!(cli(gateway.home(), &call).await.unwrap_err().contains("CAPABILITY_DENIED"));
    gateway.stop().await;
}

/// A component of the skill `parrot` that asks for a bucket if `asks` says so; its file.
async fn parrot(folder: &Path, version: &str, asks: &str) -> String {
    let source = folder.join(version);
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("made.wasm"), RawSkill::saying("parrot", version).component()).unwrap();
    let manifest = format!(
        "name = \"parrot\"\nversion = \"{version}\"\ndescription = \"Says its version\"\nworld = \"skill\"\n\
         component = \"made.wasm\"\n{asks}"
    );
    std::fs::write(source.join("skill.toml"), manifest).unwrap();
    cli(folder, &["skills", "build", source.to_str().unwrap()]).await.unwrap();
    source.join("target/skills/parrot.wasm").to_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_upgrade_that_asks_for_more_waits_until_it_was_shown_and_approved() {
    const ASKS: &str = "\n[[capabilities]]\nname = \"kv\"\nreason = \"remembers words\"\nkv = [\"words\"]\n";
    let home = TempDir::new().unwrap();
    let first = parrot(home.path(), "1.0.0", "").await;
    let second = parrot(home.path(), "2.0.0", ASKS).await;
    cli(home.path(), &["skills", "install", &first]).await.unwrap();
    let held: Value = serde_json::from_str(&cli(home.path(), &["skills", "install", &second]).await.unwrap()).unwrap();
    assert_eq!((&held["version"], &held["held"]["version"]), (&json!("1.0.0"), &json!("2.0.0")));
    assert_eq!(held["held"]["new_requests"], json!(["kv words"]));
    let said = |words: &'static [&'static str]| {
        let home = home.path().to_owned();
        async move { String::from_utf8(run(&home, words).await.stdout).unwrap() }
    };
    assert!(said(&["skills", "call", "parrot"]).await.contains("1.0.0"), "the first serves on");
    assert!(said(&["skills", "list"]).await.contains("held upgrade"));
    assert!(said(&["skills", "grants", "diff", "parrot"]).await.contains("+ asks for kv words"));

    cli(home.path(), &["skills", "reject", "parrot"]).await.unwrap();
    assert!(cli(home.path(), &["skills", "approve", "parrot"]).await.unwrap_err().contains("no upgrade of `parrot`"));
    cli(home.path(), &["skills", "install", &second]).await.unwrap();
    assert!(said(&["skills", "approve", "parrot"]).await.contains("+ asks for kv words"), "it is shown first");
    assert!(said(&["skills", "call", "parrot"]).await.contains("2.0.0"));
    let diff: Value =
        serde_json::from_str(&cli(home.path(), &["skills", "grants", "diff", "parrot"]).await.unwrap()).unwrap();
    assert_eq!(diff[0]["asked"], json!([{"line": "kv words", "reason": "remembers words", "granted": false}]));
    assert_eq!(diff[0]["command"], "openclaw skills grant parrot --kv 'words'");
}
