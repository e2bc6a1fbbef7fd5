//! One HTTP/1.1 connection, and the bound on what it may say before a response begins.
//!
//! Invariant: the bytes of a head are bounded before they are understood: interim responses count too, so that a server
//! that sends `103` for ever ends like one that sends headers for ever.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::JoinSet;

use crate::network::BoxConnection;
use crate::upload::Upload;

/// hyper's read buffer, if the header bound is not larger.
const READ_BUFFER: usize = 64 << 10;
/// Bytes of the body that may arrive before the head has been looked at: a few buffers.
const READ_AHEAD: usize = 4 * READ_BUFFER;

/// How much may be read until the head of the response is here.
#[derive(Default)]
struct HeadBudget {
    left: AtomicUsize,
    counts: AtomicBool,
    is_spent: AtomicBool,
}

impl HeadBudget {
    fn spend(&self, bytes: usize) -> io::Result<()> {
        if !self.counts.load(Ordering::Relaxed) {
            return Ok(());
        }
        let left = self.left.load(Ordering::Relaxed);
        match left.checked_sub(bytes) {
            Some(left) => {
                self.left.store(left, Ordering::Relaxed);
                Ok(())
            }
            None => {
                self.is_spent.store(true, Ordering::Relaxed);
                Err(io::Error::other("the head of the response does not end"))
            }
        }
    }
}

/// A connection that counts what is read from it.
struct Guarded {
    io: BoxConnection,
    head: Arc<HeadBudget>,
}

impl AsyncRead for Guarded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        std::task::ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        Poll::Ready(self.head.spend(buf.filled().len() - before))
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

/// A connection over which requests are sent, one after the other. Dropping it closes it.
pub(crate) struct Wire {
    sender: http1::SendRequest<Upload>,
    head: Arc<HeadBudget>,
    header_bytes: usize,
    _driver: JoinSet<()>,
}

/// A request that was not answered.
pub(crate) struct Unanswered {
    pub(crate) error: hyper::Error,
    /// Whether the server said more than a head may hold.
    pub(crate) is_head_too_long: bool,
    /// The request, if no byte of it was written.
    pub(crate) unsent: Option<Box<http::Request<Upload>>>,
}

impl Wire {
    /// Speaks HTTP/1.1 over a connection. A response's head is bounded by `header_bytes`.
    pub(crate) async fn new(io: BoxConnection, header_bytes: usize) -> hyper::Result<Self> {
        let head = Arc::new(HeadBudget::default());
        let io = TokioIo::new(Guarded { io, head: Arc::clone(&head) });
        let (sender, connection) = http1::Builder::new()
            .max_header_size(header_bytes)
            .max_buf_size(READ_BUFFER.max(header_bytes))
            .handshake(io)
            .await?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // What goes wrong here is also told to whoever waits for the response or its body.
            let _: hyper::Result<()> = connection.await;
        });
        Ok(Self { sender, head, header_bytes, _driver: driver })
    }

    /// Sends a request and waits for the head of its response.
    pub(crate) async fn send(
        &mut self,
        message: http::Request<Upload>,
    ) -> Result<http::Response<Incoming>, Box<Unanswered>> {
        self.head.left.store(self.header_bytes + READ_AHEAD, Ordering::Relaxed);
        self.head.counts.store(true, Ordering::Relaxed);
        let result = self.sender.try_send_request(message).await;
        self.head.counts.store(false, Ordering::Relaxed);
        result.map_err(|mut failed| {
            let unsent = failed.take_message().map(Box::new);
            let error = failed.into_error();
            let is_head_too_long = error.is_parse_too_large() || self.head.is_spent.load(Ordering::Relaxed);
            Box::new(Unanswered { error, is_head_too_long, unsent })
        })
    }

    /// Waits until the last response is over; `false` if the connection is, too.
    pub(crate) async fn is_reusable(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    /// Whether the next request may be sent right now.
    pub(crate) fn is_idle(&self) -> bool {
        self.sender.is_ready()
    }
}
