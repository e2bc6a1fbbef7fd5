//! A secret searched for wherever a gateway keeps or says anything, after a guest sent it to a server that gives it back.
//!
//! Invariant: every search shows that it would find: what the server said beside the secret is where the secret could
//! have been.

mod guest;

use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use openclaw_domain::ports::Secrets as _;
use openclaw_domain::{EventKind, Secret, TenantId, TraceId};
use openclaw_egress::{Egress, EgressSettings};
use openclaw_storage::SecretSources;
use openclaw_tests::gateway::cli;
use openclaw_tests::{TestGateway, TestRegistry, lines_of, listen, openclaw, told, until};
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::capability_http::powers;
use crate::guests::POWERS;

const SECRET: &str = "x7Qd2mZ9vKp4Rt8Wb3Nf6Hj5Lc1Gs0Ya";
/// Base64 of it, without padding; behind `bWU6`, which is `me:`, it is what basic authentication sends.
const ENCODED: &str = "eDdRZDJtWjl2S3A0UnQ4V2IzTmY2SGo1TGMxR3MwWWE";
const HEX: &str = "78375164326d5a39764b70345274385762334e6636486a354c63314773305961";
/// What the server says beside the secret.
const IN_HEADER: &str = "beside-it-in-a-header-41c8";
const IN_BODY: &str = "beside-it-in-the-body-9d27";
/// What stands where it stood.
const TAKEN_OUT: &str = "[secret]";
/// How a call of `powers/leak` ends.
const ENDS: [&str; 3] = ["return", "fail", "panic"];
const HEADERS: [(&str, &str); 2] = [("x-token", "{{secret:token}}"), ("x-basic", "{{secret-basic:me:token}}")];

/// A server that gives back what it was sent in `x-token` and `x-basic`, in headers and body; at `/kept` what it was sent
/// the time before, which nobody but it has put into that exchange.
struct Mirror {
    address: String,
    sent: Arc<Mutex<Vec<String>>>,
    _serving: JoinSet<()>,
}

impl Mirror {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let sent = Arc::new(Mutex::new(Vec::new()));
        let (keep, mut serving) = (Arc::clone(&sent), JoinSet::new());
        serving.spawn(async move {
            let mut kept = [String::new(), String::new()];
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => request.push(byte),
                        Err(_) => break,
                    }
                }
                let text = String::from_utf8_lossy(&request).into_owned();
                if !text.starts_with("GET /kept ") {
                    kept = ["x-token: ", "x-basic: "]
                        .map(|name| text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("none").to_owned());
                }
                keep.lock().unwrap().push(text);
                let [token, basic] = &kept;
                let body = format!("{IN_BODY} token={token} basic={basic} raw:{token}{basic}");
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nx-beside: {IN_HEADER}\r\nx-token: {token}\r\nset-cookie: a={basic}\r\n\
                     content-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                // Whoever has gone does not want the answer.
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { address, sent, _serving: serving }
    }

    fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What `powers/leak` is called with.
    fn leak(&self, end: &str) -> Value {
        json!({ "request": { "host": self.address, "path": "/", "headers": HEADERS }, "end": end })
    }

    /// How often it was sent the secret, in both forms.
    fn times_sent(&self) -> usize {
        let sent = self.sent.lock().unwrap();
        sent.iter().filter(|text| text.contains(SECRET) && text.contains(&format!("bWU6{ENCODED}"))).count()
    }
}

/// Options of `openclaw skills grant` for all that is done here.
fn granted(server: &Mirror) -> [(&'static str, String); 5] {
    [
        ("http", format!("GET {}/**", server.origin())),
        ("private", server.origin()),
        ("secret", format!("token for {}", server.origin())),
        ("event", "read".to_owned()),
        ("kv", "notes".to_owned()),
    ]
}

async fn reaching(server: &Mirror, skills: &[(&str, Vec<u8>)]) -> TestRegistry {
    let registry = TestRegistry::serving(&[]).await;
    registry.secrets.set(&TenantId::default(), "token", SECRET);
    let lines = granted(server).map(|(option, value)| format!("{option} {value}"));
    for (name, file) in skills {
        registry.take_as(name, file.clone()).await.unwrap();
        registry.grant(name, powers(&lines.each_ref().map(String::as_str))).await;
    }
    registry
}

/// Whether bytes hold a text, in any case.
fn holds(bytes: &[u8], text: &str) -> bool {
    let first = text.as_bytes()[0];
    bytes
        .windows(text.len())
        .any(|window| window[0].eq_ignore_ascii_case(&first) && window.eq_ignore_ascii_case(text.as_bytes()))
}

/// The secret is not in what was found in a place, and `control` is.
fn is_not_in(place: &str, found: impl AsRef<[u8]>, control: &str) {
    let found = found.as_ref();
    let shown = || String::from_utf8_lossy(&found[..found.len().min(20_000)]).into_owned();
    assert!(holds(found, control), "{place}: what should be there is not: {}", shown());
    for form in [SECRET, ENCODED, HEX] {
        assert!(!holds(found, form), "{place}: {form} is there: {}", shown());
    }
}

/// All files below a folder, one after the other; links are not followed.
fn files(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => all.extend(files(&entry.path())),
            kind if kind.is_file() => all.extend(std::fs::read(entry.path()).unwrap()),
            _ => {}
        }
    }
    all
}

