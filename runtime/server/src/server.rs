//! Binds, accepts, serves and drains.
//!
//! Invariant: every connection is a tracked task. When [`BoundServer::run`] returns, none is left: what was under way
//! at the stop finished within [`DRAIN_TIME`] or was cut.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::ConnectInfo;
use axum::middleware;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use ipnet::IpNet;
use openclaw_domain::ports::{Brain, Guests, Inbox, Journal, Tokens};
use openclaw_domain::{Clock, Refusal, Timestamp};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::auth::{ClientAddress, Throttle, TokenBook, is_trusted};
use crate::bus::Bus;
use crate::doors;
use crate::mailbox::Signal;
use crate::measures::Measures;
use crate::patience::Patient;
use crate::settings::ServerSettings;
use crate::shares::Shares;
use crate::state::{Places, State};
use crate::webhooks::{IngressParts, Webhooks};

/// How long requests that were under way may take after the stop.
const DRAIN_TIME: Duration = Duration::from_secs(10);
/// How long cut connections get to notice.
const CUT_TIME: Duration = Duration::from_secs(2);
/// How long a client may take over its request's headers, or keep an idle connection.
const HEADER_TIME: Duration = Duration::from_secs(30);
/// TCP connections of any kind at one time; below the usual limit of 4,096 open files, with room for storage.
const TCP_CONNECTIONS: usize = 3072;
/// Of those, from one address that is no trusted proxy. Sessions do not count: `max_connections` bounds them.
const PEER_CONNECTIONS: usize = 256;
/// The same for loopback, which all programs of this machine share, and proxies nobody declared.
const LOCAL_CONNECTIONS: usize = 1024;
/// How long an answer may wait for its client to read on.
const WRITE_TIME: Duration = Duration::from_secs(30);
/// Largest HTTP request head in bytes.
const HEAD_BYTES: usize = 32 << 10;
/// Rest after `accept` failed for want of files or memory: trying at once would only spin.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// Prints all metrics as Prometheus text.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// What a server is made of.
pub struct ServerParts {
    /// The configuration. A reload stores a new one here and then calls [`Server::reload_tokens`].
    pub settings: Arc<ArcSwap<ServerSettings>>,
    /// Runs guests.
    pub guests: Arc<dyn Guests>,
    /// Takes turns.
    pub brain: Arc<dyn Brain>,
    /// Records events.
    pub journal: Arc<dyn Journal>,
    /// Remembers webhook requests.
    pub inbox: Arc<dyn Inbox>,
    /// Keeps named tokens; read by [`Server::reload_tokens`] only.
    pub tokens: Arc<dyn Tokens>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Passes events on; its [`Bus::publish`] is the journal's commit listener.
    pub bus: Arc<Bus>,
    /// Prints all metrics. Install the recorder before the server is made.
    pub render_metrics: RenderMetrics,
    /// The gateway's version.
    pub version: Arc<str>,
    /// When the gateway started.
    pub started_at: Timestamp,
}

/// The network side of a gateway.
#[derive(Clone)]
pub struct Server {
    state: Arc<State>,
    inbox: Arc<dyn Inbox>,
    token_store: Arc<dyn Tokens>,
}

impl Server {
    /// Puts a server together. It knows no token before [`Server::reload_tokens`] or [`Server::bind`].
    pub fn new(parts: ServerParts) -> Self {
        let state = State {
            settings: parts.settings,
            guests: parts.guests,
            brain: parts.brain,
            journal: parts.journal,
            clock: parts.clock,
            tokens: TokenBook::new(),
            throttle: Throttle::default(),
            bus: parts.bus,
            measures: Measures::new(),
            render_metrics: parts.render_metrics,
            version: parts.version,
            started_at: parts.started_at,
            port: AtomicU16::new(0),
            sessions: Places::default(),
            sessions_by_tenant: Shares::default(),
            lobby: Places::default(),
            draining: CancellationToken::new(),
            stop_now: CancellationToken::new(),
            pause_ended: Notify::new(),
            tasks: TaskTracker::new(),
        };
        Self { state: Arc::new(state), inbox: parts.inbox, token_store: parts.tokens }
    }

