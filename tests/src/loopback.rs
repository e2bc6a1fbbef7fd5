//! A web server on this machine: it keeps what it is sent and answers by path.
//!
//! `/large/N` is N bytes, `/wait` is answered once [`Loopback::release`] was called, `/hang` never; anything else is
//! `hello`.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// The server; it ends when this is dropped.
pub struct Loopback {
    address: String,
    seen: Arc<Mutex<Vec<String>>>,
    released: Arc<Semaphore>,
    _serving: JoinSet<()>,
}

impl Loopback {
    /// Starts one.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address").to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let released = Arc::new(Semaphore::new(0));
        let (keep, gate) = (Arc::clone(&seen), Arc::clone(&released));
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(answer(stream, Arc::clone(&keep), Arc::clone(&gate)));
            }
        });
        Self { address, seen, released, _serving: serving }
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its origin.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far, each as it came.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers one request that waits.
    pub fn release(&self) {
        self.released.add_permits(1);
    }
}

async fn answer(mut stream: TcpStream, seen: Arc<Mutex<Vec<String>>>, released: Arc<Semaphore>) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !is_whole(&request) {
        match stream.read(&mut buffer).await {
            Ok(count) if count > 0 => request.extend_from_slice(&buffer[..count]),
            _ => return,
        }
    }
    let text = String::from_utf8_lossy(&request).into_owned();
    let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    let body = match path.strip_prefix("/large/") {
        Some(bytes) => "x".repeat(bytes.parse().unwrap_or(0)),
        None => "hello".to_owned(),
    };
    match path.as_str() {
        // Until the other side has gone.
        "/hang" => while matches!(stream.read(&mut buffer).await, Ok(count) if count > 0) {},
        "/wait" => {
            if let Ok(permit) = released.acquire().await {
                permit.forget();
            }
        }
        _ => {}
    }
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    // Whoever has gone does not want the answer.
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(body.as_bytes()).await;
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let head = head.to_ascii_lowercase();
    if head.contains("transfer-encoding: chunked") {
        return body.ends_with("0\r\n\r\n");
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok());
    body.len() >= length.unwrap_or(0)
}
