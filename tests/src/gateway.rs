//! A real gateway: the `openclaw` binary in a process of its own, with a home and a port of its own.
//!
//! Invariant: a gateway that was started is ended with its test, however the test ends; only processes that were
//! started here are ever signalled.

use std::fmt::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{SinkExt, StreamExt};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::programs::{openclaw, shared_cache};
use crate::registry::Opening;

/// A gateway that is up.
pub struct TestGateway {
    child: Child,
    home: TempDir,
    address: String,
    said: Arc<Mutex<String>>,
    _ears: JoinSet<()>,
}

/// The line of its introduction that names the address.
const LISTENING: &str = "listening on ws://";
/// The last line of its introduction: from here on it serves.
const READY: &str = "openclaw skills list";

impl TestGateway {
    /// Starts one with this configuration (JSON5) in an empty home.
    pub async fn start(config: &str) -> Self {
        let home = TempDir::new().expect("a temporary folder can be made");
        Self::start_in(home, config).await
    }

    /// Starts one in a home that another gateway has left, or that was prepared with [`cli`].
    pub async fn start_in(home: TempDir, config: &str) -> Self {
        Self::start_under(&[], home, config).await
    }

    /// As [`Self::start_in`], run by another program, such as `strace -o file`.
    pub async fn start_under(wrapper: &[&str], home: TempDir, config: &str) -> Self {
        prepare(home.path()).await;
        std::fs::write(home.path().join("openclaw.json"), config).expect("the home can be written");
        Self::launch(home, command(wrapper)).await
    }

