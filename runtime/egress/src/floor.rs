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

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nobody_read_moves_the_end_of_the_window() {
        let mut floor = Floor::new(64);
        advance(Duration::from_secs(20)).await;
        assert!(floor.due() < Instant::now());
        floor.leave_out(Duration::from_secs(19));
        assert_eq!(floor.due(), Instant::now() + Duration::from_secs(4));
        floor.add(319);
        assert_eq!(floor.judge(), Err(EgressError::TooSlow(64)));
        floor.add(1);
        assert_eq!(floor.judge(), Ok(()));
        assert_eq!(floor.judge(), Err(EgressError::TooSlow(64)));
    }
}
