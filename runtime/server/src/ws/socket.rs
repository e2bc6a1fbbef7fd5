//! A socket in two halves: tungstenite reads, [`Output`](super::output::Output) writes.
//!
//! tungstenite answers a Close the moment it reads it and refuses to write from then on, yet a client that closes its
//! side with requests in flight is owed their replies first. So the reading half writes into the void: its automatic
//! pongs and Close replies go nowhere, and the session sends its own when it is ready to.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::output::Output;
use crate::patience::Patient;

/// tungstenite clears this much before each read, so it is not generous; larger messages grow it.
const READ_BUFFER: usize = 8 << 10;
/// How long a peer may take over the last bytes we have for it.
const LAST_WRITE_TIME: Duration = Duration::from_secs(5);
/// How long to wait for the peer's end of the connection: closing with unread bytes would reset it, and a reset may
/// overtake what was just written.
const LINGER_TIME: Duration = Duration::from_secs(1);

/// The half that reads messages.
pub(super) type Incoming = WebSocketStream<ReadHalf>;

/// Reads from the connection, writes into the void.
#[derive(Debug)]
pub(super) struct ReadHalf(OwnedReadHalf);

impl AsyncRead for ReadHalf {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for ReadHalf {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Splits an upgraded connection. Messages over `max_bytes` end it.
///
/// `None` if the connection is not the TCP stream it was accepted as; that cannot happen behind this server.
pub(super) async fn split(upgraded: Upgraded, max_bytes: usize) -> Option<(Incoming, OwnedWriteHalf)> {
    let parts = upgraded.downcast::<TokioIo<Patient<TcpStream>>>().ok()?;
    // Whether the peer reads is known to the session from here on.
    let (read, write) = parts.io.into_inner().into_inner().into_split();
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .max_message_size(Some(max_bytes))
        .max_frame_size(Some(max_bytes));
    let read = ReadHalf(read);
    let incoming =
        WebSocketStream::from_partially_read(read, parts.read_buf.to_vec(), Role::Server, Some(config)).await;
    Some((incoming, write))
}

/// Writes what is left, ends our side and waits a moment for the peer to end its own.
pub(super) async fn part(mut incoming: Incoming, mut writer: OwnedWriteHalf, mut output: Output) {
    let written = tokio::time::timeout(LAST_WRITE_TIME, output.flush(&mut writer)).await;
    if !matches!(written, Ok(Ok(()))) || writer.shutdown().await.is_err() {
        return;
    }
    let mut rest = [0; 1024];
    let drain = async { while matches!(incoming.get_mut().0.read(&mut rest).await, Ok(count) if count > 0) {} };
    // Whether it ended or the time did, there is nothing left to do.
    drop(tokio::time::timeout(LINGER_TIME, drain).await);
}
