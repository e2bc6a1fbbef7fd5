//! Opening (docs/protocol.md): `Host`, `Origin`, upgrade, credential; and the plain doors.

use std::time::Duration;

use openclaw_domain::Secret;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::fakes::{ACME_TOKEN, TOKEN};
use super::harness::Gateway;
use crate::auth::FREE_FAILURES;

const STATUS: &str = r#"{"type":"status","id":"req-1"}"#;

#[tokio::test]
async fn without_a_token_the_first_frame_hears_why_under_its_id() {
    let gateway = Gateway::start().await;
    for (path, code) in [
        ("/", "AUTH_REQUIRED"),
        ("/ws", "AUTH_REQUIRED"),
        ("/?token=", "AUTH_REQUIRED"),
        ("/?token=wrong", "AUTH_INVALID"),
        ("/ws?token=secre", "AUTH_INVALID"),
    ] {
        let mut client = gateway.connect(path, &[]).await.unwrap();
        client.send(STATUS).await;
        let error = client.next().await;
        assert_eq!((&error["type"], &error["id"]), (&json!("error"), &json!("req-1")), "{path}");
        assert_eq!(error["payload"]["code"], code, "{path}");
        assert_eq!(client.next().await, 1008);
    }
}

#[tokio::test]
async fn a_token_is_taken_from_the_url_or_the_header() {
    let gateway = Gateway::start().await;
    for (path, headers) in [
        ("/?token=secret", vec![]),
        ("/ws?a=b&token=secret", vec![]),
        ("/ws?token=%73ecret", vec![]),
        ("/", vec![("authorization", "Bearer secret")]),
    ] {
        let mut client = gateway.connect(path, &headers).await.unwrap();
        client.send(STATUS).await;
        assert_eq!(client.next().await["type"], "status", "{path}");
    }
}

#[tokio::test]
async fn without_authentication_everybody_is_anonymous_and_may_invoke() {
    let gateway = Gateway::with(|settings| (settings.auth_required, settings.tokens) = (false, Vec::new())).await;
    for path in ["/", "/?token=whatever"] {
        let mut client = gateway.connect(path, &[]).await.unwrap();
        let status = client.ask("a", "status", json!({})).await;
        assert_eq!(status["payload"]["credential"], "anonymous");
        assert_eq!(client.ask("b", "approval", json!({})).await["payload"]["code"], "FORBIDDEN");
    }
}

#[tokio::test]
async fn host_and_origin_are_checked_before_anything_else() {
    let gateway = Gateway::start().await;
    let own = format!("http://{}", gateway.address);
    for (host, origin, is_allowed) in [
        ("localhost:18789", None, true),
        ("192.168.1.100:18789", None, true),
        ("[::1]:18789", None, true),
        ("gateway.example", None, true),
        ("evil.test", None, false),
        ("localhost.evil.test", None, false),
        ("", None, false),
        (&gateway.address.to_string(), Some(own.as_str()), true),
        ("gateway.example", Some("https://gateway.example"), true),
        ("localhost", Some("https://app.example"), true),
        ("localhost", Some("https://evil.test"), false),
        ("localhost", Some("null"), false),
        ("evil.test", Some("http://evil.test"), false),
    ] {
        let mut headers = vec![("host", host)];
        headers.extend(origin.map(|origin| ("origin", origin)));
        // With a valid token: neither check is softened by one.
        let opened = gateway.connect("/?token=secret", &headers).await;
        assert_eq!(opened.is_ok(), is_allowed, "{host} {origin:?}");
        if let Err(response) = opened {
            let body: Value = serde_json::from_slice(response.body().as_deref().unwrap()).unwrap();
            assert!(matches!(response.status().as_u16(), 400 | 403), "{host}");
            assert!(matches!(body["error"]["code"].as_str().unwrap(), "FORBIDDEN" | "INVALID_REQUEST"));
        }
    }
}

#[tokio::test]
async fn a_foreign_host_reaches_no_door_but_the_webhooks() {
    let gateway = Gateway::start().await;
    for path in ["/", "/healthz", "/readyz", "/metrics", "/nothing"] {
        let (status, _) = gateway.http(&format!("GET {path} HTTP/1.1\r\nHost: evil.test")).await;
        assert_eq!(status, 403, "{path}");
    }
    let (status, answer) = gateway.http("POST /webhook/x HTTP/1.1\r\nHost: evil.test\r\nContent-Length: 0").await;
    assert!(status == 404 && answer.contains("WEBHOOK_INVALID"), "{answer}");
}

#[tokio::test]
async fn a_trusted_proxy_names_the_client_and_may_use_any_host() {
    let proxied = [("host", "inside.test"), ("x-forwarded-for", "203.0.113.9")];
    let trusting = Gateway::with(|settings| settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()]).await;
    assert!(trusting.connect("/?token=secret", &proxied).await.is_ok());
    assert!(trusting.connect("/?token=secret", &proxied[..1]).await.is_err());
    let (status, _) = trusting.http("GET / HTTP/1.1\r\nHost: inside.test\r\nX-Forwarded-For: 203.0.113.9").await;
    assert_eq!(status, 403, "only upgrades");
    let strict = Gateway::start().await;
    assert!(strict.connect("/?token=secret", &proxied).await.is_err());
}

