//! Time: the deadline, the least speed, the wait for a connection. The clock is stopped and moved by hand.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use http::Method;
use openclaw_domain::ports::Egress as _;
use openclaw_domain::{EgressError, EgressLimits, Outgoing, OutgoingBody};
use openclaw_egress::{Dialer, Egress, EgressSettings};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio::time::advance;

use crate::network::{Known, Open, failure, fetch, get, opened};
use crate::server::{Server, say_and_hold};

const URL: &str = "http://93.184.216.34/";

/// Keeps the stopped clock from moving by itself while sockets are waited for: tokio holds it as long as a blocking
/// task runs.
struct Stopped {
    _release: std::sync::mpsc::Sender<()>,
}

fn stop_the_clock() -> Stopped {
    let (release, wait) = std::sync::mpsc::channel::<()>();
    tokio::task::spawn_blocking(move || wait.recv());
    Stopped { _release: release }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// To be over after this much of the stopped clock's time.
fn until(deadline: Duration) -> Outgoing {
    let deadline = tokio::time::Instant::now().into_std() + deadline;
    Outgoing { deadline, ..get(URL) }
}

fn slow(request: Outgoing) -> Outgoing {
    Outgoing { limits: EgressLimits { least_bytes_per_second: 0, ..request.limits }, ..request }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_drips_is_cut_off_after_five_seconds() {
    let _clock = stop_the_clock();
    let server = Server::serving(|mut stream, _| async move {
        say_and_hold(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\ndrip").await;
    })
    .await;
    let egress = opened(&EgressSettings::default(), server.address);
    let mut response = egress.send(until(seconds(3600))).await.unwrap();
    assert_eq!(response.body.next().await.unwrap().unwrap(), "drip");
    advance(seconds(4)).await;
    assert!(futures_util::poll!(response.body.next()).is_pending());
    advance(seconds(2)).await;
    assert_eq!(response.body.next().await.unwrap(), Err(EgressError::TooSlow(64)));
}

#[tokio::test(start_paused = true)]
async fn a_body_just_fast_enough_is_read_to_its_end() {
    let _clock = stop_the_clock();
    let (go, waits) = (Arc::new(Notify::new()), 4);
    let signal = Arc::clone(&go);
    let server = Server::serving(move |mut stream, _| {
        let signal = Arc::clone(&signal);
        async move {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 320 * waits);
            stream.write_all(head.as_bytes()).await.ok();
            for _ in 0..waits {
                signal.notified().await;
                stream.write_all(&[b'a'; 320]).await.ok();
            }
            say_and_hold(&mut stream, "").await;
        }
    })
    .await;
    let egress = opened(&EgressSettings::default(), server.address);
    let mut response = egress.send(until(seconds(3600))).await.unwrap();
    for _ in 0..waits {
        go.notify_one();
        let mut got = 0;
        while got < 320 {
            got += response.body.next().await.unwrap().unwrap().len();
        }
        advance(seconds(5)).await;
    }
    assert!(response.body.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_a_response_that_nobody_reads_and_its_connection() {
    let _clock = stop_the_clock();
    let (closed_tx, mut closed) = mpsc::unbounded_channel();
    let written = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&written);
    let server = Server::serving(move |mut stream, _| {
        let (closed, count) = (closed_tx.clone(), Arc::clone(&count));
        async move {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n").await.ok();
            let zeros = vec![0; 1 << 16];
            while let Ok(some) = stream.write(&zeros).await {
                count.fetch_add(some as u64, Ordering::SeqCst);
            }
            closed.send(()).ok();
        }
    })
    .await;
    let egress = opened(&EgressSettings::default(), server.address);
    let limits = EgressLimits { response_body_bytes: u64::MAX, ..EgressLimits::default() };
    let mut response = egress.send(Outgoing { limits, ..until(seconds(60)) }).await.unwrap();
    advance(seconds(61)).await;
    closed.recv().await.unwrap();
    // What the sockets of both sides take, and a few chunks of ours; not the ten gigabytes.
    assert!(written.load(Ordering::SeqCst) < 64 << 20, "{written:?}");
    let mut unread = 0;
    let error = loop {
        match response.body.next().await.unwrap() {
            Ok(chunk) => unread += chunk.len(),
            Err(error) => break error,
        }
    };
    assert_eq!(error, EgressError::TimedOut);
    assert!(unread < 1 << 20, "{unread}");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_counts_while_the_server_thinks_or_sends_its_headers() {
    for text in ["", "HTTP/1.1 200 OK\r\nx-slow: ", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n"] {
        let _clock = stop_the_clock();
        let mut server =
            Server::serving(move |mut stream, _| async move { say_and_hold(&mut stream, text).await }).await;
        let egress = opened(&EgressSettings::default(), server.address);
        let request = slow(until(seconds(60)));
        let mut fetched = Box::pin(fetch(&egress, request));
        tokio::select! {
            _ = &mut fetched => panic!("there is no response"),
            _ = server.next() => {}
        }
        advance(seconds(61)).await;
        assert_eq!(failure(fetched.await), EgressError::TimedOut, "{text:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_take_the_body_is_left_after_five_seconds() {
    let _clock = stop_the_clock();
    let mut server = Server::serving(|stream, _| async move {
        let _stream = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let egress = opened(&EgressSettings::default(), server.address);
    let limits = EgressLimits { request_body_bytes: u64::MAX, ..EgressLimits::default() };
    // Chunked, and without a declared length that the server of this test would wait for.
    let body = futures_util::stream::repeat_with(|| Ok(vec![0; 1 << 16].into()));
    let body = OutgoingBody::Stream(Box::pin(body));
    let mut fetched =
        Box::pin(fetch(&egress, Outgoing { method: Method::PUT, limits, body, ..until(seconds(36_000)) }));
    drop(futures_util::poll!(&mut fetched));
    let error = loop {
        tokio::select! {
            result = &mut fetched => break failure(result),
            () = advance(seconds(5)) => {}
        }
    };
    assert_eq!(error, EgressError::TooSlow(64));
    assert!(server.is_untouched());
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_takes_its_time_is_not_the_server_s_fault() {
    let _clock = stop_the_clock();
    let (polled, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let state = (Arc::clone(&polled), Arc::clone(&go), false);
    let body = futures_util::stream::unfold(state, |(polled, go, is_second)| async move {
        if is_second {
            polled.notify_one();
            go.notified().await;
            return None;
        }
        Some((Ok("x".into()), (polled, go, true)))
    });
    let mut server = Server::ok().await;
    let egress = opened(&EgressSettings::default(), server.address);
    let body = OutgoingBody::Stream(Box::pin(body));
    let mut fetched = Box::pin(fetch(&egress, Outgoing { method: Method::POST, body, ..until(seconds(3600)) }));
    tokio::select! {
        _ = &mut fetched => panic!("the body has not ended"),
        () = polled.notified() => {}
    }
    for _ in 0..4 {
        advance(seconds(5)).await;
        assert!(futures_util::poll!(&mut fetched).is_pending());
    }
    go.notify_one();
    assert_eq!(fetched.await.unwrap().0, 200);
    assert!(server.next().await.ends_with("\r\n\r\n1\r\nx\r\n0\r\n\r\n"));
}

/// Accepts nothing and refuses nothing.
struct Silent {
    dialled: Notify,
}

#[async_trait]
impl Dialer for Silent {
    async fn dial(&self, _: SocketAddr) -> io::Result<TcpStream> {
        self.dialled.notify_one();
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_that_does_not_answer_is_given_up_in_time_for_the_next() {
    let _clock = stop_the_clock();
    let dialer = Arc::new(Silent { dialled: Notify::new() });
    let settings = EgressSettings::default();
    let egress = Egress::with_network(&settings, Arc::new(Known), Arc::new(Open), dialer.clone()).unwrap();
    // Two addresses, 127.0.0.1 and ::1.
    let origin = get("http://localhost/").origin;
    let mut fetched = Box::pin(fetch(&egress, Outgoing { origin, ..until(seconds(60)) }));
    for _ in 0..2 {
        tokio::select! {
            _ = &mut fetched => panic!("there is no connection"),
            () = dialer.dialled.notified() => {}
        }
        advance(seconds(5)).await;
    }
    let error = failure(fetched.await);
    assert!(matches!(&error, EgressError::Connect { reason, .. } if reason == "no answer in 5000 ms"), "{error}");
}
