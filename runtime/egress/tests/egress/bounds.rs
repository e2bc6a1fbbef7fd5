//! Bounds on size and number, and that nothing outlives its reader.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use openclaw_domain::ports::Egress as _;
use openclaw_domain::{EgressError, EgressLimits, Outgoing, OutgoingBody, TenantId};
use openclaw_egress::EgressSettings;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;

use crate::network::{failure, fetch, get, opened, read};
use crate::server::{Server, say_and_hold};

const URL: &str = "http://93.184.216.34/";

fn too_large(error: &EgressError) -> (&'static str, u64) {
    match error {
        EgressError::TooLarge { what, limit } => (what, *limit),
        other => panic!("not refused for its size: {other}"),
    }
}

#[tokio::test]
async fn a_request_over_its_bounds_is_not_sent_to_its_end() {
    let server = Server::ok().await;
    let egress = opened(&EgressSettings::default(), server.address);
    let limits = EgressLimits { request_header_bytes: 512, request_body_bytes: 1000, ..EgressLimits::default() };
    let post = |body| Outgoing { method: Method::POST, limits, body, ..get(URL) };
    let error = failure(fetch(&egress, post(OutgoingBody::Full(vec![0; 1001].into()))).await);
    assert_eq!(too_large(&error), ("a request body", 1000));
    let endless = stream::repeat_with(|| Ok(Bytes::from_static(&[0; 100])));
    let error = failure(fetch(&egress, post(OutgoingBody::Stream(Box::pin(endless)))).await);
    assert_eq!(too_large(&error), ("a request body", 1000));
    let mut headers = HeaderMap::new();
    headers.append(HeaderName::from_static("content-length"), HeaderValue::from_static("10000000000"));
    let body = OutgoingBody::Stream(Box::pin(stream::pending()));
    let error = failure(fetch(&egress, Outgoing { headers, ..post(body) }).await);
    assert_eq!(too_large(&error), ("a request body", 1000));
    let mut headers = HeaderMap::new();
    headers.append(HeaderName::from_static("x-long"), HeaderValue::from_bytes(&[b'a'; 512]).unwrap());
    let error = failure(fetch(&egress, Outgoing { headers, limits, ..get(URL) }).await);
    assert_eq!(too_large(&error), ("request headers", 512));
    assert_eq!(fetch(&egress, post(OutgoingBody::Full(vec![0; 1000].into()))).await.unwrap().0, 200);
}

#[tokio::test]
async fn a_body_of_ten_gigabytes_is_refused_at_its_head() {
    let server = Server::serving(|mut stream, _| async move {
        say_and_hold(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 10737418240\r\n\r\n").await;
    })
    .await;
    let egress = opened(&EgressSettings::default(), server.address);
    let error = failure(egress.send(get(URL)).await);
    assert_eq!(too_large(&error), ("a response body", 8 << 20));
}

#[tokio::test]
async fn an_endless_body_ends_at_the_bound_and_so_does_the_connection() {
    let (closed_tx, mut closed) = mpsc::unbounded_channel();
    let server = Server::serving(move |mut stream, _| {
        let closed = closed_tx.clone();
        async move {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.ok();
            let chunk = format!("1000\r\n{}\r\n", "a".repeat(0x1000));
            while stream.write_all(chunk.as_bytes()).await.is_ok() {}
            closed.send(()).ok();
        }
    })
    .await;
    let egress = opened(&EgressSettings::default(), server.address);
    let limits = EgressLimits { response_body_bytes: 100_000, ..EgressLimits::default() };
    let mut response = egress.send(Outgoing { limits, ..get(URL) }).await.unwrap();
    let mut total = 0;
    let error = loop {
        match response.body.next().await.unwrap() {
            Ok(chunk) => total += chunk.len(),
            Err(error) => break error,
        }
    };
    assert_eq!(too_large(&error), ("a response body", 100_000));
    assert!(total <= 100_000, "{total}");
    assert!(response.body.next().await.is_none());
    closed.recv().await.unwrap();
}

#[tokio::test]
async fn header_bombs_end_at_the_bound() {
    let one_long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(40 << 10));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(5000));
    for response in [one_long, many] {
        let server = Server::answering(response).await;
        let egress = opened(&EgressSettings::default(), server.address);
        let error = failure(fetch(&egress, get(URL)).await);
        assert_eq!(too_large(&error), ("response headers", 32 << 10));
    }
    let endless = Server::serving(|mut stream, _| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\n").await.ok();
        while stream.write_all(b"x-endless: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n").await.is_ok() {}
    })
    .await;
    let egress = opened(&EgressSettings::default(), endless.address);
    let error = failure(fetch(&egress, get(URL)).await);
    assert_eq!(too_large(&error), ("response headers", 32 << 10));
    // Interim responses are headers too.
    let hints = Server::serving(|mut stream, _| async move {
        while stream.write_all(b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n").await.is_ok() {}
    })
    .await;
    let egress = opened(&EgressSettings::default(), hints.address);
    let error = failure(fetch(&egress, get(URL)).await);
    assert_eq!(too_large(&error), ("response headers", 32 << 10));
}

