//! Receivers that misbehave on real loopback: each delivery ends in the right state, and the gateway's memory stays as
//! it was.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use openclaw_tests::TestGateway;
use openclaw_tests::gateway::cli;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

use crate::deliveries_sink::{Sink, read};

/// What a receiver does to a connection once it has read the request.
#[derive(Clone, Copy, Debug)]
enum Manner {
    NoAnswer,
    HeadForEver,
    BodyForEver,
    SlowBody,
    Reset,
    NoHttp,
    HugeHead,
    LyingLength,
}

/// Listens until it is dropped; the port.
async fn receiver(tasks: &mut JoinSet<()>, manner: Manner) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            connections.spawn(async move {
                // Whatever the gateway does to the connection is what is tested.
                let _ = misbehave(stream, manner).await;
            });
        }
    });
    port
}

async fn misbehave(mut stream: TcpStream, manner: Manner) -> std::io::Result<()> {
    read(&mut stream).await?;
    let chunk = vec![b'x'; 16 << 10];
    match manner {
        Manner::NoAnswer => std::future::pending().await,
        Manner::HeadForEver => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
            loop {
                stream.write_all(b"x-more: of the same and more of the same and more of the same\r\n").await?;
            }
        }
        Manner::BodyForEver => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
            loop {
                stream.write_all(b"4000\r\n").await?;
                stream.write_all(&chunk).await?;
                stream.write_all(b"\r\n").await?;
            }
        }
        Manner::SlowBody => {
            stream.write_all(b"HTTP/1.1 500 No\r\ncontent-length: 100\r\n\r\nx").await?;
            std::future::pending().await
        }
        Manner::Reset => {
            stream.set_zero_linger()?;
            Ok(())
        }
        Manner::NoHttp => stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n").await,
        Manner::HugeHead => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nx-huge: ").await?;
            for _ in 0..64 {
                stream.write_all(&chunk).await?;
            }
            stream.write_all(b"\r\n\r\n").await
        }
        Manner::LyingLength => {
            stream.write_all(b"HTTP/1.1 204 No Content\r\ncontent-length: 99999999999\r\n\r\n").await
        }
    }
}

fn resident(gateway: &TestGateway) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.process_id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The delivery to an endpoint once an attempt was made at it.
async fn attempted(gateway: &TestGateway, endpoint: &str) -> Value {
    loop {
        let found = cli(gateway.home(), &["webhooks", "deliveries", "--endpoint", endpoint]).await.unwrap();
        let found: Value = serde_json::from_str(&found).unwrap();
        if found[0]["attempts"].as_u64().is_some_and(|attempts| attempts > 0) && found[0]["state"] != "leased" {
            return found[0].clone();
        }
    }
}

