//! The load generator: closed loops over WebSocket and HTTP, bounded in requests and in time.
//!
//! Invariant: a reply other than the expected one ends the run with an error; refusals never look like speed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::quantiles::Quantiles;

/// How much to ask for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Amount {
    /// Connections, each with one request in flight.
    pub(crate) connections: usize,
    /// Requests over all connections that are measured.
    pub(crate) requests: usize,
    /// Requests on each connection before measuring begins.
    pub(crate) warm_up: usize,
    /// No request begins after this.
    pub(crate) limit: Duration,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    /// Latency of each measured request.
    pub(crate) latencies: Quantiles,
    /// Measured requests per second.
    pub(crate) per_second: f64,
}

/// What is sent over a WebSocket: `skill_invoke` of this skill with these arguments.
#[derive(Clone, Debug)]
pub(crate) struct Invoke {
    /// `host:port`.
    pub(crate) address: String,
    /// `skill/tool`.
    pub(crate) skill: String,
    /// JSON text.
    pub(crate) arguments: String,
    /// What every reply must hold one of: the run ends with the first that does not.
    pub(crate) expects: &'static [&'static str],
    /// The token it is called with, if any.
    pub(crate) token: Option<&'static str>,
}

/// What a call that went well is answered by.
pub(crate) const RESPONSE: &str = r#""type":"response""#;

/// What is posted.
#[derive(Clone)]
pub(crate) struct Post {
    /// `host:port`.
    pub(crate) address: String,
    /// The path.
    pub(crate) path: String,
    /// Makes each request: its headers and its body.
    pub(crate) make: Arc<dyn Fn() -> Made + Send + Sync>,
}

/// One request.
#[derive(Clone)]
pub(crate) struct Made {
    /// Names in lower case.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// JSON text.
    pub(crate) body: Bytes,
}

impl Post {
    /// The same body each time, with `X-Webhook-Secret`.
    pub(crate) fn with_secret(address: &str, path: &str, secret: &str, body: &'static str) -> Self {
        let made = Made { headers: vec![("x-webhook-secret", secret.to_owned())], body: body.into() };
        Self { address: address.to_owned(), path: path.to_owned(), make: Arc::new(move || made.clone()) }
    }
}

/// Runs `skill_invoke` in closed loops.
pub(crate) fn websocket(invoke: &Invoke, amount: Amount) -> Result<Load> {
    runtime(amount.connections)?.block_on(async {
        let mut loops = JoinSet::new();
        for _ in 0..amount.connections {
            let invoke = invoke.clone();
            loops.spawn(async move { closed_loop(amount, Socket::open(invoke).await?).await });
        }
        gather(loops).await
    })
}

/// Posts in closed loops over kept-alive connections.
pub(crate) fn post(post: &Post, amount: Amount) -> Result<Load> {
    runtime(amount.connections)?.block_on(async {
        let mut loops = JoinSet::new();
        for _ in 0..amount.connections {
            let post = post.clone();
            loops.spawn(async move { closed_loop(amount, Poster::open(post).await?).await });
        }
        gather(loops).await
    })
}

/// One connection with one request in flight.
trait Connection: Send {
    /// Asks once and waits for the expected reply.
    fn ask(&mut self, at: usize) -> impl Future<Output = Result<()>> + Send;
}

/// One client thread for one connection, two for many: the gateway under load has two cores as well.
fn runtime(connections: usize) -> Result<tokio::runtime::Runtime> {
    let runtime = if connections == 1 {
        tokio::runtime::Builder::new_current_thread().enable_all().build()
    } else {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
    };
    Ok(runtime?)
}