    /// Reads the known tokens again, from the configuration and from storage, and drops sessions whose token is gone.
    ///
    /// # Errors
    /// Storage cannot be read; the tokens known before stay known.
    pub async fn reload_tokens(&self) -> Result<(), Refusal> {
        let named = self.token_store.list().await?;
        self.state.tokens.replace(&self.state.settings.load(), named);
        self.state.bus.signal_all(Signal::TokensChanged);
        Ok(())
    }

    /// Reads the tokens and binds the configured address.
    ///
    /// # Errors
    /// Storage cannot be read, or the address cannot be bound.
    pub async fn bind(&self) -> Result<BoundServer, Refusal> {
        self.reload_tokens().await?;
        let listen = self.state.settings.load().listen;
        let listener = TcpListener::bind(listen)
            .await
            .map_err(|error| Refusal::internal(format!("cannot listen on {listen}: {error}")))?;
        let address = listener.local_addr().map_err(Refusal::internal)?;
        self.state.port.store(address.port(), Ordering::Relaxed);
        Ok(BoundServer { server: self.clone(), listener, address })
    }

    /// Tells that a pause has ended: what it held back goes on.
    pub fn go_on(&self) {
        self.state.pause_ended.notify_one();
    }

    fn webhooks(&self) -> Webhooks {
        let state = &self.state;
        Webhooks::new(IngressParts {
            guests: Arc::clone(&state.guests),
            inbox: Arc::clone(&self.inbox),
            journal: Arc::clone(&state.journal),
            clock: Arc::clone(&state.clock),
            settings: Arc::clone(&state.settings),
            tasks: state.tasks.clone(),
        })
    }

    /// Puts what every door needs in front of these routes.
    fn located(&self, routes: Router) -> Router {
        routes.layer(middleware::from_fn_with_state(Arc::clone(&self.state), doors::locate))
    }
}

/// A server that owns its address and has not begun to serve.
pub struct BoundServer {
    server: Server,
    listener: TcpListener,
    address: SocketAddr,
}

impl BoundServer {
    /// Where it listens; the port is a real one even if the configuration says 0.
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Runs the skill calls an earlier process owed and serves until `shutdown` is cancelled. Then it drains: requests
    /// under way finish within 10 s or are answered `CANCELLED`, sessions are closed with 1012 (service restart), and
    /// whoever connects meanwhile gets health and readiness (503) and nothing else.
    ///
    /// # Errors
    /// None today; accept failures are logged and outlived.
    pub async fn run(self, shutdown: CancellationToken) -> io::Result<()> {
        let Self { server, listener, address } = self;
        let webhooks = server.webhooks();
        match webhooks.resume().await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "running the skill calls that webhooks are owed"),
            Err(error) => tracing::error!(%error, "the skill calls that webhooks are owed wait for the next start"),
        }
        // What was queued may be decided now: the pause may have ended while nobody ran.
        server.go_on();
        let (queues, state) = (webhooks.clone(), Arc::clone(&server.state));
        server.state.tasks.spawn(async move {
            while state.draining.run_until_cancelled(state.pause_ended.notified()).await.is_some() {
                // Cut by the drain: what is not decided stays queued.
                state.draining.run_until_cancelled(queues.go_on()).await;
            }
        });
        let router = server.located(webhooks.routes::<()>().merge(doors::routes(&server.state)));
        let draining_router = server.located(doors::draining_routes(&server.state));
        let state = server.state;
        let places = Arc::new(Semaphore::new(TCP_CONNECTIONS));
        let peers = Shares::default();
        tracing::info!(%address, "listening");
        while let Some(accepted) = shutdown.run_until_cancelled(accept(&listener, &places)).await {
            let Some((stream, peer, place)) = accepted else { continue };
            let share = share_of_peer(peer.ip(), &state.settings.load().trusted_proxies);
            let Some(part) = peers.take(&ClientAddress(peer.ip()).throttle_key(), share) else {
                // No line in the log above debug: the peer could write as many as it can connect.
                tracing::debug!(%peer, share, "a connection too many from one address is closed");
                state.measures.refused_connections.increment(1);
                continue;
            };
            let connection = serve(stream, peer, router.clone(), shutdown.clone(), state.stop_now.clone());
            state.tasks.spawn(async move {
                connection.await;
                drop((place, part));
            });
        }
        state.draining.cancel();
        state.bus.signal_all(Signal::Drain);
        state.tasks.close();
        // Until the last request is through, whoever asks for readiness must hear that there is none.
        tokio::select! {
            () = drain(&state) => {}
            () = tell_of_the_drain(&listener, &places, &draining_router, &state) => {}
        }
        tracing::info!(%address, "stopped");
        Ok(())
    }
}

