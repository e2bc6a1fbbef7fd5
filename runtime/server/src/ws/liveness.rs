//! Whether the peer is still there.
//!
//! Invariant: what the kernel took from us is no sign of life, except while we wait for the peer to read.

/// What is known of the peer since the last ping.
#[derive(Default)]
pub(super) struct Liveness {
    /// Whether it sent anything.
    pub(super) was_heard: bool,
    /// Whether it was asked to.
    pub(super) was_pinged: bool,
    /// Bytes it had been written by then.
    pub(super) total: u64,
}

impl Liveness {
    /// A peer is gone if it was asked and said nothing, or, while we wait for it to read, read nothing.
    pub(super) const fn is_gone(&self, has_room: bool, total: u64) -> bool {
        if has_room { self.was_pinged && !self.was_heard } else { self.total == total }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_gone_if_it_neither_speaks_when_asked_nor_reads_when_it_should() {
        let asked = Liveness { was_heard: false, was_pinged: true, total: 7 };
        assert!(asked.is_gone(true, 9), "events taken by the kernel are no sign of life");
        assert!(asked.is_gone(false, 7));
        assert!(!asked.is_gone(false, 8));
        assert!(!Liveness { was_heard: true, ..asked }.is_gone(true, 7));
        assert!(!Liveness { was_pinged: false, ..asked }.is_gone(true, 7), "it was not asked");
    }
}