#[test]
fn the_search_finds_each_form_in_any_case_and_anywhere() {
    for form in [SECRET, ENCODED, HEX] {
        for text in [form.to_owned(), format!("a{form}"), format!("{}b", form.to_lowercase())] {
            assert!(holds(text.as_bytes(), form), "{text}");
        }
        assert!(!holds(&form.as_bytes()[1..], form));
    }
}

#[tokio::test]
async fn a_guest_that_looks_through_its_whole_memory_does_not_find_the_secret_it_sent() {
    let server = Mirror::start().await;
    let needles = [SECRET, ENCODED, HEX, IN_HEADER, IN_BODY, TAKEN_OUT];
    let sends = guest::scanning(&server.address, "/", &HEADERS, &needles);
    let asks = guest::scanning(&server.address, "/kept", &[], &needles);
    let registry = reaching(&server, &[("sends", sends), ("asks", asks)]).await;
    assert_eq!(told(registry.call("sends/run", json!({})).await), "it went well: 000111");
    assert_eq!(server.times_sent(), 1);
    // The same scan finds the same secret once a server hands it out that was not sent it: that is the server's to give.
    assert_eq!(told(registry.call("asks/run", json!({})).await), "it went well: 110110");
}

#[tokio::test]
async fn whatever_a_guest_does_with_what_it_read_nothing_the_registry_gives_back_shows_a_secret() {
    listen();
    let server = Mirror::start().await;
    let registry = reaching(&server, &[("powers", std::fs::read(POWERS).unwrap())]).await;
    let trace = TraceId::new();
    for end in ENDS {
        let result = registry.call_in(trace, "powers/leak", server.leak(end)).await;
        is_not_in(&format!("`Debug` after {end}"), format!("{result:?}"), IN_BODY);
        is_not_in(&format!("what is told after {end}"), told(result), TAKEN_OUT);
        let (_, progress) = registry.call_hearing("powers/leak", server.leak(end)).await;
        is_not_in(&format!("progress before {end}"), format!("{progress:?}"), IN_BODY);
    }
    let output = registry.output("powers/leak", server.leak("return"), None).await;
    is_not_in("the output", format!("{output:?}"), IN_BODY);
    assert_eq!(server.times_sent(), 7);
    let mut elsewhere = server.leak("return");
    elsewhere["request"]["host"] = json!("example.com");
    let denied = registry.call_in(trace, "powers/leak", elsewhere).await;
    is_not_in("a denial", format!("{denied:?}"), "secret");

    let events = registry.events().await;
    for kind in [EventKind::SkillEvent, EventKind::SecurityAlert] {
        assert!(events.iter().any(|event| event.fact.kind == kind), "{events:?}");
    }
    is_not_in("events", format!("{events:?}"), IN_BODY);
    is_not_in("the log", lines_of(trace).join("\n"), IN_BODY);
    is_not_in("files", files(registry.close().await.path()), IN_BODY);
}

