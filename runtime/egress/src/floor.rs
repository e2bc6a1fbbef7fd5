//! The least speed of a body, so that a server that drips does not hold a connection until the deadline.
//!
//! Invariant: only time in which the other side could have sent counts; a slow reader is its own fault, and the
//! deadline's business.

use std::time::Duration;

use openclaw_domain::EgressError;
use tokio::time::Instant;

use crate::upload::Meter;

/// What is averaged over.
pub(crate) const WINDOW: Duration = Duration::from_secs(5);

/// Counts the bytes of one window after another.
pub(crate) struct Floor {
    rate: u32,
    began: Instant,
    moved: u64,
}

impl Floor {
    pub(crate) fn new(rate: u32) -> Self {
        Self { rate, began: Instant::now(), moved: 0 }
    }

    /// When the window ends.
    pub(crate) fn due(&self) -> Instant {
        self.began + WINDOW
    }

    /// Counts bytes that came.
    pub(crate) fn add(&mut self, bytes: u64) {
        self.moved += bytes;
    }

    /// Leaves time out in which nobody read.
    pub(crate) fn leave_out(&mut self, time: Duration) {
        self.began += time;
    }

    /// Judges the window that is over and begins the next.
    pub(crate) fn judge(&mut self) -> Result<(), EgressError> {
        if self.moved < u64::from(self.rate) * WINDOW.as_secs() {
            return Err(EgressError::TooSlow(self.rate));
        }
        self.began = Instant::now();
        self.moved = 0;
        Ok(())
    }
}

/// Ends when a request's body has moved too slowly because nobody took it; never ends for one that is sent.
pub(crate) async fn watch(upload: &Meter, rate: u32) -> EgressError {
    loop {
        let before = upload.moved();
        tokio::time::sleep(WINDOW).await;
        if upload.is_done() {
            return std::future::pending().await;
        }
        if !upload.waits_for_sender() && upload.moved() - before < u64::from(rate) * WINDOW.as_secs() {
            return EgressError::TooSlow(rate);
        }
    }
}
