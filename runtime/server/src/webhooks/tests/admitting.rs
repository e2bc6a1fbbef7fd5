//! Who gets in, and how much of a body is read.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Body, Bytes};
use axum::http::Method;
use futures_util::stream;
use openclaw_domain::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::*;
use crate::auth::FREE_FAILURES;

#[tokio::test]
async fn a_wrong_or_missing_secret_is_unauthorized_and_an_unknown_path_not_found() {
    let door = Door::of_the_guide();
    let wrong = with(unsigned("/webhook/deploy-alert", DEPLOY_BODY), "x-webhook-secret", "wrong");
    assert_eq!(door.send(wrong).await.error(), error(401, "WEBHOOK_INVALID"));
    let missing = door.send(unsigned("/webhook/deploy-alert", DEPLOY_BODY)).await;
    assert_eq!(missing.error(), error(401, "WEBHOOK_INVALID"));
    assert!(missing.json()["error"]["hint"].as_str().unwrap().contains("X-Webhook-Secret"));
    for unknown in ["/webhook/nowhere", "/webhook", "/webhook/", "/webhook/deploy-alert/", "/webhook/t", "/webhook/%FF"]
    {
        assert_eq!(door.send(post(unknown, DEPLOY_BODY)).await.error(), error(404, "WEBHOOK_INVALID"), "{unknown}");
    }
    door.assert_untouched();
}

#[tokio::test]
async fn an_endpoint_belongs_to_its_tenant_alone() {
    let door = Door::with(vec![deploy_alert(), endpoint("acme", "/build", "built {{body.service}}")]);
    assert_eq!(door.send(post("/webhook/t/acme/build", DEPLOY_BODY)).await.status, 200);
    assert_eq!(door.send(post("/webhook/t/default/deploy-alert", DEPLOY_BODY)).await.status, 200);
    for elsewhere in ["/webhook/build", "/webhook/t/acme/deploy-alert", "/webhook/t/other/build", "/webhook/t//build"] {
        assert_eq!(door.send(post(elsewhere, DEPLOY_BODY)).await.error(), error(404, "WEBHOOK_INVALID"), "{elsewhere}");
    }
    let tenants: Vec<String> = door.inbox.entries().iter().map(|entry| entry.tenant.to_string()).collect();
    assert_eq!(tenants, ["acme", "default"]);
    assert_eq!(door.inbox.entries()[0].events[0].tenant.as_str(), "acme");
}

#[tokio::test]
async fn two_secrets_hold_while_one_replaces_the_other_and_no_secret_lets_nobody_in() {
    let secrets = |all: &[&str]| EndpointAuth::SharedSecret(all.iter().map(|one| Secret::new((*one).into())).collect());
    let rotating = Endpoint { auth: secrets(&["old-secret", "new-secret"]), ..deploy_alert() };
    let closed = Endpoint { auth: secrets(&[]), ..endpoint("default", "/closed", "") };
    let door = Door::with(vec![rotating, closed]);
    let show = |path: &str, secret: &str| with(unsigned(path, DEPLOY_BODY), "x-webhook-secret", secret);
    for (secret, status) in
        [("old-secret", 200), ("new-secret", 200), ("old-secre", 401), ("old-secretnew-secret", 401)]
    {
        assert_eq!(door.send(show("/webhook/deploy-alert", secret)).await.status, status, "{secret}");
    }
    assert_eq!(door.send(show("/webhook/closed", "")).await.error(), error(401, "WEBHOOK_INVALID"));
    assert_eq!(door.send(show("/webhook/closed", "anything")).await.error(), error(401, "WEBHOOK_INVALID"));
}

#[tokio::test]
async fn two_secret_headers_are_a_malformed_request_even_if_both_are_right() {
    let door = Door::of_the_guide();
    let twice = with(deploy(), "x-webhook-secret", SECRET);
    assert_eq!(door.send(twice).await.error(), error(400, "INVALID_REQUEST"));
    door.assert_untouched();
}

#[tokio::test]
async fn only_post_is_taken_on_any_path() {
    let door = Door::of_the_guide();
    for path in ["/webhook/deploy-alert", "/webhook/nowhere"] {
        for method in [Method::GET, Method::PUT, Method::DELETE, Method::OPTIONS] {
            let mut request = post(path, "");
            *request.method_mut() = method;
            let answer = door.send(request).await;
            assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some("POST")));
        }
    }
    door.assert_untouched();
}

