//! What attackers tried against grants and powers, and what did not give way.
//!
//! Each test is an attack through a real guest on stock interfaces, with its positive control beside it: the same
//! request in its plain form passes.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::{Arc, Mutex};

use openclaw_domain::TenantId;
use openclaw_tests::{Loopback, TestRegistry, lines_of, listen, told, until};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::capability_http::powers;
use crate::guests::POWERS;

const VALUE: &str = "CorrectHorse-9battery";

async fn may_get(server: &Loopback, path: &str) -> TestRegistry {
    let registry = TestRegistry::serving(&[POWERS]).await;
    let lines = [format!("http GET {}{path}", server.origin()), format!("private {}", server.origin())];
    registry.grant("powers", powers(&lines.each_ref().map(String::as_str))).await;
    registry
}

async fn tried(registry: &TestRegistry, wanted: Value) -> String {
    told(registry.call("powers/fetch-anyway", wanted).await)
}

#[tokio::test]
async fn no_other_spelling_of_a_path_or_method_passes_a_rule() {
    let server = Loopback::start().await;
    let registry = may_get(&server, "/ok/**").await;
    let get = |path: &str| json!({ "host": server.address(), "path": path });
    for path in ["/ok/a", "/ok/a?x=../..", "/ok/.../a"] {
        assert_eq!(tried(&registry, get(path)).await, "it went well: 200 hello", "{path}");
    }
    let sent = server.seen().len();
    for path in [
        "/ok/../x",
        "/ok/%2e%2e/x",
        "/ok/.%2e/x",
        "/ok/%2E./x",
        "/ok/..;/x",
        "/ok/a/%2f..%2f",
        "/ok/\\..\\x",
        "/ok/a%00",
        "/OK/a",
        "/o%6b/a",
        "//ok/a",
        "/ok/a b",
        "/ok/a\r\nx: y",
        "/okay",
    ] {
        let told = tried(&registry, get(path)).await;
        assert!(told.starts_with("it went well: refused:"), "{path:?}: {told}");
    }
    for method in ["get", "POST", "GET ", "GET\r\nx: y", "CONNECT", "TRACE", "G*", "*", ""] {
        let wanted = json!({ "method": method, "host": server.address(), "path": "/ok/a" });
        let told = tried(&registry, wanted).await;
        assert!(told.starts_with("it went well: refused:"), "{method:?}: {told}");
    }
    assert_eq!(server.seen().len(), sent);
}

#[tokio::test]
async fn no_other_spelling_of_a_host_passes_a_rule() {
    let server = Loopback::start().await;
    let port = server.address().rsplit(':').next().unwrap().to_owned();
    let registry = TestRegistry::serving(&[POWERS]).await;
    let lines = [format!("http GET http://LocalHost.:{port}/**"), format!("private http://localhost:{port}")];
    registry.grant("powers", powers(&lines.each_ref().map(String::as_str))).await;
    let get = |host: &str| json!({ "host": host.replace("PORT", &port), "path": "/" });
    // Two spellings of one place are one.
    for host in ["localhost:PORT", "LOCALHOST:PORT", "localhost.:PORT"] {
        assert_eq!(tried(&registry, get(host)).await, "it went well: 200 hello", "{host}");
    }
    let sent = server.seen().len();
    for host in [
        "127.0.0.1:PORT",
        "127.1:PORT",
        "2130706433:PORT",
        "0x7f.1:PORT",
        "[::ffff:127.0.0.1]:PORT",
        "localhost..:PORT",
        ".localhost:PORT",
        "x.localhost:PORT",
        "user@localhost:PORT",
        "localhost:PORT@example.com",
        "example.com@localhost:PORT",
        "localhost%2e:PORT",
        "localhost\u{3002}:PORT",
        "\u{24db}ocalhost:PORT",
        "localhost",
        "localhost:0",
        "localhost:PORT/",
        "localhost:PORT\r\nx: y",
    ] {
        let told = tried(&registry, get(host)).await;
        assert!(told.starts_with("it went well: refused:"), "{host:?}: {told}");
    }
    assert_eq!(server.seen().len(), sent);
}

