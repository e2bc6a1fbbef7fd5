//! What others put in for a session: events to pass on, and signals to act on.
//!
//! Invariant: putting in never waits and never fails. Events beyond the bounds, in number and in bytes, are counted,
//! and the count stands in the queue where the lost ones would have stood; signals are flags and cannot be lost.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use futures_util::task::AtomicWaker;

/// Events that wait for one session; more are dropped and counted.
pub(crate) const EVENT_QUEUE: usize = 256;

/// Bytes of events that wait for one session; more are dropped and counted, except a larger one that waits alone.
const EVENT_BYTES: usize = 1 << 20;

/// A frame made once for everybody who sees it.
#[derive(Debug)]
pub(crate) struct Notice {
    /// The whole frame as JSON text.
    pub(crate) frame: String,
    /// Its place among recorded events; 0 for a live frame, which is not recorded.
    pub(crate) seq: i64,
}

/// One thing taken out.
#[derive(Clone, Debug)]
pub(crate) enum Letter {
    /// Pass this on.
    Notice(Arc<Notice>),
    /// This many notices were lost here.
    Gap(u64),
    /// The session's call with this number has said how far it is.
    Progress(u64),
}

/// Something a session must act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Signal {
    /// The known tokens changed: look whether one's own still stands.
    TokensChanged = 1,
    /// The gateway stops: finish what runs, then close.
    Drain = 2,
    /// The gateway stops now: answer what still runs as cancelled, then close.
    Stop = 4,
}

/// The signals that came since the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signals(u8);

impl Signals {
    /// Whether this one came.
    pub(crate) const fn has(self, signal: Signal) -> bool {
        self.0 & signal as u8 != 0
    }
}

#[derive(Debug, Default)]
struct Queue {
    letters: VecDeque<Letter>,
    bytes: usize,
    missed: u64,
}

/// Many put in, one session takes out.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    waker: AtomicWaker,
    signals: AtomicU8,
    queue: Mutex<Queue>,
}

impl Mailbox {
    /// Puts in a notice; `false` if it was dropped and counted instead.
    pub(crate) fn put(&self, notice: Arc<Notice>) -> bool {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        // The count takes a place of its own, so that what follows it stays in order.
        let needed = 1 + usize::from(queue.missed > 0);
        let bytes = notice.frame.len();
        if queue.letters.len() + needed > EVENT_QUEUE || (queue.bytes > 0 && queue.bytes + bytes > EVENT_BYTES) {
            queue.missed += 1;
            return false;
        }
        if queue.missed > 0 {
            let missed = std::mem::take(&mut queue.missed);
            queue.letters.push_back(Letter::Gap(missed));
        }
        queue.bytes += bytes;
        queue.letters.push_back(Letter::Notice(notice));
        drop(queue);
        self.waker.wake();
        true
    }

    /// Says that a call of the session has something to show. A call says so once until it was looked at, so these are
    /// as few as the requests in flight and need no bound of their own.
    pub(crate) fn nudge(&self, call: u64) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).letters.push_back(Letter::Progress(call));
        self.waker.wake();
    }

    /// Raises a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        self.signals.fetch_or(signal as u8, Ordering::AcqRel);
        self.waker.wake();
    }

    /// Waits for signals and takes them. Cancel safety: signals not returned stay raised.
    pub(crate) async fn signals(&self) -> Signals {
        poll_fn(|cx| {
            // Register first: a signal raised between the look and the registration must wake.
            self.waker.register(cx.waker());
            if self.signals.load(Ordering::Relaxed) == 0 {
                return Poll::Pending;
            }
            Poll::Ready(Signals(self.signals.swap(0, Ordering::AcqRel)))
        })
        .await
    }

    /// Waits for a letter and takes it. Cancel safety: a letter not returned stays in.
    pub(crate) async fn letter(&self) -> Letter {
        poll_fn(|cx| {
            self.waker.register(cx.waker());
            self.take().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    fn take(&self) -> Option<Letter> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(letter) = queue.letters.pop_front() {
            if let Letter::Notice(notice) = &letter {
                queue.bytes -= notice.frame.len();
            }
            return Some(letter);
        }
        let missed = std::mem::take(&mut queue.missed);
        (missed > 0).then_some(Letter::Gap(missed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(seq: i64) -> Arc<Notice> {
        Arc::new(Notice { frame: String::new(), seq })
    }

    fn notice_of(seq: i64, bytes: usize) -> Arc<Notice> {
        Arc::new(Notice { frame: "x".repeat(bytes), seq })
    }

    fn take_all(mailbox: &Mailbox) -> Vec<i64> {
        let sign = |letter| match letter {
            Letter::Notice(notice) => notice.seq,
            Letter::Gap(missed) => -i64::try_from(missed).unwrap(),
            Letter::Progress(_) => panic!("no call speaks here"),
        };
        std::iter::from_fn(|| mailbox.take().map(sign)).collect()
    }

    #[test]
    fn what_is_lost_is_counted_where_it_would_have_stood() {
        let mailbox = Mailbox::default();
        let bound = i64::try_from(EVENT_QUEUE).unwrap();
        for seq in 1..=bound + 3 {
            assert_eq!(mailbox.put(notice(seq)), seq <= bound);
        }
        assert!(matches!(mailbox.take(), Some(Letter::Notice(first)) if first.seq == 1));
        assert!(!mailbox.put(notice(900)), "one place is not enough for the count and the notice");
        mailbox.take();
        assert!(mailbox.put(notice(901)));
        let expected: Vec<i64> = (3..=bound).chain([-4, 901]).collect();
        assert_eq!(take_all(&mailbox), expected);
    }

    #[test]
    fn what_waits_is_bounded_in_bytes_too() {
        let large = |seq| notice_of(seq, EVENT_BYTES / 2);
        let mailbox = Mailbox::default();
        assert!(mailbox.put(large(1)) && mailbox.put(large(2)) && !mailbox.put(notice_of(3, 1)));
        assert_eq!(take_all(&mailbox), [1, 2, -1]);
        assert!(mailbox.put(notice_of(4, EVENT_BYTES + 1)), "alone, or nobody could ever see it");
        assert!(!mailbox.put(large(5)));
        assert_eq!(take_all(&mailbox), [4, -1]);
    }

    #[test]
    fn losses_without_a_successor_are_reported_too() {
        let mailbox = Mailbox::default();
        for seq in 0..i64::try_from(EVENT_QUEUE).unwrap() + 2 {
            mailbox.put(notice(seq));
        }
        assert_eq!(take_all(&mailbox).last(), Some(&-2));
    }

    #[tokio::test]
    async fn signals_are_taken_together_and_once() {
        let mailbox = Mailbox::default();
        mailbox.signal(Signal::Drain);
        mailbox.signal(Signal::TokensChanged);
        let signals = mailbox.signals().await;
        assert!(signals.has(Signal::Drain) && signals.has(Signal::TokensChanged) && !signals.has(Signal::Stop));
        assert_eq!(mailbox.signals.load(Ordering::SeqCst), 0);
    }
}
