//! A server on loopback that says exactly the bytes a test wants, and tells what it was sent.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: mpsc::UnboundedReceiver<String>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Accepts connections and gives each to `serve`, with the text of its first request.
    pub(crate) async fn serving<F, R>(serve: F) -> Self
    where
        F: Fn(TcpStream, String) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tx, requests) = mpsc::unbounded_channel();
        let serve = Arc::new(serve);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let (tx, serve) = (tx.clone(), Arc::clone(&serve));
                connections.spawn(async move {
                    if let Some(request) = read_request(&mut stream).await {
                        tx.send(request.clone()).ok();
                        serve(stream, request).await;
                    }
                });
            }
        });
        Self { address, requests, _tasks: tasks }
    }

    /// Answers every request with these bytes and closes.
    pub(crate) async fn answering(response: impl Into<Vec<u8>>) -> Self {
        let response: Arc<[u8]> = response.into().into();
        Self::serving(move |mut stream, _| {
            let response = Arc::clone(&response);
            async move {
                stream.write_all(&response).await.ok();
                stream.shutdown().await.ok();
            }
        })
        .await
    }

    /// Answers 200 with a short body.
    pub(crate) async fn ok() -> Self {
        Self::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await
    }

    /// The next request that arrived, head and body.
    pub(crate) async fn next(&mut self) -> String {
        self.requests.recv().await.unwrap()
    }

    /// Whether nothing arrived so far.
    pub(crate) fn is_untouched(&mut self) -> bool {
        self.requests.try_recv().is_err()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// Head and body of one request; `None` if the other side gave up before its end.
pub(crate) async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        text.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8_lossy(&text).to_ascii_lowercase();
    if head.contains("\r\ntransfer-encoding: chunked\r\n") {
        while !text.ends_with(b"0\r\n\r\n") {
            text.push(stream.read_u8().await.ok()?);
        }
    } else if let Some(length) = head.split("\r\ncontent-length: ").nth(1) {
        let length: usize = length.split("\r\n").next()?.parse().ok()?;
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.ok()?;
        text.extend_from_slice(&body);
    }
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// Says some bytes and keeps the connection open until the other side closes it.
pub(crate) async fn say_and_hold(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), text: &str) {
    stream.write_all(text.as_bytes()).await.ok();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.ok();
}
