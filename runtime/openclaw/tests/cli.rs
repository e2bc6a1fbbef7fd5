//! The binary as a person or a script meets it: commands, exit codes, and a gateway that starts, reloads and stops.
//!
//! Nothing waits for time: a gateway says on standard error that it is ready, that it reloaded, and that it stops.

#![expect(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test with a line number")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_openclaw");

/// A home that is gone after the test, and commands on it.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn configure(&self, text: &str) {
        std::fs::write(self.path().join("openclaw.json"), text).unwrap();
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.arg("--home").arg(self.path()).args(words);
        command
    }

    fn run(&self, words: &[&str]) -> Ran {
        Ran::of(self.command(words).output().unwrap())
    }

    fn json(&self, words: &[&str]) -> Value {
        let mut all = vec!["--json"];
        all.extend(words);
        let ran = self.run(&all);
        assert_eq!(ran.code, 0, "{words:?}: {}", ran.talk);
        serde_json::from_str(&ran.data).unwrap()
    }

    fn gateway(&self) -> Gateway {
        Gateway::start(self.command(&["gateway", "--port", "0"]))
    }
}

/// A command that ended.
struct Ran {
    code: i32,
    data: String,
    talk: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            data: String::from_utf8(output.stdout).unwrap(),
            talk: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// A gateway that is ready.
struct Gateway {
    child: Child,
    lines: BufReader<ChildStderr>,
    address: String,
}

impl Gateway {
    fn start(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap());
        let mut gateway = Self { child, lines, address: String::new() };
        let line = gateway.line_with("listening on ws://");
        gateway.address = line.rsplit("ws://").next().unwrap().trim().to_owned();
        gateway
    }