/// A server that gives the header `x-token` back in every part of a response, by path; what it was sent.
async fn mirror() -> (String, Arc<Mutex<Vec<String>>>, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (keep, mut serving) = (Arc::clone(&seen), JoinSet::new());
    serving.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0; 1024];
                match stream.read(&mut byte).await {
                    Ok(count) if count > 0 => request.extend_from_slice(&byte[..count]),
                    _ => break,
                }
            }
            let text = String::from_utf8_lossy(&request).into_owned();
            let token = text.lines().find_map(|line| line.strip_prefix("x-token: ")).unwrap_or("none").to_owned();
            let small = token.to_lowercase();
            let ok = "HTTP/1.1 200 OK\r\n";
            let answer = match text.split(' ').nth(1).unwrap_or_default() {
                "/header" => format!("{ok}x-echo: {token}\r\nx-{small}: 1\r\ncontent-length: 0\r\n\r\n"),
                "/redirect" => {
                    format!("HTTP/1.1 302 Found\r\nlocation: http://a.example/{token}\r\ncontent-length: 0\r\n\r\n")
                }
                "/hints" => format!("HTTP/1.1 103 Early Hints\r\nlink: <{token}>\r\n\r\n{ok}content-length: 0\r\n\r\n"),
                "/reason" => format!("HTTP/1.1 200 {token}\r\ncontent-length: 0\r\n\r\n"),
                "/trailers" => format!("{ok}transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-t: {token}\r\n\r\n"),
                "/extension" => format!("{ok}transfer-encoding: chunked\r\n\r\n2;{token}\r\nok\r\n0\r\n\r\n"),
                "/not-a-head" => format!("{ok}{token}\r\n\r\n"),
                "/not-a-chunk" => format!("{ok}transfer-encoding: chunked\r\n\r\n{token}\r\n"),
                "/cut-short" => format!("{ok}content-length: 100\r\n\r\n{token}"),
                "/switch" => format!("HTTP/1.1 101 Switching Protocols\r\nupgrade: {token}\r\n\r\n{token}"),
                _ => format!("{ok}content-length: {}\r\n\r\n{text}", text.len()),
            };
            keep.lock().unwrap().push(text);
            // Whoever has gone does not want the answer.
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (address, seen, serving)
}

async fn with_token(address: &str) -> TestRegistry {
    let registry = TestRegistry::serving(&[POWERS]).await;
    registry.secrets.set(&TenantId::default(), "token", VALUE);
    let lines = [
        format!("http GET http://{address}/**"),
        format!("private http://{address}"),
        format!("secret token for http://{address}"),
    ];
    registry.grant("powers", powers(&lines.each_ref().map(String::as_str))).await;
    registry
}

#[tokio::test]
async fn a_server_that_gives_a_secret_back_gives_it_to_nobody() {
    listen();
    let (address, seen, _serving) = mirror().await;
    let registry = with_token(&address).await;
    let trace = openclaw_domain::TraceId::new();
    let mut said = String::new();
    for path in [
        "/echo",
        "/header",
        "/redirect",
        "/hints",
        "/reason",
        "/trailers",
        "/extension",
        "/not-a-head",
        "/not-a-chunk",
        "/cut-short",
        "/switch",
    ] {
        let headers = json!([["x-token", "{{secret:token}}"]]);
        let wanted = json!({ "host": address, "path": path, "headers": headers });
        for tool in ["powers/fetch", "powers/fetch-anyway"] {
            said += &told(registry.call_in(trace, tool, wanted.clone()).await);
        }
    }
    assert!(said.contains("x-token: [secret]"), "the positive control: {said}");
    assert_eq!(seen.lock().unwrap().iter().filter(|request| request.contains(VALUE)).count(), 22);
    for event in registry.events().await {
        said += &event.fact.data;
    }
    said += &lines_of(trace).join("\n");
    assert!(!said.to_lowercase().contains(&VALUE.to_lowercase()), "{said}");
}