#[tokio::test]
async fn who_drops_a_response_or_the_wait_for_one_closes_the_connection() {
    let (closed_tx, mut closed) = mpsc::unbounded_channel();
    let server = Server::serving(move |mut stream, request| {
        let closed = closed_tx.clone();
        async move {
            if request.starts_with("GET /head") {
                say_and_hold(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n").await;
            } else {
                say_and_hold(&mut stream, "").await;
            }
            closed.send(()).ok();
        }
    })
    .await;
    let mut server = server;
    let egress = opened(&EgressSettings::default(), server.address);
    let response = egress.send(get("http://93.184.216.34/head")).await.unwrap();
    server.next().await;
    drop(response);
    closed.recv().await.unwrap();
    tokio::select! {
        _ = egress.send(get(URL)) => panic!("there is no response"),
        _ = server.next() => {}
    }
    closed.recv().await.unwrap();
    egress.close().await;
}

#[tokio::test]
async fn a_tenant_at_its_bound_waits_for_itself_and_nobody_waits_for_it() {
    let mut server = Server::serving(|mut stream, request| async move {
        match request.starts_with("GET /hold") {
            true => say_and_hold(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n").await,
            false => drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await),
        }
    })
    .await;
    let settings = EgressSettings { max_connections: 2, max_connections_per_tenant: 1, ..EgressSettings::default() };
    let egress = opened(&settings, server.address);
    let held = egress.send(get("http://93.184.216.34/hold")).await.unwrap();
    server.next().await;
    let mut second = Box::pin(fetch(&egress, get(URL)));
    assert!(futures_util::poll!(&mut second).is_pending());
    let other: TenantId = "other".parse().unwrap();
    assert_eq!(fetch(&egress, Outgoing { tenant: other, ..get(URL) }).await.unwrap().0, 200);
    assert!(server.next().await.starts_with("GET / "));
    assert!(futures_util::poll!(&mut second).is_pending());
    assert!(server.is_untouched());
    drop(held);
    assert_eq!(second.await.unwrap().0, 200);
}

#[tokio::test]
async fn a_deadline_that_is_over_lets_nothing_out() {
    let mut server = Server::ok().await;
    let settings = EgressSettings { max_connections: 1, ..EgressSettings::default() };
    let egress = opened(&settings, server.address);
    let held = egress.send(get(URL)).await.unwrap();
    server.next().await;
    let deadline = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
    assert_eq!(failure(fetch(&egress, Outgoing { deadline, ..get(URL) }).await), EgressError::TimedOut);
    assert_eq!(read(held).await.unwrap(), b"ok");
}

#[tokio::test]
async fn closing_the_egress_ends_what_is_under_way_and_says_so() {
    let server = Server::serving(|mut stream, _| async move {
        say_and_hold(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n").await;
    })
    .await;
    let egress = opened(&EgressSettings::default(), server.address);
    let response = egress.send(get(URL)).await.unwrap();
    egress.close().await;
    assert!(matches!(failure(read(response).await), EgressError::Protocol(_)));
    assert!(matches!(failure(egress.send(get(URL)).await), EgressError::Protocol(_)));
}
