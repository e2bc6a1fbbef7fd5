//! Replies kept under the client's idempotency keys: the same key runs once.
//!
//! Invariants: keys belong to one credential; what is kept is bounded in number and bytes, oldest out first; a call
//! that never finished leaves nothing behind, so its repeat runs.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::value::RawValue;
use tokio::sync::oneshot;

/// Keys kept for one credential.
const KEPT_KEYS: usize = 256;
/// Bytes of replies kept for one credential.
const KEPT_BYTES: usize = 4 << 20;
/// Repeats that may wait for one running call.
const WAITERS: usize = 64;

/// A reply without the id of a request.
#[derive(Debug)]
pub(crate) struct KeptReply {
    /// `response` or `error`.
    pub(super) kind: &'static str,
    /// The payload.
    pub(super) payload: Box<RawValue>,
}

/// The replies of one credential.
#[derive(Default)]
pub(crate) struct Replies {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    entries: HashMap<Box<str>, Entry>,
    /// Settled keys, oldest first.
    order: VecDeque<Box<str>>,
    bytes: usize,
}

struct Entry {
    /// Tells another request under the same key from a repeat.
    fingerprint: u64,
    state: EntryState,
}

enum EntryState {
    Running(Vec<oneshot::Sender<Arc<KeptReply>>>),
    Settled(Arc<KeptReply>),
}

/// What a key means for a request.
pub(super) enum Claim {
    /// It is the first: run it and settle the ticket.
    First(Ticket),
    /// The first is still running: wait for its reply.
    Wait(oneshot::Receiver<Arc<KeptReply>>),
    /// The first is done.
    Done(Arc<KeptReply>),
    /// The key was used for another request.
    Conflict,
    /// Too many wait already, or too many run.
    Full,
}

impl Replies {
    /// Claims a key for a request with this fingerprint.
    pub(super) fn claim(&self, key: &str, fingerprint: u64) -> Claim {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = kept.entries.get_mut(key) {
            if entry.fingerprint != fingerprint {
                return Claim::Conflict;
            }
            return match &mut entry.state {
                EntryState::Settled(reply) => Claim::Done(Arc::clone(reply)),
                EntryState::Running(waiters) if waiters.len() < WAITERS => {
                    let (tx, rx) = oneshot::channel();
                    waiters.push(tx);
                    Claim::Wait(rx)
                }
                EntryState::Running(_) => Claim::Full,
            };
        }
        if kept.entries.len() - kept.order.len() >= KEPT_KEYS {
            return Claim::Full;
        }
        kept.entries.insert(key.into(), Entry { fingerprint, state: EntryState::Running(Vec::new()) });
        Claim::First(Ticket { kept: Arc::clone(&self.kept), key: Some(key.into()) })
    }
}

/// The duty to settle a key. Dropped unsettled, the key is free again and its waiters hear that the call was cancelled.
pub(super) struct Ticket {
    kept: Arc<Mutex<Kept>>,
    key: Option<Box<str>>,
}

impl Ticket {
    /// Gives the reply to all who wait, and keeps it if a repeat must get it too.
    pub(super) fn settle(mut self, reply: &Arc<KeptReply>, is_final: bool) {
        let Some(key) = self.key.take() else { return };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = kept.entries.remove(&key) else { return };
        if let EntryState::Running(waiters) = entry.state {
            for waiter in waiters {
                // A waiter that left needs no answer.
                drop(waiter.send(Arc::clone(reply)));
            }
        }
        if !is_final {
            return;
        }
        kept.bytes += reply.payload.get().len();
        let state = EntryState::Settled(Arc::clone(reply));
        kept.entries.insert(key.clone(), Entry { fingerprint: entry.fingerprint, state });
        kept.order.push_back(key);
        // The newest stays even if it alone is over the bytes: its repeat is the likeliest.
        while kept.order.len() > KEPT_KEYS || (kept.bytes > KEPT_BYTES && kept.order.len() > 1) {
            let Some(oldest) = kept.order.pop_front() else { break };
            if let Some(Entry { state: EntryState::Settled(reply), .. }) = kept.entries.remove(&oldest) {
                kept.bytes -= reply.payload.get().len();
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.kept.lock().unwrap_or_else(PoisonError::into_inner).entries.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(bytes: usize) -> Arc<KeptReply> {
        let payload = serde_json::value::to_raw_value(&"x".repeat(bytes)).unwrap();
        Arc::new(KeptReply { kind: "response", payload })
    }

    fn settle(replies: &Replies, key: &str, bytes: usize) {
        let Claim::First(ticket) = replies.claim(key, 1) else { panic!("`{key}` is taken") };
        ticket.settle(&reply(bytes), true);
    }

    #[tokio::test]
    async fn a_repeat_waits_for_the_first_and_gets_its_reply() {
        let replies = Replies::default();
        let Claim::First(ticket) = replies.claim("k", 1) else { panic!() };
        let Claim::Wait(waiter) = replies.claim("k", 1) else { panic!() };
        assert!(matches!(replies.claim("k", 2), Claim::Conflict));
        ticket.settle(&reply(1), true);
        assert_eq!(waiter.await.unwrap().payload.get(), "\"x\"");
        assert!(matches!(replies.claim("k", 1), Claim::Done(_)));
    }

    #[tokio::test]
    async fn an_abandoned_call_frees_its_key() {
        let replies = Replies::default();
        let Claim::First(ticket) = replies.claim("k", 1) else { panic!() };
        let Claim::Wait(waiter) = replies.claim("k", 1) else { panic!() };
        drop(ticket);
        assert!(waiter.await.is_err());
        assert!(matches!(replies.claim("k", 2), Claim::First(_)));
    }

    #[test]
    fn what_is_kept_is_bounded_in_number_and_bytes() {
        let replies = Replies::default();
        for number in 0..=KEPT_KEYS {
            settle(&replies, &number.to_string(), 1);
        }
        assert!(matches!(replies.claim("0", 1), Claim::First(_)), "the oldest went");
        assert!(matches!(replies.claim("1", 1), Claim::Done(_)));
        settle(&replies, "large", KEPT_BYTES);
        assert!(matches!(replies.claim("large", 1), Claim::Done(_)));
        assert!(matches!(replies.claim("200", 1), Claim::First(_)));
    }
}