#[tokio::test]
async fn what_is_not_a_placeholder_to_the_letter_brings_no_secret() {
    let (address, seen, _serving) = mirror().await;
    let registry = with_token(&address).await;
    let with = |headers: Value, path: &str| json!({ "host": address, "path": path, "headers": headers });
    for (headers, path) in [
        (json!([["x-token", "{{SECRET:token}}"]]), "/"),
        (json!([["x-token", "{{secret:TOKEN}}"]]), "/"),
        (json!([["x-token", "{{secret: token}}"]]), "/"),
        (json!([["x-token", "{{secret"], ["x-token", ":token}}"]]), "/"),
        (json!([["{{secret:token}}", "x"]]), "/"),
        (json!([["host", "{{secret:token}}"]]), "/"),
        (json!([["content-length", "{{secret:token}}"]]), "/"),
        (json!([["transfer-encoding", "{{secret:token}}"]]), "/"),
        (json!([["range", "bytes=0-3"], ["x-token", "{{secret:token}}"]]), "/"),
        (json!([]), "/{{secret:token}}"),
        (json!([]), "/?q={{secret:token}}"),
    ] {
        tried(&registry, with(headers, path)).await;
    }
    assert!(!seen.lock().unwrap().iter().any(|request| request.contains(VALUE)), "{seen:?}");
    tried(&registry, with(json!([["x-token", "{{secret:token}}"]]), "/")).await;
    assert!(seen.lock().unwrap().last().unwrap().contains(VALUE));
}

#[tokio::test]
async fn a_grant_file_that_cannot_be_trusted_denies_until_it_can() {
    let registry = TestRegistry::serving(&[POWERS]).await;
    registry.grant("powers", powers(&["kv notes"])).await;
    let path = registry.grants.path(&TenantId::default(), &"powers".parse().unwrap());
    let (folder, good) = (path.parent().unwrap(), std::fs::read_to_string(&path).unwrap());
    let mode = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    let rewrite = |text: &str| {
        let _ = std::fs::remove_file(&path);
        std::fs::write(&path, text).unwrap();
        mode(&path, 0o600);
    };
    let note = json!({ "bucket": "notes", "key": "a" });
    let said = async || {
        registry.grants.reload();
        told(registry.call("powers/get", note.clone()).await)
    };
    let granted = "it went well: nothing (false)";
    assert_eq!(said().await, granted);

    mode(&path, 0o666);
    assert!(said().await.starts_with("CAPABILITY_DENIED"), "anybody could have written it");
    mode(&path, 0o600);
    mode(folder, 0o777);
    assert!(said().await.starts_with("CAPABILITY_DENIED"), "anybody could have put it there");
    mode(folder, 0o700);
    assert_eq!(said().await, granted);

    let elsewhere = tempfile::TempDir::new().unwrap();
    let real = elsewhere.path().join("powers.toml");
    std::fs::write(&real, &good).unwrap();
    mode(&real, 0o600);
    std::fs::remove_file(&path).unwrap();
    symlink(&real, &path).unwrap();
    assert!(said().await.starts_with("CAPABILITY_DENIED"), "a link leads elsewhere");

    for text in [
        good.replace("tenant = \"default\"", "tenant = \"acme\""),
        good.replace("skill = \"powers\"", "skill = \"others\""),
        format!("expirs = \"2020-01-01T00:00:00Z\"\n{good}"),
        good.replace("sha256:", "sha256:0"),
        good[..good.len() / 2].to_owned(),
        String::new(),
        "\u{0}".repeat(2 << 20),
    ] {
        rewrite(&text);
        assert!(said().await.starts_with("CAPABILITY_DENIED"), "{}", &text[..text.len().min(300)]);
    }
    rewrite(&good);
    assert_eq!(said().await, granted);
}