#[tokio::test]
async fn an_address_that_is_wrong_too_often_is_not_looked_at_and_others_are() {
    let door = Door::of_the_guide();
    for _ in 0..=FREE_FAILURES {
        door.send(unsigned("/webhook/deploy-alert", DEPLOY_BODY)).await;
    }
    let blocked = door.send(deploy()).await;
    assert_eq!(blocked.error(), error(429, "RATE_LIMITED"));
    assert!(blocked.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    let mut from_elsewhere = deploy();
    from_elsewhere.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 2], 4711))));
    assert_eq!(door.send(from_elsewhere).await.status, 200);
}

#[tokio::test]
async fn neither_a_strangers_page_nor_a_search_for_paths_locks_a_sender_out() {
    let door = Door::of_the_guide();
    for _ in 0..2 * FREE_FAILURES {
        let page = with(unsigned("/webhook/deploy-alert", DEPLOY_BODY), "sec-fetch-site", "cross-site");
        assert_eq!(door.send(page).await.error(), error(400, "INVALID_REQUEST"));
        assert_eq!(door.send(unsigned("/webhook/none", "")).await.error(), error(404, "WEBHOOK_INVALID"));
    }
    assert_eq!(door.send(deploy()).await.status, 200);
}

#[tokio::test]
async fn a_secret_too_long_to_guess_passes_while_its_sender_is_blocked() {
    const LONG: &str = "a-secret-of-thirty-two-character";
    let secrets = || vec![Secret::new(LONG.to_owned())];
    let door = Door::with(vec![
        Endpoint { auth: EndpointAuth::SharedSecret(secrets()), ..endpoint("default", "/long", "x") },
        Endpoint { auth: EndpointAuth::SlackToken(secrets()), ..endpoint("default", "/slack", "{{body.text}}") },
        deploy_alert(),
    ]);
    for _ in 0..=FREE_FAILURES {
        door.send(unsigned("/webhook/deploy-alert", DEPLOY_BODY)).await;
    }
    let slack = |token: &str| {
        let mut request = unsigned("/webhook/slack", format!("token={token}&text=hi"));
        request.headers_mut().insert("content-type", "application/x-www-form-urlencoded".parse().unwrap());
        request
    };
    let show = |secret: &str| with(unsigned("/webhook/long", DEPLOY_BODY), "x-webhook-secret", secret);
    assert_eq!(door.send(deploy()).await.status, 429, "a short one could be a guess");
    assert_eq!(
        door.send(show(&LONG.replace("two", "six"))).await.status,
        429,
        "a wrong one is answered like every other"
    );
    assert_eq!(door.send(show(LONG)).await.status, 200);
    assert_eq!(
        (door.send(slack("guess")).await.status.as_u16(), door.send(slack(LONG)).await.status.as_u16()),
        (429, 200)
    );
}

#[tokio::test]
async fn a_sender_over_the_endpoints_limit_is_told_when_to_come_back() {
    let door = Door::with(vec![Endpoint { requests_per_minute: 2, ..deploy_alert() }]);
    assert_eq!((door.send(deploy()).await.status, door.send(deploy()).await.status), (StatusCode::OK, StatusCode::OK));
    let limited = door.send(deploy()).await;
    assert_eq!(limited.error(), error(429, "RATE_LIMITED"));
    assert!(limited.json()["error"]["retry_after_ms"].as_u64().unwrap() > 0);
    assert!(limited.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);

    // A reload that leaves the limit alone gives nobody a fresh minute.
    door.settings.store(Arc::new(settings(vec![Endpoint { requests_per_minute: 2, ..deploy_alert() }])));
    assert_eq!(door.send(deploy()).await.status, 429);
}

#[tokio::test]
async fn a_reload_changes_what_is_served() {
    let door = Door::of_the_guide();
    assert_eq!(door.send(deploy()).await.status, 200);
    door.settings.store(Arc::new(settings(vec![endpoint("default", "/new", "x")])));
    assert_eq!(door.send(deploy()).await.status, 404);
    assert_eq!(door.send(post("/webhook/new", DEPLOY_BODY)).await.status, 200);
}