    async fn launch(home: TempDir, mut command: Command) -> Self {
        let mut child = command
            .arg("--home")
            .arg(home.path())
            .args(["gateway", "--port", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the gateway starts");
        let stderr = child.stderr.take().expect("standard error is a pipe");
        let said = Arc::new(Mutex::new(String::new()));
        let (tell, mut ready) = watch::channel(None);
        let heard = Arc::clone(&said);
        let mut ears = JoinSet::new();
        ears.spawn(async move {
            let mut lines = BufReader::new(stderr).lines();
            let mut address = None;
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some((_, found)) = line.split_once(LISTENING) {
                    address = Some(found.trim().to_owned());
                }
                if line.contains(READY) {
                    tell.send_replace(address.clone());
                }
                // Writing to a `String` cannot fail.
                let _ = writeln!(heard.lock().unwrap_or_else(PoisonError::into_inner), "{line}");
            }
        });
        let address = ready.wait_for(Option::is_some).await.ok().and_then(|address| address.clone());
        let Some(address) = address else {
            let status = child.wait().await;
            panic!(
                "the gateway did not get ready ({status:?}):\n{}",
                said.lock().unwrap_or_else(PoisonError::into_inner)
            );
        };
        Self { child, home, address, said, _ears: ears }
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The id of its process.
    pub fn process_id(&self) -> u32 {
        self.child.id().expect("the gateway runs")
    }

    /// Its home.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// What it has said on standard error so far.
    pub fn said(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A WebSocket session; `query` is what follows the path, `?token=…` for one.
    pub async fn connect(&self, query: &str) -> Session {
        let url = format!("ws://{}/{query}", self.address);
        let (socket, _) = tokio_tungstenite::connect_async(url).await.expect("the gateway accepts");
        Session { socket, closed: None }
    }

    /// The answer to a `GET`.
    pub async fn get(&self, path: &str) -> Answer {
        request(&self.address, "GET", path, &[], b"").await.expect("the gateway answers")
    }

    /// The answer to a `POST` of JSON.
    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        request(&self.address, "POST", path, &all, body.to_string().as_bytes()).await.expect("the gateway answers")
    }

    /// Ends the process without a word, as a power cut would, and gives back its home.
    pub async fn kill9(mut self) -> TempDir {
        self.child.kill().await.expect("the gateway can be killed");
        self.home
    }

    /// Asks it to end, as a service manager does.
    pub fn sigterm(&self) {
        let pid = i32::try_from(self.process_id()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, Signal::TERM).expect("the gateway can be signalled");
    }

    /// Waits for its end.
    pub async fn ended(mut self) -> (ExitStatus, TempDir, String) {
        let status = self.child.wait().await.expect("the gateway ends");
        (status, self.home, self.said.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Ends it in order and gives back its home.
    pub async fn stop(self) -> TempDir {
        self.sigterm();
        let (status, home, said) = self.ended().await;
        assert!(status.success(), "the gateway ended with {status}:\n{said}");
        home
    }
}

/// Gives a home the compiled code all tests share: without it each gateway would compile what it comes with.
async fn prepare(home: &Path) {
    if home.join("machine.key").exists() {
        return;
    }
    let shared = shared_cache();
    if !shared.join("machine.key").exists() {
        // Whoever opens a cache first makes its key.
        Opening::default().open().await.close().await;
    }
    for name in ["cache", "machine.key"] {
        symlink(shared.join(name), home.join(name)).expect("the home can be written");
    }
}

fn command(wrapper: &[&str]) -> Command {
    let program = openclaw();
    let mut command = match wrapper {
        [] => Command::new(&program),
        [first, rest @ ..] => {
            let mut command = Command::new(first);
            command.args(rest).arg(&program);
            command
        }
    };
    // Nothing of the machine's own gateway may reach this one.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("OPENCLAW_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs one command of the CLI on a home, with `--json`; what it printed, or what it said.
///
/// # Errors
/// If the command fails.
pub async fn cli(home: &Path, arguments: &[&str]) -> Result<String, String> {
    prepare(home).await;
    let output = command(&[])
        .arg("--home")
        .arg(home)
        .arg("--json")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .await
        .expect("the program starts");
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// A WebSocket session with a gateway.
pub struct Session {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    closed: Option<u16>,
}

impl Session {
    /// Sends a frame.
    pub async fn send(&mut self, kind: &str, id: &str, payload: &Value) {
        let frame = json!({ "type": kind, "id": id, "payload": payload });
        self.socket.send(Message::text(frame.to_string())).await.expect("the gateway reads");
    }

    /// Closes this end, without waiting for the other.
    pub async fn close(&mut self) {
        self.socket.close(None).await.expect("the gateway reads");
    }

    /// The next frame; `None` once the gateway has closed.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            match self.socket.next().await? {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).expect("a frame is JSON")),
                Ok(Message::Close(frame)) => self.closed = frame.map(|frame| frame.code.into()),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    /// The code the gateway closed with, once it has.
    pub const fn closed(&self) -> Option<u16> {
        self.closed
    }

    /// The next frame with this id, others passed over; `None` once the gateway has closed.
    pub async fn reply(&mut self, id: &str) -> Option<Value> {
        self.first(|frame| frame["id"] == id).await
    }

    /// The next frame of this type, others passed over; `None` once the gateway has closed.
    pub async fn first_of(&mut self, kind: &str) -> Option<Value> {
        self.first(|frame| frame["type"] == kind).await
    }

    async fn first(&mut self, is_it: impl Fn(&Value) -> bool) -> Option<Value> {
        loop {
            let frame = self.next().await?;
            if is_it(&frame) {
                return Some(frame);
            }
        }
    }

    /// Sends a frame and waits for the frame that answers it.
    pub async fn ask(&mut self, kind: &str, id: &str, payload: &Value) -> Value {
        self.send(kind, id, payload).await;
        self.reply(id).await.expect("the gateway answers")
    }

    /// Calls a tool; the type of the reply and its text, or its code and message.
    pub async fn invoke(&mut self, skill: &str, args: &Value) -> String {
        let id = format!("call-{skill}");
        let reply = self.ask("skill_invoke", &id, &json!({ "skill": skill, "args": args })).await;
        let payload = &reply["payload"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match reply["type"].as_str() {
            Some("response") => format!("response: {}", text(&payload["text"])),
            _ => format!("{}: {}", text(&payload["code"]), text(&payload["message"])),
        }
    }
}

/// An HTTP answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its head, as it came.
    pub head: String,
    /// Its body.
    pub body: String,
}

impl Answer {
    /// Its body read as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// One HTTP request on a connection of its own.
///
/// # Errors
/// Whatever ends the connection before a whole answer was read.
pub async fn request(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> std::io::Result<Answer> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    for (name, value) in headers {
        // Writing to a `String` cannot fail.
        let _ = write!(head, "{name}: {value}\r\n");
    }
    let _ = write!(head, "content-length: {}\r\n\r\n", body.len());
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    parse(&answer).ok_or_else(|| std::io::Error::other("the answer is cut short"))
}

/// Reads an answer; `None` if it is not whole.
fn parse(answer: &[u8]) -> Option<Answer> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length: usize = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    })?;
    let body = body.get(..length)?.to_owned();
    Some(Answer { status, head: head.to_owned(), body })
}