#[tokio::test]
async fn the_same_bytes_under_another_name_or_tenant_inherit_nothing() {
    let registry = TestRegistry::serving(&[POWERS]).await;
    registry.grant("powers", powers(&["kv notes"])).await;
    let note = json!({ "bucket": "notes", "key": "a", "value": "mine" });
    assert_eq!(told(registry.call("powers/set", note.clone()).await), "it went well: kept");
    registry.take_as("twin", std::fs::read(POWERS).unwrap()).await.unwrap();
    let acme = openclaw_tests::tenant("acme");
    let bytes = std::fs::read(POWERS).unwrap();
    registry.registry.install(&acme, bytes.into(), None, false).await.unwrap();
    assert!(told(registry.call("twin/get", note.clone()).await).starts_with("CAPABILITY_DENIED"));
    assert!(told(registry.call_as(&acme, "powers/get", note.clone()).await).starts_with("CAPABILITY_DENIED"));
    registry.grant("twin", powers(&["kv notes"])).await;
    registry.grant_to(&acme, "powers", powers(&["kv notes"]), |_| {}).await;
    assert_eq!(told(registry.call("twin/get", note.clone()).await), "it went well: nothing (false)");
    assert_eq!(told(registry.call_as(&acme, "powers/get", note.clone()).await), "it went well: nothing (false)");
    assert_eq!(told(registry.call("powers/get", note).await), "it went well: mine (true)");
}

#[tokio::test]
async fn calls_that_write_at_once_pass_no_quota_together_and_lose_no_count() {
    let registry = TestRegistry::serving(&[POWERS]).await;
    registry.grant("powers", powers(&["kv notes"])).await;
    registry.policy.limit(|limits| limits.kv_bytes = 60_000);
    let tenant = TenantId::default();
    let count = json!({ "bucket": "notes", "key": "n", "by": 1 });
    let counting: Vec<_> = (0..6).map(|_| registry.begin(&tenant, "powers/count", &count)).collect();
    for call in counting {
        assert!(call.ended().await.starts_with("it went well: "));
    }
    assert_eq!(told(registry.call("powers/count", count).await), "it went well: 7");
    let writing: Vec<_> = (0..6)
        .map(|number| {
            let many = json!({ "bucket": "notes", "key": format!("{number}-"), "value": "v".repeat(20), "by": 450 });
            registry.begin(&tenant, "powers/many", &many)
        })
        .collect();
    let mut kept = 0;
    for call in writing {
        kept += usize::from(call.ended().await.starts_with("it went well"));
    }
    let used = registry.registry.used(&tenant).await.unwrap().kv;
    assert!(used.bytes <= 60_000, "{used:?}");
    assert!((1..6).contains(&kept) && used.keys == 450 * kept as u64 + 1, "each change is whole: {kept} {used:?}");
}

#[tokio::test]
async fn a_call_whose_caller_has_gone_is_counted_and_gives_its_place_back() {
    let server = Loopback::start().await;
    let registry = TestRegistry::serving(&[POWERS]).await;
    let lines = [format!("http GET {}/**", server.origin()), format!("private {}", server.origin())];
    let (given, tenant) = (powers(&lines.each_ref().map(String::as_str)), TenantId::default());
    registry.grant_to(&tenant, "powers", given, |grant| grant.limits.concurrent_calls = Some(1)).await;
    let hang = json!({ "host": server.address(), "path": "/hang" });
    let call = registry.begin(&tenant, "powers/fetch", &hang);
    until(|| server.seen().len() == 1).await;
    let hello = json!({ "host": server.address(), "path": "/" });
    let busy = told(registry.call("powers/fetch", hello.clone()).await);
    assert!(busy.starts_with("GATEWAY_BUSY"), "{busy}");
    call.drop_it().await;
    let spent = registry.registry.used(&tenant).await.unwrap().egress_bytes;
    assert!(spent > 0, "what was sent before counts");
    assert_eq!(told(registry.call("powers/fetch", hello).await), "it went well: 200 hello");
    assert!(registry.registry.used(&tenant).await.unwrap().egress_bytes > spent);
}
