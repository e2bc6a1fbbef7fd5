//! A real nginx in front of a real gateway, with the configuration of `docs/integrations/nginx.md`.
//!
//! Every client has an address of its own in `127.0.0.0/8`, so the one nginx saw can be told from nginx's own.
//! Invariants: nginx is one process without children, and the test that started it ends it, by its id. Nothing waits for
//! a clock: the limit refills once a minute here, so the count of what passes does not depend on speed.

use std::process::Stdio;

use futures_util::{SinkExt as _, StreamExt as _};
use openclaw_tests::{TestGateway, until};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::integration_pages::{Page, gateway, value_of};

/// What a client writes that wants to be somebody else.
const SPOOFED: &str = "198.51.100.7";
/// Where Debian puts it; not everybody's `PATH` has it.
const PROGRAMS: [&str; 2] = ["nginx", "/usr/sbin/nginx"];

/// The program, or `None`, said aloud.
fn program() -> Option<&'static str> {
    let found = PROGRAMS.into_iter().find(|program| std::process::Command::new(program).arg("-v").output().is_ok());
    assert!(found.is_some() || std::env::var_os("CI").is_none(), "CI has no nginx: `apt-get install nginx-light`");
    if found.is_none() {
        // The runner shows what a test says when it is asked to; `make test` says beforehand that these skip.
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "skipped: nginx is not installed");
    }
    found
}

/// An nginx that is up.
struct Nginx {
    child: Child,
    port: u16,
    _home: TempDir,
    _ears: JoinSet<()>,
}

impl Nginx {
    /// Starts one with this site, which listens on `PORT`.
    async fn start(program: &str, site: &str) -> Self {
        // Somebody may take a free port between finding and using it; nginx then says so and ends.
        for _ in 0..5 {
            if let Some(nginx) = Self::try_start(program, site).await {
                return nginx;
            }
        }
        panic!("nginx found no port in five times");
    }

