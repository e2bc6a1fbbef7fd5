//! From an HTTP request to a socket with an owner: a session, or the lobby.
//!
//! Invariant: `Host` and `Origin` were checked before this. The upgrade succeeds even without a valid credential, for
//! only a frame can tell a WebSocket client why it may not in; such sockets are counted apart.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use openclaw_domain::{Refusal, TraceId};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{MESSAGE_BYTES, lobby, session, socket};
use crate::auth::{ClientAddress, authenticate};
use crate::reply::http_refusal;
use crate::shares::share_of;
use crate::state::State;

/// Sockets that may be in the lobby at one time.
const LOBBY_PLACES: usize = 64;

/// Whether a request asks for a WebSocket.
pub(crate) fn is_upgrade(headers: &HeaderMap) -> bool {
    let names = |name: header::HeaderName, wanted: &str| {
        let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|token| token.trim().eq_ignore_ascii_case(wanted))
    };
    names(header::UPGRADE, "websocket") && names(header::CONNECTION, "upgrade")
}

/// Upgrades a request and gives the socket to its owner.
pub(crate) fn open(state: &Arc<State>, mut request: Request) -> Response {
    let accept = match accept_key(&request) {
        Ok(accept) => accept,
        Err(refusal) => {
            let mut response = http_refusal(&refusal, None);
            response.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            return response;
        }
    };
    let address = request.extensions().get::<ClientAddress>().copied();
    let upgrade = request.extensions_mut().remove::<OnUpgrade>();
    let (Some(address), Some(upgrade)) = (address, upgrade) else {
        return http_refusal(&Refusal::internal("a connection came without address or upgrade"), None);
    };
    if let Err(refusal) = seat(state, &request, address, upgrade) {
        tracing::info!(address = %address.0, code = refusal.code().as_str(), "connection turned away");
        state.measures.refusal(refusal.code());
        return http_refusal(&refusal, None);
    }
    let headers = [
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers, Body::empty()).into_response()
}

fn accept_key(request: &Request) -> Result<HeaderValue, Refusal> {
    let headers = request.headers();
    if *request.method() != http::Method::GET {
        return Err(Refusal::invalid("method", "must be GET for a WebSocket"));
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(Refusal::invalid("Sec-WebSocket-Version", "must be 13"));
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|key| key.len() == 24);
    let key = key.ok_or_else(|| Refusal::invalid("Sec-WebSocket-Key", "must be 16 bytes in base64"))?;
    HeaderValue::try_from(derive_accept_key(key.as_bytes())).map_err(Refusal::internal)
}

/// Finds the socket's owner and starts it; it waits for the upgrade to be through.
///
/// # Errors
/// There is no place even in the lobby, or the gateway is stopping.
fn seat(state: &Arc<State>, request: &Request, address: ClientAddress, upgrade: OnUpgrade) -> Result<(), Refusal> {
    if state.is_draining() {
        return Err(Refusal::Busy("it is restarting".to_owned()));
    }
    let max_connections = state.settings.load().max_connections;
    let found = authenticate(state, address, request.uri().query(), request.headers()).and_then(|access| {
        let tenant = &access.credential.tenant;
        let share = if state.tokens.has_many_tenants() { share_of(max_connections) } else { max_connections };
        let part = state.sessions_by_tenant.take(tenant, share);
        let part =
            part.ok_or_else(|| Refusal::Busy(format!("all {share} connections of tenant `{tenant}` are taken")))?;
        let place = state.sessions.take(max_connections, &state.measures.sessions);
        place.map(|place| (access, place, part)).ok_or_else(|| {
            Refusal::Busy(format!("all {max_connections} connections of `gateway.max_connections` are taken"))
        })
    });
    let owner = Arc::clone(state);
    match found {
        Ok((access, place, part)) => {
            let trace = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
            let trace = trace.and_then(TraceId::from_traceparent);
            state.tasks.spawn(async move {
                let Ok(upgraded) = upgrade.await else { return };
                let Some((incoming, writer)) = socket::split(upgraded, MESSAGE_BYTES).await else { return };
                session::run(&owner, session::Guest { access, place, part, address, trace }, incoming, writer).await;
            });
        }
        Err(refusal) => {
            let place = state.lobby.take(LOBBY_PLACES, &state.measures.lobby);
            let place = place.ok_or_else(|| Refusal::Busy("too many unauthenticated connections".to_owned()))?;
            state.tasks.spawn(async move {
                let Ok(upgraded) = upgrade.await else { return };
                let Some((incoming, writer)) = socket::split(upgraded, lobby::LOBBY_BYTES).await else { return };
                lobby::turn_away(&owner, &refusal, address, incoming, writer).await;
                drop(place);
            });
        }
    }
    Ok(())
}
