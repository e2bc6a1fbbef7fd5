//! The floor of a WebSocket round trip: the same crates, a JSON echo, and nothing else.

use axum::Router;
use axum::extract::WebSocketUpgrade;
use axum::extract::ws::{Message, WebSocket};
use axum::response::Response;
use axum::routing::any;
use axum::serve::ListenerExt as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Serves until the process is ended; the first line printed is the address.
pub(crate) async fn serve() -> anyhow::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    crate::report::say(&format!("http://{}", listener.local_addr()?));
    let router =
        Router::new().route("/", any(async |upgrade: WebSocketUpgrade| -> Response { upgrade.on_upgrade(echo) }));
    let listener = listener.tap_io(|socket| drop(socket.set_nodelay(true)));
    Ok(axum::serve(listener, router).await?)
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let Message::Text(text) = message else { continue };
        let Ok(frame) = serde_json::from_str::<Value>(&text) else { return };
        let reply = json!({ "type": "response", "id": frame["id"], "payload": { "result": frame["payload"]["args"] } });
        if socket.send(Message::text(reply.to_string())).await.is_err() {
            return;
        }
    }
}