    async fn try_start(program: &str, site: &str) -> Option<Self> {
        let home = TempDir::new().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("    {name}_temp_path {}/{name};\n", home.path().display()))
            .concat();
        let config = format!(
            "daemon off;\nmaster_process off;\nerror_log stderr notice;\npid {}/pid;\nevents {{}}\n\
             http {{\n    access_log off;\n{temporary}{}\n}}\n",
            home.path().display(),
            site.replace("PORT", &port.to_string())
        );
        let file = home.path().join("nginx.conf");
        std::fs::write(&file, config).unwrap();
        let mut child = Command::new(program)
            .args(["-e", "stderr", "-p"])
            .arg(home.path())
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        while let Ok(Some(line)) = lines.next_line().await {
            // It says this when its sockets listen.
            if line.contains("event method") {
                let mut ears = JoinSet::new();
                ears.spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                return Some(Self { child, port, _home: home, _ears: ears });
            }
            said.push_str(&line);
            said.push('\n');
        }
        assert!(said.contains("Address already in use"), "nginx did not start:\n{said}");
        None
    }

    async fn stop(mut self) {
        self.child.kill().await.unwrap();
    }

    /// A connection from this address.
    async fn connect(&self, from: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
        socket.connect(format!("127.0.0.1:{}", self.port).parse().unwrap()).await.unwrap()
    }

    /// Status and whole answer to a request from this address, which also says that it is somebody else.
    async fn send(&self, from: &str, head: &str, body: &str) -> (u16, String) {
        let mut stream = self.connect(from).await;
        let request = format!(
            "{head}\r\nhost: agent.example.com\r\nconnection: close\r\nx-forwarded-for: {SPOOFED}\r\n\
             x-real-ip: {SPOOFED}\r\nforwarded: for={SPOOFED}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
    }

    /// A webhook of the page's endpoint.
    async fn webhook(&self, from: &str) -> (u16, String) {
        self.post(from, r#"{"service":"api","status":"success"}"#).await
    }

    async fn post(&self, from: &str, body: &str) -> (u16, String) {
        let secret = value_of("WEBHOOK_SECRET");
        let head = format!(
            "POST /webhook/deploy-alert HTTP/1.1\r\ncontent-type: application/json\r\nx-webhook-secret: {secret}\r\n\
             content-length: {}",
            body.len()
        );
        self.send(from, &head, body).await
    }
}

/// The page's site in front of this gateway: another port on either side, no certificate, a limit that does not refill.
fn site(page: &Page, gateway: &TestGateway) -> String {
    let mut site = page.blocks("nginx")[0].to_owned();
    for (printed, here) in [
        ("server 127.0.0.1:18789;", format!("server {};", gateway.address())),
        ("listen 443 ssl;", "listen 127.0.0.1:PORT;".to_owned()),
        ("rate=10r/s", "rate=1r/m".to_owned()),
    ] {
        assert!(site.contains(printed), "{printed}");
        site = site.replace(printed, &here);
    }
    site.lines()
        .filter(|line| !line.trim_start().starts_with("ssl_certificate"))
        .map(|line| format!("{line}\n"))
        .collect()
}

/// The first line of the log that has all these words.
async fn logged(gateway: &TestGateway, words: &[&str]) -> String {
    let line = || gateway.said().lines().find(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned);
    until(|| line().is_some()).await;
    line().unwrap()
}

#[tokio::test]
async fn the_gateway_behind_nginx_sees_the_client_s_address_and_no_spoofed_one() {
    let Some(program) = program() else { return };
    let page = Page::read("nginx.md");
    let gateway = gateway(page.config(0), None).await;
    let nginx = Nginx::start(program, &site(&page, &gateway)).await;

    let (status, answer) = nginx.webhook("127.0.0.2").await;
    assert_eq!(status, 200, "{answer}");
    let line = logged(&gateway, &["deploy-alert", "address"]).await;
    assert!(line.contains("127.0.0.2") && !line.contains(SPOOFED), "{line}");

    let token = value_of("OPENCLAW_AUTH_TOKEN");
    for (from, query, header) in
        [("127.0.0.3", format!("?token={token}"), None), ("127.0.0.4", String::new(), Some(&token))]
    {
        let mut request = format!("ws://agent.example.com/ws{query}").into_client_request().unwrap();
        request.headers_mut().insert("x-forwarded-for", SPOOFED.parse().unwrap());
        if let Some(token) = header {
            request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        let (mut socket, _) = tokio_tungstenite::client_async(request, nginx.connect(from).await).await.unwrap();
        socket.send(Message::text(json!({ "type": "status", "id": "s", "payload": {} }).to_string())).await.unwrap();
        let reply: Value = loop {
            let Message::Text(text) = socket.next().await.unwrap().unwrap() else { continue };
            let frame: Value = serde_json::from_str(&text).unwrap();
            if frame["id"] == "s" {
                break frame;
            }
        };
        assert_eq!(reply["type"], "status", "{reply}");
        let line = logged(&gateway, &["session opened", from]).await;
        assert!(!line.contains(SPOOFED), "{line}");
    }
    assert!(!gateway.said().contains(SPOOFED));

    for path in ["/", "/metrics", "/healthz", "/readyz"] {
        let (status, answer) = nginx.send("127.0.0.2", &format!("GET {path} HTTP/1.1"), "").await;
        assert!(status == 404 && answer.contains("nginx"), "{path}: {answer}");
    }
    let large = "POST /webhook/deploy-alert HTTP/1.1\r\ncontent-length: 1048577";
    let (status, answer) = nginx.send("127.0.0.2", large, "").await;
    assert!(status == 413 && answer.contains("nginx"), "{answer}");
    nginx.stop().await;
    gateway.stop().await;
}

#[tokio::test]
async fn over_limit_req_nginx_answers_itself_and_other_clients_are_not_held_back() {
    let Some(program) = program() else { return };
    let page = Page::read("nginx.md");
    let gateway = gateway(page.config(0), None).await;
    let printed = site(&page, &gateway);
    let limit = "limit_req zone=webhooks burst=20 nodelay;";
    assert!(printed.contains(limit));
    for (site, refusal) in
        [(printed.clone(), 503), (printed.replace(limit, &format!("{limit} limit_req_status 429;")), 429)]
    {
        let nginx = Nginx::start(program, &site).await;
        let mut statuses = Vec::new();
        for _ in 0..23 {
            statuses.push(nginx.webhook("127.0.0.5").await.0);
        }
        assert_eq!(statuses, [vec![200; 21], vec![refusal; 2]].concat());
        assert_eq!(nginx.webhook("127.0.0.6").await.0, 200);
        nginx.stop().await;
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_location_that_sets_no_x_forwarded_for_lets_clients_choose_their_address() {
    let Some(program) = program() else { return };
    let page = Page::read("nginx.md");
    let gateway = gateway(page.config(0), None).await;
    let careless = site(&page, &gateway).replace("proxy_set_header X-Forwarded-For $remote_addr;", "");
    let nginx = Nginx::start(program, &careless).await;
    assert_eq!(nginx.webhook("127.0.0.7").await.0, 200);
    let line = logged(&gateway, &["deploy-alert", "address"]).await;
    assert!(line.contains(SPOOFED), "this is what the page warns of: {line}");
    nginx.stop().await;
    gateway.stop().await;
}

#[tokio::test]
async fn without_trusted_proxies_everybody_is_nginx_and_a_larger_body_reaches_the_gateway_s_own_limit() {
    let Some(program) = program() else { return };
    let page = Page::read("nginx.md");
    let config = page.config(0).replace(r#"trustedProxies: ["127.0.0.1"],"#, "");
    assert_ne!(config, page.config(0));
    let gateway = gateway(&config, None).await;
    let location = "location /webhook/ {";
    let larger = site(&page, &gateway).replace(location, &format!("{location} client_max_body_size 25m;"));
    let nginx = Nginx::start(program, &larger).await;
    assert_eq!(nginx.webhook("127.0.0.8").await.0, 200);
    let line = logged(&gateway, &["deploy-alert", "address"]).await;
    assert!(line.contains("127.0.0.1") && !line.contains("127.0.0.8") && !line.contains(SPOOFED), "{line}");
    let (status, answer) = nginx.post("127.0.0.8", &"x".repeat((1 << 20) + 1)).await;
    assert!(status == 413 && answer.contains("PAYLOAD_TOO_LARGE"), "{answer}");
    nginx.stop().await;
    gateway.stop().await;
}