#[tokio::test]
async fn an_announced_body_over_the_limit_is_refused_before_it_is_read() {
    let door = Door::with(vec![Endpoint { max_bytes: 100, ..deploy_alert() }]);
    let answer = door.send(post("/webhook/deploy-alert", "x".repeat(101))).await;
    assert_eq!(answer.error(), error(413, "PAYLOAD_TOO_LARGE"));
    assert_eq!(answer.header("connection"), Some("close"));
    door.assert_untouched();
}

#[tokio::test]
async fn a_sender_that_waits_for_100_continue_hears_the_refusal_at_once() {
    let door = Door::of_the_guide();
    // The body never comes: only a server that does not ask for it can answer.
    let request = "POST /webhook/deploy-alert HTTP/1.1\r\nHost: localhost\r\nX-Webhook-Secret: wrong\r\n\
        Expect: 100-continue\r\nContent-Length: 60\r\n\r\n";
    let answer = over_tcp(&door, request).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}

/// A body without an announced size that counts what is read of it, and ends only after far too much.
fn counted_body(read: &Arc<AtomicUsize>) -> Body {
    let read = Arc::clone(read);
    let chunk = Bytes::from(vec![b'x'; 1024]);
    Body::from_stream(stream::iter((0..100_000).map(move |_| {
        read.fetch_add(1024, Ordering::SeqCst);
        Ok::<_, Infallible>(chunk.clone())
    })))
}

#[tokio::test]
async fn strangers_cannot_make_the_gateway_read_more_than_a_little() {
    let door = Door::of_the_guide();
    for path in ["/webhook/nowhere", "/webhook/deploy-alert"] {
        let read = Arc::new(AtomicUsize::new(0));
        let answer = door.send(unsigned(path, counted_body(&read))).await;
        assert_eq!(answer.error().1, "WEBHOOK_INVALID");
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(read.load(Ordering::SeqCst) <= 66 << 10, "{} bytes of {path}", read.load(Ordering::SeqCst));
    }
}

/// What a real server answers to these bytes, until it closes the connection.
async fn over_tcp(door: &Door, request: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = door.router.clone().into_make_service_with_connect_info::<SocketAddr>();
    let mut server = JoinSet::new();
    server.spawn(async move { axum::serve(listener, service).await });
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    server.shutdown().await;
    answer
}

#[tokio::test]
async fn a_chunked_body_over_the_limit_is_cut_off_while_it_streams() {
    let door = Door::with(vec![Endpoint { max_bytes: 100, ..deploy_alert() }]);
    // Two chunks of 60 bytes, and no end: a server that waited for the whole body would wait for ever.
    let chunk = "x".repeat(60);
    let request = format!(
        "POST /webhook/deploy-alert HTTP/1.1\r\nHost: localhost\r\nX-Webhook-Secret: {SECRET}\r\n\
         Transfer-Encoding: chunked\r\n\r\n3c\r\n{chunk}\r\n3c\r\n{chunk}\r\n"
    );
    let answer = over_tcp(&door, &request).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("connection: close") && answer.contains("PAYLOAD_TOO_LARGE"), "{answer}");
    door.assert_untouched();
}

#[tokio::test]
async fn a_chunked_body_within_the_limit_is_put_together() {
    let door = Door::of_the_guide();
    let (first, second) = DEPLOY_BODY.split_at(20);
    let request = format!(
        "POST /webhook/deploy-alert HTTP/1.1\r\nHost: localhost\r\nX-Webhook-Secret: {SECRET}\r\nConnection: close\r\n\
         Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
        first.len(),
        second.len()
    );
    let answer = over_tcp(&door, &request).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(door.inbox.entries()[0].body, DEPLOY_BODY);
}

#[tokio::test]
async fn other_media_types_are_refused_and_a_missing_one_is_fine() {
    let door = Door::of_the_guide();
    let typed = |media_type: &str| {
        let mut request = deploy();
        request.headers_mut().insert("content-type", media_type.parse().unwrap());
        request
    };
    assert_eq!(door.send(typed("application/xml")).await.error(), error(415, "UNSUPPORTED_TYPE"));
    assert_eq!(door.send(typed("multipart/form-data; boundary=x")).await.error(), error(415, "UNSUPPORTED_TYPE"));
    door.assert_untouched();
    let mut untyped = deploy();
    untyped.headers_mut().remove("content-type");
    assert_eq!(door.send(untyped).await.status, 200);
    assert_eq!(door.send(typed("application/vnd.api+json")).await.status, 200);
}