#[tokio::test]
async fn guessing_is_throttled_by_address_on_loopback_too() {
    let gateway = Gateway::with(|settings| settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()]).await;
    let code_of = async |path: &str, from: &str| {
        let mut client = gateway.connect(path, &[("x-forwarded-for", from)]).await.unwrap();
        client.send(STATUS).await;
        let frame = client.next().await;
        frame["payload"]["code"].as_str().unwrap_or("OK").to_owned()
    };
    for _ in 0..FREE_FAILURES {
        assert_eq!(code_of("/?token=guess", "127.0.0.1").await, "AUTH_INVALID");
    }
    assert_eq!(code_of("/?token=guess", "127.0.0.1").await, "RATE_LIMITED");
    assert_eq!(code_of("/?token=secret", "127.0.0.1").await, "RATE_LIMITED", "a right guess must not stand out");
    assert_eq!(code_of("/?token=secret", "203.0.113.9").await, "OK");
    let bearer = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret";
    let (status, answer) = gateway.http(bearer).await;
    assert!(status == 429 && answer.to_ascii_lowercase().contains("retry-after"), "{answer}");
}

#[tokio::test]
async fn a_credential_too_long_to_guess_passes_while_its_address_is_blocked_and_a_wrong_one_does_not() {
    const LONG: &str = "a-token-of-thirty-two-characters";
    let gateway = Gateway::with(|settings| settings.tokens[0].token = Secret::new(LONG.to_owned())).await;
    let code_of = async |token: &str| {
        let mut client = gateway.client(token).await;
        client.send(STATUS).await;
        let frame = client.next().await;
        frame["payload"]["code"].as_str().unwrap_or("OK").to_owned()
    };
    for _ in 0..FREE_FAILURES {
        assert_eq!(code_of("guess").await, "AUTH_INVALID");
    }
    let wrong = LONG.replace("two", "six");
    for _ in 0..3 {
        assert_eq!(code_of(&wrong).await, "RATE_LIMITED");
        assert_eq!(code_of(LONG).await, "OK");
        assert_eq!(
            code_of(ACME_TOKEN).await,
            "RATE_LIMITED",
            "a short one could be a guess, and passing ends no block"
        );
    }
}

#[tokio::test]
async fn the_page_of_a_stranger_locks_nobody_out() {
    let gateway = Gateway::start().await;
    let from_page = "\r\nSec-Fetch-Mode: no-cors\r\nAuthorization: Bearer guess";
    for _ in 0..2 * FREE_FAILURES {
        for (origin, status) in [
            ("Sec-Fetch-Site: cross-site", 400),
            ("Sec-Fetch-Site: same-site", 400),
            ("Origin: https://evil.test", 403),
        ] {
            let head = format!("GET /metrics?token=x HTTP/1.1\r\nHost: localhost\r\n{origin}{from_page}");
            assert_eq!(gateway.http(&head).await.0, status, "{origin}");
        }
        let bare = "GET /metrics?token=x HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Mode: navigate";
        assert_eq!(gateway.http(bare).await.0, 401);
    }
    assert_eq!(gateway.client(TOKEN).await.ask("a", "status", json!({})).await["type"], "status");
    let link = "GET / HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate";
    assert_eq!(gateway.http(link).await.0, 200, "a person may follow a link to here");
}

#[tokio::test]
async fn a_full_gateway_says_so_in_a_frame_and_closes_with_try_again() {
    let gateway = Gateway::with(|settings| settings.max_connections = 1).await;
    let mut first = gateway.client(TOKEN).await;
    let mut second = gateway.client(ACME_TOKEN).await;
    second.send(STATUS).await;
    let (told, answered) = (second.next().await, second.next().await);
    assert_eq!((&told["payload"]["code"], told.get("id")), (&json!("GATEWAY_BUSY"), None));
    assert_eq!((&answered["payload"]["code"], &answered["id"]), (&json!("GATEWAY_BUSY"), &json!("req-1")));
    assert_eq!(second.next().await, 1013);
    assert_eq!(first.ask("a", "status", json!({})).await["type"], "status");
    first.socket.close(None).await.unwrap();
    first.rest().await;
    let mut third = gateway.client(ACME_TOKEN).await;
    assert_eq!(third.ask("b", "status", json!({})).await["type"], "status", "a place was given back");
}

#[tokio::test]
async fn one_tenant_leaves_a_quarter_of_the_connections_to_the_others() {
    let gateway = Gateway::with(|settings| settings.max_connections = 4).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut client = gateway.client(ACME_TOKEN).await;
        assert_eq!(client.ask("a", "status", json!({})).await["type"], "status");
        held.push(client);
    }
    assert_eq!(gateway.client(ACME_TOKEN).await.next().await["payload"]["code"], "GATEWAY_BUSY");
    assert_eq!(gateway.client(TOKEN).await.ask("b", "status", json!({})).await["type"], "status");
    let mut gone = held.pop().unwrap();
    gone.socket.close(None).await.unwrap();
    gone.rest().await;
    assert_eq!(gateway.client(ACME_TOKEN).await.ask("c", "status", json!({})).await["type"], "status");
}