/// Waits for what is under way, and cuts what takes too long.
async fn drain(state: &State) {
    if tokio::time::timeout(DRAIN_TIME, state.tasks.wait()).await.is_ok() {
        return;
    }
    tracing::warn!(left = state.tasks.len(), "requests outlived the time for draining and are cut");
    state.stop_now.cancel();
    state.bus.signal_all(Signal::Stop);
    // A task that ignores even this is dropped with the runtime.
    drop(tokio::time::timeout(CUT_TIME, state.tasks.wait()).await);
}

/// Serves who connects while the gateway drains; never returns. Nobody waits for these connections: they do no work.
async fn tell_of_the_drain(listener: &TcpListener, places: &Arc<Semaphore>, router: &Router, state: &State) {
    let mut told = JoinSet::new();
    loop {
        let Some((stream, peer, place)) = accept(listener, places).await else { continue };
        let connection = serve(stream, peer, router.clone(), CancellationToken::new(), state.stop_now.clone());
        told.spawn(async move {
            connection.await;
            drop(place);
        });
        while told.try_join_next().is_some() {}
    }
}

/// Connections one address may hold.
fn share_of_peer(peer: IpAddr, trusted_proxies: &[IpNet]) -> usize {
    if is_trusted(peer, trusted_proxies) {
        TCP_CONNECTIONS
    } else if peer.to_canonical().is_loopback() {
        LOCAL_CONNECTIONS
    } else {
        PEER_CONNECTIONS
    }
}

type Accepted = (TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit);

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<Accepted> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Frames are small and each is awaited: Nagle would hold every other one for 40 ms.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "a connection ended before it began");
                return None;
            }
            Some((stream, peer, place))
        }
        Err(error) => {
            tracing::warn!(%error, "cannot accept a connection");
            tokio::time::sleep(ACCEPT_REST).await;
            None
        }
    }
}

/// Serves one TCP connection until it ends, is upgraded, or the gateway stops.
async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    shutdown: CancellationToken,
    stop_now: CancellationToken,
) {
    let service = router.map_request(move |mut request: http::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request.map(axum::body::Body::new)
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIME).max_buf_size(HEAD_BYTES);
    let connection = builder
        .serve_connection(TokioIo::new(Patient::new(stream, WRITE_TIME)), TowerToHyperService::new(service))
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection => ended,
                () = stop_now.cancelled() => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection ended badly");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_holds_a_part_of_the_connections_unless_it_is_a_trusted_proxy() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        for (peer, share) in [
            ("203.0.113.9", PEER_CONNECTIONS),
            ("2001:db8::1", PEER_CONNECTIONS),
            ("127.0.0.1", LOCAL_CONNECTIONS),
            ("::ffff:127.0.0.1", LOCAL_CONNECTIONS),
            ("10.1.2.3", TCP_CONNECTIONS),
        ] {
            assert_eq!(share_of_peer(peer.parse().unwrap(), &trusted), share, "{peer}");
        }
        assert!(share_of_peer("127.0.0.1".parse().unwrap(), &["127.0.0.1/32".parse().unwrap()]) == TCP_CONNECTIONS);
    }
}
