//! The plain HTTP doors: the page at `/`, health, readiness and metrics, and the guard in front of them.
//!
//! Invariants: no door but the webhooks' answers a name that is not this gateway's, and none shows a secret. What the
//! page of a stranger asks for is refused before a credential is looked at, so no page can make its reader's address
//! one that guesses.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{ConnectInfo, Request, State as Shared};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Extension, Router};
use http::{HeaderMap, Method, StatusCode, header};
use openclaw_domain::{Refusal, TenantId};

use crate::auth::{ClientAddress, authenticate, check_host, check_origin, check_site, client_address, is_trusted};
use crate::reply::http_refusal;
use crate::state::State;
use crate::ws;

/// The page without scripts: styles are its own, nothing else may load, frame or post.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; connect-src 'self' ws: wss:; \
                           base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Everything but the webhooks.
pub(crate) fn routes(state: &Arc<State>) -> Router {
    Router::new()
        .route("/", any(root))
        .route("/ws", any(socket_only))
        .route("/healthz", get(healthy))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .fallback(|| async {
            let refusal =
                Refusal::invalid("path", "is none of `/`, `/ws`, `/webhook/…`, `/healthz`, `/readyz`, `/metrics`");
            (StatusCode::NOT_FOUND, http_refusal(&refusal, None).into_body()).into_response()
        })
        .layer(middleware::from_fn_with_state(Arc::clone(state), guard))
        .with_state(Arc::clone(state))
}

/// What is left while the gateway drains: health, readiness (503), and for everything else the refusal to begin it.
pub(crate) fn draining_routes(state: &Arc<State>) -> Router {
    Router::new()
        .route("/healthz", get(healthy))
        .route("/readyz", get(ready))
        .fallback(|| async { http_refusal(&Refusal::Busy("it is restarting".to_owned()), None) })
        .layer(middleware::from_fn_with_state(Arc::clone(state), guard))
        .with_state(Arc::clone(state))
}

/// Finds out who sends; in front of every route, the webhooks' too.
pub(crate) async fn locate(Shared(state): Shared<Arc<State>>, mut request: Request, next: Next) -> Response {
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>() {
        let address = client_address(peer.ip(), request.headers(), &state.settings.load().trusted_proxies);
        request.extensions_mut().insert(address);
    }
    next.run(request).await
}

/// `Host`, then `Origin`, or what else a browser says of the page that asks.
async fn guard(Shared(state): Shared<Arc<State>>, request: Request, next: Next) -> Response {
    if let Err(refusal) = check_names(&state, &request) {
        state.measures.foreign_requests.increment(1);
        let address = request.extensions().get::<ClientAddress>().map(|address| address.0);
        tracing::info!(address = ?address, code = refusal.code().as_str(), reason = %refusal, "request turned away");
        return http_refusal(&refusal, None);
    }
    next.run(request).await
}

fn check_names(state: &State, request: &Request) -> Result<(), Refusal> {
    let settings = state.settings.load();
    let headers = request.headers();
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let from_proxy = peer.is_some_and(|ConnectInfo(peer)| is_trusted(peer.ip(), &settings.trusted_proxies));
    let is_upgrade = ws::is_upgrade(headers);
    // A trusted proxy checked the name it was reached by; what it calls us is its own affair.
    if !(is_upgrade && from_proxy && headers.contains_key("x-forwarded-for")) {
        check_host(authority, headers, &settings.allowed_hosts)?;
    }
    if headers.contains_key(header::ORIGIN) {
        return check_origin(authority, headers, from_proxy, &settings.allowed_origins);
    }
    check_site(headers)
}

async fn root(Shared(state): Shared<Arc<State>>, request: Request) -> Response {
    if ws::is_upgrade(request.headers()) {
        return ws::open(&state, request);
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let allow = [(header::ALLOW, "GET")];
        return (StatusCode::METHOD_NOT_ALLOWED, allow, "this door is for WebSocket clients and browsers\n")
            .into_response();
    }
    let settings = state.settings.load();
    let auth = if settings.auth_required { "A token is required." } else { "No token is required." };
    let page = include_str!("page.html")
        .replace("{{version}}", &state.version)
        .replace("{{state}}", if state.is_draining() { "stopping" } else { "running" })
        .replace("{{started_at}}", &state.started_at.to_string())
        .replace("{{auth}}", auth)
        .replace("{{port}}", &state.port.load(Ordering::Relaxed).to_string());
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, page).into_response()
}

async fn socket_only(Shared(state): Shared<Arc<State>>, request: Request) -> Response {
    if ws::is_upgrade(request.headers()) {
        return ws::open(&state, request);
    }
    let body = http_refusal(&Refusal::invalid("Upgrade", "must be `websocket`: this path speaks nothing else"), None);
    let headers = [(header::UPGRADE, "websocket"), (header::CONTENT_TYPE, "application/json")];
    (StatusCode::UPGRADE_REQUIRED, headers, body.into_body()).into_response()
}

async fn healthy() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], r#"{"ok":true}"#).into_response()
}

async fn ready(Shared(state): Shared<Arc<State>>) -> Response {
    let json = [(header::CONTENT_TYPE, "application/json")];
    if state.is_draining() {
        return (StatusCode::SERVICE_UNAVAILABLE, json, r#"{"ready":false,"reason":"stopping"}"#).into_response();
    }
    (json, r#"{"ready":true}"#).into_response()
}

/// Metrics speak of all tenants, so they are the default tenant's, who runs the gateway. The token comes in a header
/// only: a URL is what any page can make a browser ask for, and what stays in logs.
async fn metrics(
    Shared(state): Shared<Arc<State>>,
    Extension(address): Extension<ClientAddress>,
    headers: HeaderMap,
) -> Response {
    let access = match authenticate(&state, address, None, &headers) {
        Ok(access) => access,
        Err(refusal) => return http_refusal(&refusal, None),
    };
    if access.credential.tenant != TenantId::default() {
        let refusal = Refusal::Forbidden {
            command: "/metrics".to_owned(),
            role: "of another tenant",
            needed: "of the tenant `default`",
        };
        return http_refusal(&refusal, None);
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], (state.render_metrics)()).into_response()
}
