//! A gateway on a port of its own, and a client that reads and writes frames.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use futures_util::{SinkExt, StreamExt};
use http::Response;
use openclaw_domain::{Event, ManualClock, Timestamp};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::sync::CancellationToken;

use super::fakes::{FakeBrain, FakeGuests, MemoryJournal, MemoryTokens, NoInbox, settings};
use crate::settings::ServerSettings;
use crate::{Bus, Server, ServerParts};

/// When every test gateway starts.
const START: Timestamp = Timestamp::from_millis(1_780_920_000_000);

pub(super) struct Gateway {
    pub(super) address: SocketAddr,
    pub(super) guests: Arc<FakeGuests>,
    pub(super) journal: Arc<MemoryJournal>,
    pub(super) tokens: Arc<MemoryTokens>,
    pub(super) settings: Arc<ArcSwap<ServerSettings>>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) bus: Arc<Bus>,
    pub(super) server: Server,
    pub(super) shutdown: CancellationToken,
    pub(super) running: JoinHandle<()>,
}

impl Gateway {
    pub(super) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut ServerSettings)) -> Self {
        let mut settings = settings();
        change(&mut settings);
        let settings = Arc::new(ArcSwap::from_pointee(settings));
        let guests = Arc::new(FakeGuests::default());
        let bus = Arc::new(Bus::new(START.as_millis()));
        let journal = Arc::new(MemoryJournal { bus: Arc::clone(&bus), events: Default::default() });
        let tokens = Arc::new(MemoryTokens::default());
        let clock = Arc::new(ManualClock::new(START));
        let server = Server::new(ServerParts {
            settings: Arc::clone(&settings),
            guests: guests.clone(),
            brain: Arc::new(FakeBrain { guests: guests.clone() }),
            journal: journal.clone(),
            inbox: Arc::new(NoInbox),
            tokens: tokens.clone(),
            clock: clock.clone(),
            bus: Arc::clone(&bus),
            render_metrics: Arc::new(|| "openclaw_sessions 1\n".to_owned()),
            version: "1.2.3".into(),
            started_at: START,
        });
        let bound = server.bind().await.unwrap();
        let address = bound.local_addr();
        let shutdown = CancellationToken::new();
        let stop = shutdown.clone();
        #[expect(clippy::disallowed_methods, reason = "the harness owns this task and awaits it in `stop`")]
        let running = tokio::spawn(async move { bound.run(stop).await.unwrap() });
        Self { address, guests, journal, tokens, settings, clock, bus, server, shutdown, running }
    }

    /// A client that shows this token in the URL.
    pub(super) async fn client(&self, token: &str) -> Client {
        self.connect(&format!("/?token={token}"), &[]).await.unwrap()
    }

    /// Opens a WebSocket; what is refused before the upgrade comes back as its response.
    pub(super) async fn connect(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Client, Box<Response<Option<Vec<u8>>>>> {
        let mut request = format!("ws://{}{path}", self.address).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(self.address).await.unwrap();
        let config = WebSocketConfig::default();
        match tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await {
            Ok((socket, _)) => Ok(Client { socket }),
            Err(Error::Http(response)) => Err(response),
            Err(error) => panic!("{error}"),
        }
    }

    /// A plain HTTP request; its status and the whole answer as text.
    pub(super) async fn http(&self, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("{request}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
    }

    /// The newest event, as soon as there is one.
    pub(super) async fn next_event(&self) -> Event {
        loop {
            if let Some(event) = self.journal.events.lock().unwrap().last() {
                return event.clone();
            }
            tokio::task::yield_now().await;
        }
    }

    /// Stops the gateway and waits until it has stopped.
    pub(super) async fn stop(self) {
        self.shutdown.cancel();
        self.running.await.unwrap();
    }
}

pub(super) struct Client {
    pub(super) socket: WebSocketStream<TcpStream>,
}

impl Client {
    pub(super) async fn send(&mut self, frame: &str) {
        self.socket.send(Message::text(frame)).await.unwrap();
    }

    /// The next frame, or the close code as a number.
    pub(super) async fn next(&mut self) -> Value {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Close(close))) => return close.map_or(1005, |close| u16::from(close.code)).into(),
                Some(Ok(_)) => {}
                other => panic!("expected a frame, got {other:?}"),
            }
        }
    }

    /// The next frame of this type; others are skipped.
    pub(super) async fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.next().await;
            assert!(frame.is_object(), "closed with {frame} while waiting for `{kind}`");
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// Sends a request and returns the frame with its id.
    pub(super) async fn ask(&mut self, id: &str, kind: &str, payload: Value) -> Value {
        self.send(&serde_json::json!({ "type": kind, "id": id, "payload": payload }).to_string()).await;
        loop {
            let frame = self.next().await;
            assert!(frame.is_object(), "closed with {frame} while waiting for the reply to `{id}`");
            if frame["id"] == id {
                return frame;
            }
        }
    }

    /// Everything up to and with the close.
    pub(super) async fn rest(&mut self) -> Vec<Value> {
        let mut frames = Vec::new();
        loop {
            let frame = self.next().await;
            let is_close = frame.is_number();
            frames.push(frame);
            if is_close {
                return frames;
            }
        }
    }
}