async fn connect(address: String) -> Result<TcpStream> {
    let stream = TcpStream::connect(&address).await.with_context(|| format!("`{address}` cannot be reached"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// When each measured request of one connection began and ended.
struct Times {
    began: Instant,
    ended: Instant,
    nanoseconds: Vec<u64>,
}

async fn closed_loop<C: Connection>(amount: Amount, mut connection: C) -> Result<Times> {
    for at in 0..amount.warm_up {
        connection.ask(at).await?;
    }
    let mine = amount.requests / amount.connections;
    let mut nanoseconds = Vec::with_capacity(mine);
    let began = Instant::now();
    for at in 0..mine {
        let asked = Instant::now();
        if asked - began > amount.limit {
            break;
        }
        connection.ask(amount.warm_up + at).await?;
        nanoseconds.push(u64::try_from(asked.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }
    Ok(Times { began, ended: Instant::now(), nanoseconds })
}

async fn gather(mut loops: JoinSet<Result<Times>>) -> Result<Load> {
    let mut all = Vec::new();
    while let Some(times) = loops.join_next().await {
        all.push(times??);
    }
    let began = all.iter().map(|times| times.began).min().ok_or_else(|| anyhow!("no connection was asked for"))?;
    let ended = all.iter().map(|times| times.ended).max().unwrap_or(began);
    let nanoseconds: Vec<u64> = all.into_iter().flat_map(|times| times.nanoseconds).collect();
    let per_second = nanoseconds.len() as f64 / (ended - began).as_secs_f64();
    Ok(Load { latencies: Quantiles::new(nanoseconds), per_second })
}

/// A kept-alive HTTP connection.
struct Poster {
    post: Post,
    sender: http1::SendRequest<Full<Bytes>>,
    // Drives the connection; ends with it.
    _connection: JoinSet<hyper::Result<()>>,
}

impl Poster {
    async fn open(post: Post) -> Result<Self> {
        let stream = connect(post.address.clone()).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        Ok(Self { post, sender, _connection: driver })
    }
}

impl Connection for Poster {
    async fn ask(&mut self, _: usize) -> Result<()> {
        let Made { headers, body } = (self.post.make)();
        let mut request = Request::post(self.post.path.as_str())
            .header("host", self.post.address.as_str())
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body))?;
        self.sender.ready().await?;
        let reply = self.sender.send_request(request).await?;
        let status = reply.status();
        let body = reply.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            bail!("answered {status}: {}", String::from_utf8_lossy(&body));
        }
        Ok(())
    }
}

/// A WebSocket.
pub(crate) struct Socket {
    stream: WebSocketStream<TcpStream>,
    invoke: Invoke,
}

impl Socket {
    /// Connects as the guide's clients do.
    pub(crate) async fn open(invoke: Invoke) -> Result<Self> {
        let stream = connect(invoke.address.clone()).await?;
        let query = invoke.token.map(|token| format!("?token={token}")).unwrap_or_default();
        let (stream, _) = client_async(format!("ws://{}/{query}", invoke.address), stream).await?;
        Ok(Self { stream, invoke })
    }

    /// Sends one request and reads until the frame with its id; events in between are what clients skip too.
    pub(crate) async fn call(&mut self, at: usize) -> Result<()> {
        let Invoke { skill, arguments, .. } = &self.invoke;
        let frame =
            format!(r#"{{"type":"skill_invoke","id":"r-{at}","payload":{{"skill":"{skill}","args":{arguments}}}}}"#);
        self.stream.send(Message::text(frame)).await?;
        // Events carry `request_id`, so only the reply holds this.
        let mine = format!(r#""id":"r-{at}""#);
        loop {
            match self.stream.next().await.ok_or_else(|| anyhow!("the gateway closed the socket"))?? {
                Message::Text(text) if text.contains(&mine) => {
                    if !self.invoke.expects.iter().any(|expected| text.contains(expected)) {
                        bail!("answered {text}");
                    }
                    return Ok(());
                }
                Message::Close(why) => bail!("the gateway closed the socket: {why:?}"),
                _ => {}
            }
        }
    }
}

impl Connection for Socket {
    async fn ask(&mut self, at: usize) -> Result<()> {
        self.call(at).await
    }
}
