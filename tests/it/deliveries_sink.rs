//! A receiver of deliveries: reads requests, keeps them, answers each connection as it was told.
//!
//! Invariant: what was answered was kept before, so whoever counts what it has counts at least what was answered.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What one delivery looked like when it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// Path and query.
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// As it came.
    pub(crate) body: String,
}

impl Received {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// Its body, read.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// A receiver that runs until it is dropped.
pub(crate) struct Sink {
    port: u16,
    received: Arc<Mutex<Vec<Received>>>,
    count: watch::Receiver<usize>,
    _tasks: JoinSet<()>,
}

impl Sink {
    /// One that says 200 to everything.
    pub(crate) async fn start() -> Self {
        Self::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await
    }

    /// One that says this, head and all.
    pub(crate) async fn answering(answer: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let received = Arc::new(Mutex::new(Vec::new()));
        let (counted, count) = watch::channel(0);
        let (kept, answer) = (Arc::clone(&received), answer.to_owned());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let (kept, counted, answer) = (Arc::clone(&kept), counted.clone(), answer.clone());
                connections.spawn(async move {
                    // A connection that breaks off is the gateway's to make again.
                    let _ = serve(stream, &kept, &counted, &answer).await;
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Self { port, received, count, _tasks: tasks }
    }

    /// Where it is, with a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// What it has received so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// What it has once there are so many.
    pub(crate) async fn at_least(&self, many: usize) -> Vec<Received> {
        self.count.clone().wait_for(|count| *count >= many).await.unwrap();
        self.received()
    }

    /// The first that came on this path.
    pub(crate) async fn on(&self, path: &str) -> Received {
        let mut count = self.count.clone();
        loop {
            count.mark_unchanged();
            if let Some(found) = self.received().into_iter().find(|received| received.path == path) {
                return found;
            }
            count.changed().await.unwrap();
        }
    }
}

async fn serve(
    stream: TcpStream,
    kept: &Mutex<Vec<Received>>,
    counted: &watch::Sender<usize>,
    answer: &str,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(received) = read(&mut stream).await? {
        let count = {
            let mut kept = kept.lock().unwrap();
            kept.push(received);
            kept.len()
        };
        counted.send_replace(count);
        stream.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

/// Reads one request with a length; `None` when the connection ends before one begins.
pub(crate) async fn read(stream: &mut (impl AsyncReadExt + Unpin)) -> std::io::Result<Option<Received>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).await? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.lines();
    let path = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await?;
    Ok(Some(Received { path, headers, body: String::from_utf8(body).unwrap() }))
}