    /// Reads on until a line has these words.
    fn line_with(&mut self, words: &str) -> String {
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "the gateway ended without `{words}`:\n{seen}");
            if line.contains(words) {
                return line;
            }
            seen.push_str(&line);
        }
    }

    fn signal(&self, name: &str) {
        let done = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(done.success());
    }

    /// Stops it in order; its exit code and the rest of its talk.
    fn stop(mut self) -> (i32, String) {
        self.signal("TERM");
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code().unwrap_or(-1), rest)
    }

    /// Sends an HTTP request; the whole answer.
    fn http(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn post(&self, path: &str, secret: &str, body: &str) -> String {
        self.http(&format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
             X-Webhook-Secret: {secret}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Only of use when an assertion failed; a stopped one has ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    let home = Home::new();
    for words in
        [&["gatway"][..], &["skills"], &["gateway", "--port", "x"], &["token", "create", "a", "--expires", "0s"]]
    {
        assert_eq!(home.run(words).code, 2, "{words:?}");
    }
}

#[test]
fn status_without_a_gateway_ends_with_4_and_says_how_to_start_one() {
    let home = Home::new();
    let ran = home.run(&["status"]);
    assert_eq!((ran.code, ran.data.as_str()), (4, ""));
    assert!(ran.talk.contains("error: no gateway runs on the home"), "{}", ran.talk);
    assert!(ran.talk.contains("hint: start one with `openclaw gateway`"), "{}", ran.talk);
    let error: Value = serde_json::from_str(&home.run(&["status", "--json"]).talk).unwrap();
    assert_eq!(error["error"]["exit"], 4);
}

#[test]
fn a_wrong_configuration_is_named_whole_and_ends_with_3() {
    let home = Home::new();
    home.configure(r#"{ gateway: { prot: 1, auth: { token: "${NO_SUCH}" } } }"#);
    for words in [&["config", "check"][..], &["gateway"], &["skills", "list"]] {
        let ran = home.run(words);
        assert_eq!(ran.code, 3, "{words:?}");
        assert!(ran.talk.contains("`gateway.prot` is not a known key: did you mean `port`?"), "{}", ran.talk);
        assert!(ran.talk.contains("`gateway.auth.token` needs the environment variable `NO_SUCH`"), "{}", ran.talk);
    }
    let ran = home.run(&["config", "check", "--json"]);
    let report: Value = serde_json::from_str(&ran.data).unwrap();
    assert_eq!((ran.code, report["problems"].as_array().map(Vec::len)), (3, Some(2)));
}

#[test]
fn a_good_configuration_is_said_to_be_good_with_its_warnings() {
    let home = Home::new();
    home.configure(r#"{ mcp: { servers: { x: { url: "https://example.com/x" } } } }"#);
    let ran = home.run(&["config", "check"]);
    assert_eq!(ran.code, 0);
    assert!(ran.data.trim_end().ends_with("openclaw.json is good"), "{}", ran.data);
    assert!(ran.talk.contains("warning: `mcp.servers` is not served by this build"), "{}", ran.talk);
}

#[test]
fn version_and_completions_are_data() {
    let home = Home::new();
    assert_eq!(home.run(&["version"]).data.trim(), concat!("openclaw ", env!("CARGO_PKG_VERSION")));
    assert_eq!(home.json(&["version"]), json!({ "version": env!("CARGO_PKG_VERSION") }));
    for shell in ["bash", "zsh", "fish"] {
        assert!(home.run(&["completions", shell]).data.contains("openclaw"), "{shell}");
    }
}

#[test]
fn a_token_is_printed_once_and_kept_as_a_hash() {
    let home = Home::new();
    let made = home.json(&["token", "create", "ci", "--role", "read", "--expires", "30d"]);
    let token = made["token"].as_str().unwrap();
    assert!(token.starts_with("oc_") && token.len() == 67, "{token}");
    let listed = home.json(&["token", "list"]);
    assert_eq!(
        (&listed[0]["name"], &listed[0]["role"], &listed[0]["state"]),
        (&json!("ci"), &json!("read"), &json!("active"))
    );
    for entry in std::fs::read_dir(home.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(token.len()).any(|window| window == token.as_bytes()), "{}", path.display());
        }
    }
    assert_eq!(home.run(&["token", "create", "ci"]).code, 3, "the name is taken");
    assert_eq!(home.run(&["token", "create", "No Name"]).code, 3);
    assert_eq!(home.run(&["token", "revoke", "ci"]).code, 0);
    assert_eq!(home.run(&["token", "revoke", "ci"]).code, 3);
    assert_eq!(home.json(&["token", "list"])[0]["state"], "revoked");
    let plain = home.run(&["token", "create", "other"]);
    assert_eq!((plain.data.lines().count(), plain.data.starts_with("oc_")), (1, true), "only the token is data");
}

#[test]
fn a_backup_is_restored_into_another_home() {
    let (home, other) = (Home::new(), Home::new());
    home.json(&["token", "create", "kept"]);
    let folder = home.path().join("backup");
    let folder = folder.to_str().unwrap();
    assert_eq!(home.json(&["backup", folder])["folder"], folder);
    assert_eq!(home.run(&["backup", folder]).code, 3, "the folder is not empty");
    assert_eq!(other.run(&["restore", folder]).code, 0);
    assert_eq!(other.json(&["token", "list"])[0]["name"], "kept");
    let again = other.run(&["restore", folder]);
    assert_eq!(again.code, 3);
    assert!(again.talk.contains("--force"), "{}", again.talk);
    assert_eq!(other.run(&["restore", folder, "--force"]).code, 0);
}

#[test]
fn skills_are_called_and_changed_without_a_gateway_as_with_one() {
    let home = Home::new();
    let check = |way: &str| {
        let listed = home.json(&["skills", "list"]);
        let names: Vec<_> = listed.as_array().unwrap().iter().map(|skill| skill["name"].as_str().unwrap()).collect();
        let bundled =
            ["datadog", "github", "home-assistant", "pagerduty", "release-notes", "slack", "template", "text-diff"];
        assert_eq!(names, bundled, "{way}");
        assert_eq!(home.json(&["skills", "info", "template"])["imports"], json!([]), "{way}");

        let reply = home.json(&["skills", "call", "release-notes", "version=1.0", r#"commits=["feat: one"]"#]);
        assert!(reply["text"].as_str().unwrap().starts_with("# 1.0\n"), "{way}: {reply}");
        let trace = home.json(&["trace", reply["trace_id"].as_str().unwrap()]);
        assert_eq!(trace[0]["what"], "agent.task.completed", "{way}");

        let wrong = home.run(&["skills", "call", "release-notes", r#"{"commits": 7}"#]);
        assert_eq!((wrong.code, wrong.talk.contains("[INVALID_ARGUMENTS]")), (3, true), "{way}: {}", wrong.talk);
        let unknown = home.run(&["skills", "call", "nope"]);
        assert_eq!((unknown.code, unknown.talk.contains("[SKILL_NOT_FOUND]")), (3, true), "{way}: {}", unknown.talk);

        assert_eq!(home.run(&["skills", "disable", "text-diff"]).code, 0, "{way}");
        assert_eq!(home.run(&["skills", "call", "text-diff", "before=a", "after=b"]).code, 3, "{way}");
        assert_eq!(home.run(&["skills", "enable", "text-diff"]).code, 0, "{way}");
        assert_eq!(home.run(&["skills", "remove", "text-diff"]).code, 3, "bundled ones stay, {way}");
        let not_wasm = home.path().join("not.wasm");
        std::fs::write(&not_wasm, "hello").unwrap();
        assert_eq!(home.run(&["skills", "install", not_wasm.to_str().unwrap()]).code, 3, "{way}");

        let digest = listed[1]["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
        let component = home.path().join("components").join(format!("{digest}.wasm"));
        let words = ["skills", "install", component.to_str().unwrap(), "--name", "mine", "--tenant", "acme"];
        assert_eq!(home.json(&words)["name"], "mine", "{way}");
        let theirs = home.run(&["skills", "call", "mine"]);
        assert_eq!(theirs.code, 3, "another tenant's skill does not exist, {way}");
        assert_eq!(home.run(&["skills", "remove", "mine", "--tenant", "acme"]).code, 0, "{way}");
    };
    check("directly");
    let gateway = home.gateway();
    check("through the admin socket");
    assert_eq!(gateway.stop().0, 0);
}

#[test]
fn a_gateway_starts_keeps_others_off_reloads_and_stops() {
    let home = Home::new();
    home.configure(r#"{ gateway: { max_connections: 5 } }"#);
    let mut gateway = home.gateway();
    assert!(gateway.http("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").contains("200 OK"));
    let status = home.json(&["status"]);
    assert_eq!(status["url"], format!("ws://{}", gateway.address));
    assert_eq!((&status["auth_required"], &status["skills"]), (&json!(false), &json!(8)));
    assert_eq!(status["tenants"], json!(["default"]));
    home.json(&["token", "create", "ci", "--tenant", "acme"]);
    let status = home.json(&["status"]);
    assert_eq!((&status["tenants"], &status["skills"]), (&json!(["default", "acme"]), &json!(16)), "a token is enough");
    let socket = home.path().join("admin.sock");
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);

    let second = home.run(&["gateway", "--port", "0"]);
    assert_eq!((second.code, second.talk.contains("runs on the home")), (5, true), "{}", second.talk);
    assert_eq!(home.run(&["restore", "/nowhere"]).code, 5);

    let alert = r#"{"service":"api-v2","status":"success","commit":"abc123"}"#;
    let (path, secret) = ("/webhook/deploy-alert", "your-webhook-secret");
    assert!(gateway.post(path, secret, alert).starts_with("HTTP/1.1 404"));
    home.configure(include_str!("../fixtures/guide/incoming-endpoints.json"));
    gateway.line_with("the configuration is reloaded");
    assert!(gateway.post(path, secret, alert).starts_with("HTTP/1.1 200"));
    assert!(gateway.post(path, "wrong", alert).starts_with("HTTP/1.1 401"));

    home.configure("{ gateway: { prot: 1 } }");
    gateway.line_with("the old one is kept");
    assert!(gateway.post(path, secret, alert).starts_with("HTTP/1.1 200"));

    let (code, rest) = gateway.stop();
    assert_eq!((code, rest.contains("stopping")), (0, true), "{rest}");
    assert!(!socket.exists());
    assert_eq!(home.run(&["status"]).code, 4);
}

#[test]
fn a_killed_gateway_leaves_a_home_the_next_one_starts_on() {
    let home = Home::new();
    let mut gateway = home.gateway();
    gateway.child.kill().unwrap();
    gateway.child.wait().unwrap();
    assert!(home.path().join("admin.sock").exists());
    assert_eq!(home.run(&["status"]).code, 4, "nobody answers on the socket that was left");
    assert_eq!(home.json(&["skills", "list"]).as_array().map(Vec::len), Some(8));
    let gateway = home.gateway();
    assert_eq!(home.run(&["status"]).code, 0);
    assert_eq!(gateway.stop().0, 0);
}

#[test]
fn a_ready_file_names_the_address_that_was_bound() {
    let home = Home::new();
    let file = home.path().join("ready");
    let gateway = Gateway::start(home.command(&["gateway", "--port", "0", "--ready-file", file.to_str().unwrap()]));
    // The file comes after the line; the admin socket answers a status only of a gateway that is running.
    home.json(&["status"]);
    let address = gateway.address.clone();
    gateway.stop();
    assert_eq!(std::fs::read_to_string(file).unwrap(), format!("ws://{address}\n"));
}
