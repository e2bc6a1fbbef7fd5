//! Where sockets stand that may not in, until they were told why.
//!
//! Invariant: nothing a client sends here is acted upon; it has 15 seconds, 64 KiB and one answer, under the id of its
//! first frame, because its code waits for that id.

use std::time::Duration;

use futures_util::StreamExt;
use openclaw_domain::{Code, Refusal};
use openclaw_protocol::{Envelope, RequestId, decode};
use tokio::net::tcp::OwnedWriteHalf;
use tokio_tungstenite::tungstenite::Message;

use super::output::Output;
use super::socket::{Incoming, part};
use crate::auth::ClientAddress;
use crate::reply::error_payload;
use crate::state::State;

/// What a client may send here, in bytes.
pub(super) const LOBBY_BYTES: usize = 64 << 10;
/// How long a client has for its first frame.
const FIRST_FRAME_TIME: Duration = Duration::from_secs(15);
/// How long a client that was told at once that the gateway is busy has for a request that waits for an answer.
const BUSY_TIME: Duration = Duration::from_secs(1);
/// Pings and pieces before the first frame; each costs a turn.
const MESSAGES: usize = 16;

/// Tells a client why it may not in, and closes.
pub(super) async fn turn_away(
    state: &State,
    refusal: &Refusal,
    address: ClientAddress,
    mut incoming: Incoming,
    mut writer: OwnedWriteHalf,
) {
    let code = refusal.code();
    let is_busy = code == Code::GatewayBusy;
    let mut output = Output::default();
    if is_busy {
        // A client that only listens must hear it too.
        answer(state, &mut output, refusal, None);
        if output.flush(&mut writer).await.is_err() {
            return;
        }
    }
    let time = if is_busy { BUSY_TIME } else { FIRST_FRAME_TIME };
    let first = async { tokio::time::timeout(time, first_frame(&mut incoming)).await.unwrap_or(First::Nothing) };
    let first = state.draining.run_until_cancelled(first).await.unwrap_or(First::Nothing);
    match first {
        First::Frame(id) => answer(state, &mut output, refusal, Some(&id)),
        First::Nothing if !is_busy => answer(state, &mut output, refusal, None),
        First::Nothing => {}
        First::Gone => return,
    }
    let (close, reason) = if is_busy { (1013, "try again later") } else { (1008, code.as_str()) };
    output.close(Some(close), reason);
    state.measures.refusal(code);
    tracing::info!(address = %address.0, code = code.as_str(), "connection turned away");
    part(incoming, writer, output).await;
}

enum First {
    /// A frame came, with this id or one made for it.
    Frame(RequestId),
    /// Nothing that could be answered under an id.
    Nothing,
    /// The client left.
    Gone,
}

async fn first_frame(incoming: &mut Incoming) -> First {
    for _ in 0..MESSAGES {
        match incoming.next().await {
            Some(Ok(Message::Text(text))) => {
                let id = match decode(&text) {
                    Ok(frame) => frame.id,
                    Err(error) => error.id,
                };
                return id.map_or(First::Nothing, First::Frame);
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Binary(_) | Message::Close(_))) => return First::Nothing,
            Some(Err(tokio_tungstenite::tungstenite::Error::Capacity(_))) => return First::Nothing,
            Some(Err(_)) | None => return First::Gone,
        }
    }
    First::Nothing
}

fn answer(state: &State, output: &mut Output, refusal: &Refusal, id: Option<&RequestId>) {
    let payload = error_payload(refusal, None, None);
    output.text(&Envelope { kind: "error", id, payload, timestamp: state.clock.now() });
}