#[tokio::test]
async fn no_debug_output_of_what_holds_secrets_shows_one() {
    let registry = TestRegistry::serving(&[]).await;
    let (tenant, name) = (TenantId::default(), "token".parse().unwrap());
    registry.storage.seal_secret(&tenant, &name, Secret::new(Arc::from(SECRET.as_bytes()))).await.unwrap();
    let sources = Arc::new(SecretSources::new(registry.storage.clone(), HashMap::new()));
    let value = sources.value(&tenant, &name).await.unwrap();
    assert_eq!(value.as_ref().unwrap().expose().as_ref(), SECRET.as_bytes(), "it is there");
    is_not_in("a value", format!("{value:?} {value:#?}"), "Some(…)");
    // A list of bytes is as telling as the text.
    let bytes = format!("{:?}", SECRET.as_bytes());
    let listed = registry.storage.list_secrets(&tenant).await.unwrap();
    is_not_in("the list", format!("{listed:?}"), "token");
    let egress = Egress::new(&EgressSettings::default(), Arc::clone(&sources) as _).unwrap();
    let all = format!("{value:?} {listed:?} {sources:?} {sources:#?} {egress:?} {egress:#?}");
    is_not_in("all", &all, "SecretSources");
    assert!(!all.contains(&bytes[1..bytes.len() - 1]), "{all}");
    drop((sources, egress));
    is_not_in("files", files(registry.close().await.path()), "SQLite format 3");
}

/// Keeps the secret as an operator does: by standard input.
async fn keep_secret(home: &Path) {
    let mut command = tokio::process::Command::new(openclaw());
    command.arg("--home").arg(home).args(["secrets", "set", "token"]).env_remove("OPENCLAW_HOME");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(SECRET.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    is_not_in("`secrets set`", [output.stdout, output.stderr].concat(), "token");
}

#[tokio::test]
async fn a_gateway_shows_a_secret_in_no_frame_log_line_metric_or_file_and_to_no_command() {
    let server = Mirror::start().await;
    let home = TempDir::new().unwrap();
    keep_secret(home.path()).await;
    cli(home.path(), &["skills", "install", POWERS]).await.unwrap();
    let options = granted(&server).map(|(option, value)| (format!("--{option}"), value));
    let mut grant = vec!["skills", "grant", "powers"];
    grant.extend(options.iter().flat_map(|(option, value)| [option.as_str(), value.as_str()]));
    cli(home.path(), &grant).await.unwrap();
    let gateway = TestGateway::start_in(home, r#"{ log_level: "trace" }"#).await;

    let mut session = gateway.connect("").await;
    session.ask("subscribe", "all", &json!({ "events": ["*"] })).await;
    let mut calls = ENDS.map(|end| (end, server.leak(end))).to_vec();
    calls.push(("denied", server.leak("return")));
    calls[3].1["request"]["host"] = json!("example.com");
    for (end, arguments) in &calls {
        session.send("skill_invoke", end, &json!({ "skill": "powers/leak", "args": arguments })).await;
        let mut frames = String::new();
        loop {
            let frame = session.next().await.expect("the gateway answers");
            frames += &format!("{frame}\n");
            if frame["id"] == *end && ["response", "error"].map(Value::from).contains(&frame["type"]) {
                break;
            }
        }
        let control = if *end == "denied" { "CAPABILITY_DENIED" } else { IN_BODY };
        is_not_in(&format!("the frames of {end}"), frames, control);
        let words = arguments.to_string();
        let said = cli(gateway.home(), &["skills", "call", "powers/leak", &words]).await.unwrap_or_else(|error| error);
        is_not_in(&format!("the command line after {end}"), said, control);
    }
    assert_eq!(server.times_sent(), 6);
    for (words, control) in [(&["skills", "grants", "show"][..], "powers"), (&["secrets", "list"], "token")] {
        is_not_in(words[0], cli(gateway.home(), words).await.unwrap(), control);
    }
    is_not_in("status", session.ask("status", "status", &json!({})).await.to_string(), "powers");
    is_not_in("metrics", gateway.get("/metrics").await.body, "openclaw_egress_requests_total");
    until(|| gateway.said().contains(IN_BODY)).await;
    is_not_in("files of a gateway that runs", files(gateway.home()), IN_BODY);

    gateway.sigterm();
    let (status, home, said) = gateway.ended().await;
    assert!(status.success(), "{said}");
    is_not_in("the log", &said, IN_BODY);
    assert!(said.contains("TRACE"), "every level is in it: {said}");
    is_not_in("files of a gateway that has ended", files(home.path()), IN_BODY);
    let database = Connection::open(home.path().join("openclaw.db")).unwrap();
    let mut query = database.prepare("SELECT kind, data FROM events").unwrap();
    let rows = query.query_map([], |row| Ok(format!("{} {}", row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
    let events: Vec<String> = rows.unwrap().map(Result::unwrap).collect();
    for (kind, control) in [("skill.event ", IN_BODY), ("security.alert ", "capability_denied")] {
        let of_kind: Vec<&str> = events.iter().map(String::as_str).filter(|event| event.starts_with(kind)).collect();
        is_not_in(kind, of_kind.join("\n"), control);
    }
}