#[tokio::test]
async fn each_receiver_that_misbehaves_gets_its_delivery_into_the_right_state_and_nothing_else() {
    let mut tasks = JoinSet::new();
    let innocent = Sink::start().await;
    let mut endpoints = Vec::new();
    let mut expected = Vec::new();
    let mut add = |name: &str, url: String, state: &'static str| {
        // One attempt, and the next far away.
        endpoints.push(json!({
            "event": "*", "name": name, "url": url, "allowPrivate": true, "timeoutMs": 1000,
            "retry": { "delaysSeconds": [86_400] },
        }));
        expected.push((name.to_owned(), state));
    };
    for (name, manner, state) in [
        ("no-answer", Manner::NoAnswer, "pending"),
        ("head-for-ever", Manner::HeadForEver, "pending"),
        ("body-for-ever", Manner::BodyForEver, "delivered"),
        ("slow-body", Manner::SlowBody, "pending"),
        ("reset", Manner::Reset, "pending"),
        ("no-http", Manner::NoHttp, "pending"),
        ("huge-head", Manner::HugeHead, "pending"),
    ] {
        let port = receiver(&mut tasks, manner).await;
        add(name, format!("http://127.0.0.1:{port}/"), state);
    }
    let plain = receiver(&mut tasks, Manner::NoHttp).await;
    add("tls", format!("https://127.0.0.1:{plain}/"), "pending");
    let lying = receiver(&mut tasks, Manner::LyingLength).await;
    add("lying-length", format!("http://127.0.0.1:{lying}/"), "delivered");
    let redirect =
        format!("HTTP/1.1 307 Elsewhere\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", innocent.url("/stolen"));
    let redirect = Sink::answering(&redirect).await;
    add("redirect", redirect.url("/"), "pending");
    let mut throttling = Vec::new();
    for (index, after) in
        ["1e300", "-1", "garbage", "99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"].iter().enumerate()
    {
        let sink =
            Sink::answering(&format!("HTTP/1.1 503 Busy\r\nretry-after: {after}\r\ncontent-length: 0\r\n\r\n")).await;
        add(&format!("retry-after-{index}"), sink.url("/"), "pending");
        throttling.push(sink);
    }
    add("nobody", "http://127.0.0.1:9/".to_owned(), "pending");
    add("no-such-name", "http://no-such-name.invalid/".to_owned(), "pending");
    add("innocent", innocent.url("/in"), "delivered");

    let config = json!({ "egress": { "nameservers": ["127.0.0.1:9"] }, "webhooks": { "outgoing": endpoints } });
    let gateway = TestGateway::start(&config.to_string()).await;
    let before = resident(&gateway);
    gateway.connect("").await.invoke("text-diff", &json!({ "before": "a", "after": "b" })).await;
    for (name, state) in expected {
        let delivery = attempted(&gateway, &name).await;
        assert_eq!(delivery["state"], state, "{name}: {delivery}");
        if let Some(next) = delivery["next_at"].as_str() {
            let year: u32 = next[..4].parse().unwrap();
            assert!(year < 2100, "{name}: {next}");
        }
    }
    let grown = resident(&gateway).saturating_sub(before);
    assert!(grown < 64 << 10, "resident memory grew by {grown} KiB");
    assert!(innocent.received().iter().all(|received| received.path == "/in"), "a redirect was followed");
    gateway.stop().await;
}

/// A nameserver that knows no name until it is told to, and from then on says that every name is this machine.
async fn nameserver(tasks: &mut JoinSet<()>, is_here: Arc<AtomicBool>) -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    tasks.spawn(async move {
        let mut query = [0; 512];
        loop {
            let Ok((length, from)) = socket.recv_from(&mut query).await else { continue };
            // The question follows twelve bytes of head: a name that ends with a zero, type and class.
            let Some(end) = query[12..length].iter().position(|byte| *byte == 0) else { continue };
            let question = &query[12..12 + end + 5];
            let wants_ipv4 = question[end + 2] == 1;
            let knows = is_here.load(Ordering::SeqCst);
            let mut answer = query[..2].to_vec();
            // A response, recursion available; `no such name` until it is told.
            answer.extend([0x81, if knows { 0x80 } else { 0x83 }, 0, 1, 0, u8::from(knows && wants_ipv4), 0, 0, 0, 0]);
            answer.extend(question);
            if knows && wants_ipv4 {
                // The name of the question, an A record that lives for no second: 127.0.0.1.
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1]);
            }
            drop(socket.send_to(&answer, from).await);
        }
    });
    port
}

#[tokio::test]
async fn a_name_that_comes_to_mean_this_machine_is_refused_by_the_key_and_nothing_is_sent() {
    let (mut tasks, sink) = (JoinSet::new(), Sink::start().await);
    let is_here = Arc::new(AtomicBool::new(false));
    let nameserver = nameserver(&mut tasks, Arc::clone(&is_here)).await;
    let port = sink.url("").rsplit(':').next().unwrap().to_owned();
    let config = json!({ "egress": { "nameservers": [format!("127.0.0.1:{nameserver}")] }, "webhooks": { "outgoing": [{
        "event": "*", "name": "flips", "url": format!("http://flips.example.com:{port}/"),
        "retry": { "delaysSeconds": vec![1; 50] },
    }] } });
    let gateway = TestGateway::start(&config.to_string()).await;
    gateway.connect("").await.invoke("text-diff", &json!({ "before": "a", "after": "b" })).await;
    let first = attempted(&gateway, "flips").await;
    assert_eq!(first["state"], "pending", "{first}");
    is_here.store(true, Ordering::SeqCst);
    let last = loop {
        let found = attempted(&gateway, "flips").await;
        if found["settled_at"].is_string() {
            break found;
        }
    };
    assert_eq!(last["state"], "refused", "{last}");
    assert!(last["last_error"].as_str().unwrap().contains("`webhooks.outgoing[0].allowPrivate`"), "{last}");
    assert!(sink.received().is_empty());
    gateway.stop().await;
}
