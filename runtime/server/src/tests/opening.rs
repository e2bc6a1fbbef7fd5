//! Opening (docs/protocol.md): `Host`, `Origin`, upgrade, credential; and the plain doors.

use serde_json::{Value, json};

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
    let (status, answer) = gateway.http("GET /metrics?token=secret HTTP/1.1\r\nHost: localhost").await;
    assert!(status == 429 && answer.to_ascii_lowercase().contains("retry-after"), "{answer}");
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
    let mut client = gateway.connect("/", &[]).await.unwrap();
    tokio::time::pause();
    assert_eq!(client.next().await["payload"]["code"], "AUTH_REQUIRED");
    assert_eq!(client.next().await, 1008);
}

#[tokio::test]
async fn a_browser_sees_a_page_without_secrets_or_foreign_assets() {
    let gateway = Gateway::start().await;
    let (status, page) = gateway.http("GET / HTTP/1.1\r\nHost: localhost").await;
    assert_eq!(status, 200);
    assert!(page.contains("content-security-policy: default-src 'none'") && page.contains("1.2.3"), "{page}");
    for forbidden in [TOKEN, ACME_TOKEN, "{{", "src=", "href="] {
        let body = page.split_once("\r\n\r\n").unwrap().1;
        assert!(!body.contains(&format!("{forbidden}\"")) && !body.contains("{{"), "{forbidden}");
    }
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
    assert_eq!(get("/metrics?token=acme-secret", "").await.0, 403);
    assert_eq!(get("/ws", "").await.0, 426);
    assert_eq!(get("/nothing", "").await.0, 404);
    assert_eq!(gateway.http("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0").await.0, 405);
    let upgrade = "\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8";
    assert_eq!(get("/", upgrade).await.0, 400);
}
