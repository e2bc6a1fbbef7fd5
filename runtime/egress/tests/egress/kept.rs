//! Connections kept for what an operator configured, and never past a check.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Method;
use openclaw_domain::{EgressError, NamePolicy, Outgoing, OutgoingBody};
use openclaw_egress::Egress;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Notify;

use crate::dns::{Answer, Nameserver};
use crate::network::{failure, fetch, get, strict_to};
use crate::server::{Server, read_request};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A server that answers any number of requests over one connection, and counts connections.
async fn keeping(connections: Arc<AtomicUsize>) -> Server {
    Server::serving(move |mut stream, _| {
        connections.fetch_add(1, Ordering::SeqCst);
        async move {
            stream.write_all(OK).await.ok();
            while read_request(&mut stream).await.is_some() {
                stream.write_all(OK).await.ok();
            }
        }
    })
    .await
}

/// Waits until the last request's connection is kept; its task does that after the body was read.
async fn until_kept(egress: &Egress, count: usize) {
    while egress.idle_connections() != count {
        tokio::task::yield_now().await;
    }
}

async fn public() -> Nameserver {
    Nameserver::new(|name, before| match (name, before) {
        ("flips.example", 2..) => vec![Answer::At("127.0.0.1")],
        ("moves.example", 2..) => vec![Answer::At("93.184.216.35")],
        _ => vec![Answer::At("93.184.216.34")],
    })
    .await
}

#[tokio::test]
async fn a_configured_place_is_reached_over_the_same_connection_by_the_same_tenant_only() {
    let connections = Arc::new(AtomicUsize::new(0));
    let server = keeping(Arc::clone(&connections)).await;
    let nameserver = public().await;
    let (egress, _) = strict_to(&nameserver.settings(), server.address);
    let post = |body: &'static str| Outgoing {
        method: Method::POST,
        body: OutgoingBody::Full(body.into()),
        ..get("http://hook.example/")
    };
    for body in ["one", "two", "three"] {
        assert_eq!(fetch(&egress, post(body)).await.unwrap().2, b"ok");
        until_kept(&egress, 1).await;
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    let others = [
        Outgoing { tenant: "other".parse().unwrap(), ..post("four") },
        Outgoing { allow_private: true, ..post("four") },
        Outgoing { origin: get("http://hook.example:8080/").origin, ..post("four") },
        Outgoing { origin: get("http://second.example/").origin, ..post("four") },
    ];
    for (before, request) in others.into_iter().enumerate() {
        assert_eq!(fetch(&egress, request).await.unwrap().0, 200);
        until_kept(&egress, before + 2).await;
        assert_eq!(connections.load(Ordering::SeqCst), before + 2);
    }
    egress.close().await;
    assert_eq!(egress.idle_connections(), 0);
}

#[tokio::test]
async fn a_guest_gets_a_connection_of_its_own() {
    let connections = Arc::new(AtomicUsize::new(0));
    let server = keeping(Arc::clone(&connections)).await;
    let nameserver = public().await;
    let (egress, _) = strict_to(&nameserver.settings(), server.address);
    let rules: Arc<[_]> = Arc::from(["GET http://hook.example/**".parse().unwrap()]);
    assert_eq!(fetch(&egress, get("http://hook.example/")).await.unwrap().0, 200);
    until_kept(&egress, 1).await;
    for count in 2..4 {
        let names = NamePolicy::Rules(Arc::clone(&rules));
        assert_eq!(fetch(&egress, Outgoing { names, ..get("http://hook.example/") }).await.unwrap().0, 200);
        assert_eq!(connections.load(Ordering::SeqCst), count);
        assert_eq!(egress.idle_connections(), 1);
    }
}

#[tokio::test]
async fn a_kept_connection_does_not_outlive_the_name_s_answer() {
    let connections = Arc::new(AtomicUsize::new(0));
    let server = keeping(Arc::clone(&connections)).await;
    for (name, address_after) in [("flips.example", None), ("moves.example", Some("93.184.216.35:80"))] {
        let nameserver = public().await;
        let (egress, dialer) = strict_to(&nameserver.settings(), server.address);
        let url = format!("http://{name}/");
        assert_eq!(fetch(&egress, get(&url)).await.unwrap().0, 200);
        until_kept(&egress, 1).await;
        let again = fetch(&egress, get(&url)).await;
        match address_after {
            None => assert!(matches!(failure(again), EgressError::AddressDenied { .. })),
            Some(address) => {
                assert_eq!(again.unwrap().0, 200);
                assert_eq!(dialer.asked().last(), Some(&address.parse().unwrap()));
            }
        }
    }
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_not_used_again() {
    let (close, connections) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let (signal, count) = (Arc::clone(&close), Arc::clone(&connections));
    let server = Server::serving(move |mut stream, _| {
        count.fetch_add(1, Ordering::SeqCst);
        let signal = Arc::clone(&signal);
        async move {
            stream.write_all(OK).await.ok();
            signal.notified().await;
        }
    })
    .await;
    let nameserver = public().await;
    let (egress, _) = strict_to(&nameserver.settings(), server.address);
    assert_eq!(fetch(&egress, get("http://hook.example/")).await.unwrap().0, 200);
    until_kept(&egress, 1).await;
    close.notify_one();
    until_kept(&egress, 0).await;
    assert_eq!(fetch(&egress, get("http://hook.example/")).await.unwrap().0, 200);
    assert_eq!(connections.load(Ordering::SeqCst), 2);
    // A server that says so beforehand is believed.
    let closing = Server::answering("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok").await;
    let (egress, _) = strict_to(&nameserver.settings(), closing.address);
    assert_eq!(fetch(&egress, get("http://hook.example/")).await.unwrap().0, 200);
    egress.close().await;
    assert_eq!(egress.idle_connections(), 0);
}
