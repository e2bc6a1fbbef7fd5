//! A server on loopback that follows a script: the first connection gets the first answer, and so on.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

pub(super) struct Server {
    pub(super) address: SocketAddr,
    requests: mpsc::UnboundedReceiver<String>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Gives each connection the next of these answers, and closes it.
    pub(super) async fn answering(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tx, requests) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                // A client that gave up before its request was out gets no answer.
                let Some(request) = read_request(&mut stream).await else { continue };
                tx.send(request).unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.shutdown().await.ok();
            }
        });
        Self { address, requests, _tasks: tasks }
    }

    /// Head and body of the next request.
    pub(super) async fn next(&mut self) -> (String, serde_json::Value) {
        let text = self.requests.recv().await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), serde_json::from_str(body).unwrap())
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        text.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(text.clone()).unwrap().to_ascii_lowercase();
    let length = head.split("\r\ncontent-length: ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap();
    let mut body = vec![0_u8; length];
    stream.read_exact(&mut body).await.ok()?;
    text.extend_from_slice(&body);
    Some(String::from_utf8(text).unwrap())
}

/// A stream of events.
pub(super) fn stream(events: &[&str]) -> String {
    let events: String = events.iter().map(|data| format!("data: {data}\n\n")).collect();
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{events}")
}

/// An answer that is none, with further header lines.
pub(super) fn refusal(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} No\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}
