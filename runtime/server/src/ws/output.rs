//! What is to be sent: frames are printed into one buffer, and the buffer is written in one go.
//!
//! A server's WebSocket frame is a few header bytes and the payload (RFC 6455 §5.2, no mask), so it is written here
//! directly: several frames cost one buffer and one write.
//! Invariant: after any number of partial or abandoned writes, the bytes on the wire are whole frames in order.

use std::io;

use serde::Serialize;
use tokio::io::{AsyncWrite, AsyncWriteExt};

const FINAL_TEXT: u8 = 0x81;
const FINAL_CLOSE: u8 = 0x88;
const FINAL_PING: u8 = 0x89;
const FINAL_PONG: u8 = 0x8a;
/// Longest payload of a control frame.
const CONTROL_BYTES: usize = 125;
/// Events that together are this large wait no longer.
const EVENT_BYTES: usize = 16 << 10;
/// Buffers larger than this are given back once they are empty.
const KEPT_BYTES: usize = 64 << 10;

/// Frames on their way out.
#[derive(Default)]
pub(super) struct Output {
    buffer: Vec<u8>,
    written: usize,
    scratch: Vec<u8>,
    total: u64,
    is_urgent: bool,
}

impl Output {
    /// Prints a frame as JSON.
    pub(super) fn text(&mut self, frame: &impl Serialize) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        match serde_json::to_writer(&mut scratch, frame) {
            Ok(()) => self.urgent(FINAL_TEXT, &scratch),
            // Frames are structs and maps with text keys; those always print.
            Err(error) => tracing::error!(%error, "a frame could not be printed"),
        }
        if scratch.capacity() <= KEPT_BYTES {
            self.scratch = scratch;
        }
    }

    /// A frame that is printed already.
    pub(super) fn printed(&mut self, text: &str) {
        self.urgent(FINAL_TEXT, text.as_bytes());
    }

    /// An event's frame, printed already: it may wait for others to leave with.
    pub(super) fn event(&mut self, text: &str) {
        self.frame(FINAL_TEXT, text.as_bytes());
        self.is_urgent |= self.waiting() >= EVENT_BYTES;
    }

    /// Whether something waits that should not.
    pub(super) const fn is_urgent(&self) -> bool {
        self.is_urgent
    }

    /// Lets nothing wait any longer.
    pub(super) const fn hurry(&mut self) {
        self.is_urgent = true;
    }

    /// A ping.
    pub(super) fn ping(&mut self) {
        self.urgent(FINAL_PING, &[]);
    }

    /// The answer to a ping.
    pub(super) fn pong(&mut self, payload: &[u8]) {
        self.urgent(FINAL_PONG, &payload[..payload.len().min(CONTROL_BYTES)]);
    }

    /// The last frame. Without a code it says nothing.
    pub(super) fn close(&mut self, code: Option<u16>, reason: &str) {
        let mut payload = Vec::new();
        if let Some(code) = code {
            payload.extend_from_slice(&code.to_be_bytes());
            payload.extend_from_slice(&reason.as_bytes()[..reason.floor_char_boundary(CONTROL_BYTES - 2)]);
        }
        self.urgent(FINAL_CLOSE, &payload);
    }

    fn urgent(&mut self, first: u8, payload: &[u8]) {
        self.is_urgent = true;
        self.frame(first, payload);
    }

    fn frame(&mut self, first: u8, payload: &[u8]) {
        self.buffer.reserve(payload.len() + 10);
        self.buffer.push(first);
        match payload.len() {
            short @ 0..=125 => self.buffer.push(u8::try_from(short).unwrap_or_default()),
            length => match u16::try_from(length) {
                Ok(length) => {
                    self.buffer.push(126);
                    self.buffer.extend_from_slice(&length.to_be_bytes());
                }
                Err(_) => {
                    self.buffer.push(127);
                    self.buffer.extend_from_slice(&u64::try_from(length).unwrap_or_default().to_be_bytes());
                }
            },
        }
        self.buffer.extend_from_slice(payload);
    }

    /// Bytes that wait.
    pub(super) fn waiting(&self) -> usize {
        self.buffer.len() - self.written
    }

    /// Bytes written so far.
    pub(super) const fn total(&self) -> u64 {
        self.total
    }

    /// Writes all that waits. Cancel safety: what was written is remembered, what was not stays.
    pub(super) async fn flush(&mut self, writer: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        while self.written < self.buffer.len() {
            let count = writer.write(&self.buffer[self.written..]).await?;
            if count == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.written += count;
            self.total += count as u64;
        }
        self.written = 0;
        self.is_urgent = false;
        self.buffer.clear();
        if self.buffer.capacity() > KEPT_BYTES {
            self.buffer = Vec::new();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;
    use tokio_tungstenite::WebSocketStream;
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::protocol::Role;

    #[tokio::test]
    async fn another_implementation_reads_frames_of_every_length() {
        let (mut ours, theirs) = tokio::io::duplex(100);
        let mut reader = WebSocketStream::from_raw_socket(theirs, Role::Client, None).await;
        let lengths = [0, 1, 123, 124, 125, 126, 65_533, 65_534, 65_535, 65_536, 100_000];
        let mut output = Output::default();
        for length in lengths {
            output.text(&"x".repeat(length));
        }
        output.ping();
        output.close(Some(1012), "the gateway is restarting");
        let write = async { output.flush(&mut ours).await.unwrap() };
        let read = async {
            for length in lengths {
                assert_eq!(reader.next().await.unwrap().unwrap().len(), length + 2, "{length}");
            }
            assert_eq!(reader.next().await.unwrap().unwrap(), Message::Ping(Default::default()));
            let Message::Close(Some(close)) = reader.next().await.unwrap().unwrap() else { panic!("no close") };
            assert_eq!((u16::from(close.code), close.reason.as_str()), (1012, "the gateway is restarting"));
        };
        tokio::join!(write, read);
    }
}