#[tokio::test]
async fn a_client_that_asks_and_never_reads_is_dropped() {
    let gateway = Gateway::start().await;
    let mut stream = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
    let pages = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100);
    // Time jumps to the next timer whenever nothing else can happen: when every buffer between the two is full.
    tokio::time::pause();
    while tokio::io::AsyncWriteExt::write_all(&mut stream, pages.as_bytes()).await.is_ok() {}
}

#[tokio::test]
async fn sockets_without_a_token_never_use_up_the_connections() {
    let gateway = Gateway::with(|settings| settings.max_connections = 1).await;
    let mut strangers = Vec::new();
    let refused = loop {
        match gateway.connect("/", &[]).await {
            Ok(stranger) => strangers.push(stranger),
            Err(response) => break response,
        }
    };
    assert_eq!((strangers.len(), refused.status().as_u16()), (64, 503));
    assert_eq!(gateway.client(TOKEN).await.ask("a", "status", json!({})).await["type"], "status");
}

#[tokio::test]
async fn a_stranger_that_says_nothing_is_closed_in_the_end() {
    let gateway = Gateway::start().await;
    let before = Instant::now();
    let mut client = gateway.connect("/", &[]).await.unwrap();
    // From here on time jumps to the next timer whenever nothing else can happen.
    tokio::time::pause();
    let after = Instant::now();
    let early = timeout_at(before + Duration::from_millis(14_900), client.next()).await;
    assert!(early.is_err(), "{early:?}");
    let late = timeout_at(after + Duration::from_millis(15_100), client.next()).await;
    assert_eq!(late.expect("it is told in time")["payload"]["code"], "AUTH_REQUIRED");
    assert_eq!(client.next().await, 1008);
}

#[tokio::test]
async fn a_stranger_may_send_64_kib_and_not_a_byte_more() {
    let gateway = Gateway::start().await;
    let frame = |bytes: usize| {
        let (head, tail) = (r#"{"type":"status","id":"a","payload":{"x":"_"#, r#"_"}}"#);
        format!("{head}{}{tail}", "x".repeat(bytes - head.len() - tail.len()))
    };
    for (bytes, id) in [(64 << 10, Some("a")), ((64 << 10) + 1, None)] {
        let mut client = gateway.connect("/", &[]).await.unwrap();
        assert_eq!(frame(bytes).len(), bytes);
        client.send(&frame(bytes)).await;
        let answer = client.next().await;
        assert_eq!(answer["payload"]["code"], "AUTH_REQUIRED");
        assert_eq!(answer.get("id").and_then(|id| id.as_str()), id, "{bytes} bytes");
        assert_eq!(client.next().await, 1008);
    }
}

#[tokio::test]
async fn a_browser_sees_a_page_without_secrets_or_foreign_assets() {
    let gateway = Gateway::start().await;
    let (status, page) = gateway.http("GET / HTTP/1.1\r\nHost: localhost").await;
    assert_eq!(status, 200);
    assert!(page.contains("content-security-policy: default-src 'none'") && page.contains("1.2.3"), "{page}");
    let body = page.split_once("\r\n\r\n").unwrap().1;
    // `your-webhook-secret` stands there as an example; a token would stand alone or in a URL.
    let (token, acme) = (format!("token={TOKEN}"), format!("token={ACME_TOKEN}"));
    for forbidden in [&token, &acme, "{{", "src=", "href="] {
        assert!(!body.contains(forbidden), "{forbidden}");
    }
    assert!(body.contains(&format!("ws://localhost:{}", gateway.address.port())), "the port it listens on: {body}");
}

#[tokio::test]
async fn the_plain_doors_answer_what_they_say() {
    let gateway = Gateway::start().await;
    let get =
        async |path: &str, more: &str| gateway.http(&format!("GET {path} HTTP/1.1\r\nHost: localhost{more}")).await;
    assert_eq!(get("/healthz", "").await.0, 200);
    assert_eq!(get("/readyz", "").await.0, 200);
    let (status, answer) = get("/metrics", "").await;
    assert!(status == 401 && answer.contains(r#"{"error":{"code":"AUTH_REQUIRED""#), "{answer}");
    assert!(get("/metrics", "\r\nAuthorization: Bearer secret").await.1.contains("openclaw_sessions 1"));
    assert_eq!(get("/metrics", "\r\nAuthorization: Bearer acme-secret").await.0, 403);
    assert_eq!(get("/metrics?token=secret", "").await.0, 401, "a URL carries no token here");
    assert_eq!(get("/ws", "").await.0, 426);
    assert_eq!(get("/nothing", "").await.0, 404);
    assert_eq!(gateway.http("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0").await.0, 405);
    let upgrade = "\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8";
    assert_eq!(get("/", upgrade).await.0, 400);
}
