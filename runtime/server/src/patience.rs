//! A connection that waits only so long for its peer to read.
//!
//! Without this a peer that asks and never reads keeps its connection for ever: the kernel's buffers fill, and nothing
//! that reads requests has a timer for the answers.
//! Invariant: a write that makes no progress for the given time fails; one that crawls goes on.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// A stream with a limit on how long a write may stand still.
pub(crate) struct Patient<Stream> {
    stream: Stream,
    time: Duration,
    /// Runs while a write stands still.
    limit: Option<Pin<Box<Sleep>>>,
    is_stalled: bool,
}

impl<Stream> Patient<Stream> {
    /// Waits this long for a write to go on.
    pub(crate) const fn new(stream: Stream, time: Duration) -> Self {
        Self { stream, time, limit: None, is_stalled: false }
    }

    /// The stream itself, for whoever watches its peer in another way.
    pub(crate) fn into_inner(self) -> Stream {
        self.stream
    }

    /// Lets a write's result pass, or ends its waiting.
    fn watch<Done>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<Done>>) -> Poll<io::Result<Done>> {
        if written.is_ready() {
            self.is_stalled = false;
            return written;
        }
        let time = self.time;
        let limit = self.limit.get_or_insert_with(|| Box::pin(sleep(time)));
        if !self.is_stalled {
            self.is_stalled = true;
            limit.as_mut().reset(Instant::now() + time);
        }
        match limit.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not read"))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<Stream: AsyncRead + Unpin> AsyncRead for Patient<Stream> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<Stream: AsyncWrite + Unpin> AsyncWrite for Patient<Stream> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.watch(cx, shut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test(start_paused = true)]
    async fn a_write_that_stands_still_fails_and_one_that_crawls_goes_on() {
        let time = Duration::from_secs(30);
        let (ours, mut theirs) = tokio::io::duplex(4);
        let mut ours = Patient::new(ours, time);
        let crawl = async {
            let mut byte = [0];
            for _ in 0..8 {
                tokio::time::advance(time - Duration::from_secs(1)).await;
                theirs.read_exact(&mut byte).await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(ours.write_all(&[0; 12]), crawl);
        written.unwrap();
        let error = ours.write_all(&[0; 12]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
