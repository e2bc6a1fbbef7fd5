//! Who sees what: passes recorded events and live frames on to the sessions that may know.
//!
//! Invariants: nothing leaves its tenant. A session sees what its own requests caused and what no session caused; of
//! other sessions only what it subscribed to. Publishing never waits for a session.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use openclaw_domain::{Event, Refusal, TenantId};
use openclaw_protocol::{Envelope, EventPayload};

use crate::mailbox::{Mailbox, Notice, Signal};

/// Patterns one session may subscribe to in all: each is tried on each event, on the thread that committed it.
const MAX_PATTERNS: usize = 64;

/// Passes events on to sessions. The binary connects the journal's commit listener to [`Bus::publish`].
#[derive(Default)]
pub struct Bus {
    sessions: RwLock<HashMap<u64, Arc<Subscriber>>>,
    /// Sessions that subscribed to anything at all.
    subscribed: AtomicUsize,
    /// The next session's number; see [`Bus::new`].
    next: AtomicI64,
}

/// A session as the bus knows it.
pub(crate) struct Subscriber {
    /// The session's number; never used twice, not even by the next process.
    pub(crate) id: u64,
    /// Whose session it is.
    pub(crate) tenant: TenantId,
    /// What is put in for it.
    pub(crate) mailbox: Mailbox,
    patterns: Mutex<Vec<String>>,
}

impl Subscriber {
    /// What it subscribed to, in the order it asked.
    pub(crate) fn patterns(&self) -> Vec<String> {
        self.patterns.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether it subscribed to this type of frame.
    pub(crate) fn wants(&self, kind: &str) -> bool {
        let patterns = self.patterns.lock().unwrap_or_else(PoisonError::into_inner);
        patterns.iter().any(|pattern| matches(pattern, kind))
    }

    /// Whether it may see this event.
    pub(crate) fn sees(&self, event: &Event) -> bool {
        self.tenant == event.fact.tenant
            && match event.fact.session {
                None => true,
                Some(session) => session == self.id || self.wants(event.fact.kind.as_str()),
            }
    }
}

/// `*`, a prefix such as `agent.*`, or an exact name.
fn matches(pattern: &str, kind: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some("") => true,
        Some(prefix) => prefix.ends_with('.') && kind.starts_with(prefix),
        None => pattern == kind,
    }
}

impl Bus {
    /// An empty bus. Session numbers begin at `started_at_millis` shifted up, since recorded events name sessions and
    /// must not mean a later process's.
    pub fn new(started_at_millis: i64) -> Self {
        Self { next: AtomicI64::new((started_at_millis.max(0) & 0x7ff_ffff_ffff) << 20), ..Self::default() }
    }

    /// Passes recorded events on. Never waits: call it from the thread that committed them.
    pub fn publish(&self, events: &[Event]) {
        for event in events {
            let mut notice = None;
            let mut give = |subscriber: &Subscriber| {
                let notice = notice.get_or_insert_with(|| event_notice(event));
                subscriber.mailbox.put(Arc::clone(notice));
            };
            let sessions = self.sessions.read().unwrap_or_else(PoisonError::into_inner);
            match event.fact.session {
                // The common case is a lookup, not a walk over all sessions.
                Some(session) if self.subscribed.load(Ordering::Acquire) == 0 => {
                    if let Some(subscriber) = sessions.get(&session).filter(|subscriber| subscriber.sees(event)) {
                        give(subscriber);
                    }
                }
                _ => sessions.values().filter(|subscriber| subscriber.sees(event)).for_each(|seer| give(seer)),
            }
        }
    }

    /// Whether anybody but the caller could want a live frame; if not, none need be made.
    pub(crate) fn has_subscribers(&self) -> bool {
        self.subscribed.load(Ordering::Acquire) > 0
    }

    /// Passes a live frame on to the other sessions of the tenant that subscribed to its type.
    pub(crate) fn publish_live(&self, from: &Subscriber, kind: &str, frame: &str) {
        let sessions = self.sessions.read().unwrap_or_else(PoisonError::into_inner);
        let others = sessions.values().filter(|other| other.id != from.id && other.tenant == from.tenant);
        let mut notice = None;
        for other in others.filter(|other| other.wants(kind)) {
            let notice = notice.get_or_insert_with(|| Arc::new(Notice { frame: frame.to_owned(), seq: 0 }));
            other.mailbox.put(Arc::clone(notice));
        }
    }

    /// Enters a new session.
    pub(crate) fn join(&self, tenant: TenantId) -> Arc<Subscriber> {
        let id = u64::try_from(self.next.fetch_add(1, Ordering::Relaxed)).unwrap_or_default();
        let subscriber =
            Arc::new(Subscriber { id, tenant, mailbox: Mailbox::default(), patterns: Mutex::new(Vec::new()) });
        self.sessions.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(&subscriber));
        subscriber
    }

    /// Forgets a session.
    pub(crate) fn leave(&self, subscriber: &Subscriber) {
        self.sessions.write().unwrap_or_else(PoisonError::into_inner).remove(&subscriber.id);
        if !subscriber.patterns.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            self.subscribed.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Adds patterns to a session's subscription.
    ///
    /// # Errors
    /// It would have more than 64 different ones; then none is added.
    pub(crate) fn subscribe(&self, subscriber: &Subscriber, patterns: Vec<String>) -> Result<(), Refusal> {
        let mut known = subscriber.patterns.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.len();
        for pattern in patterns {
            if known.contains(&pattern) {
                continue;
            }
            if known.len() == MAX_PATTERNS {
                known.truncate(before);
                let reason = format!("makes more than {MAX_PATTERNS} different patterns of this session; use `*`");
                return Err(Refusal::invalid("payload.events", reason));
            }
            known.push(pattern);
        }
        let had_none = before == 0;
        if had_none && !known.is_empty() {
            self.subscribed.fetch_add(1, Ordering::AcqRel);
        }
        Ok(())
    }

    /// Open sessions of a tenant.
    pub(crate) fn sessions_of(&self, tenant: &TenantId) -> usize {
        let sessions = self.sessions.read().unwrap_or_else(PoisonError::into_inner);
        sessions.values().filter(|subscriber| subscriber.tenant == *tenant).count()
    }

    /// Raises a signal in every session.
    pub(crate) fn signal_all(&self, signal: Signal) {
        let sessions = self.sessions.read().unwrap_or_else(PoisonError::into_inner);
        sessions.values().for_each(|subscriber| subscriber.mailbox.signal(signal));
    }
}

/// The frame of a recorded event, made once for everybody who sees it.
pub(crate) fn event_notice(event: &Event) -> Arc<Notice> {
    let fact = &event.fact;
    let payload = EventPayload {
        data: &fact.data,
        seq: event.seq,
        id: &event.id,
        tenant: fact.tenant.as_str(),
        trace_id: fact.trace.to_string(),
        timestamp: fact.at.to_string(),
    };
    let envelope = Envelope { kind: fact.kind.as_str(), id: None, payload, timestamp: fact.at };
    let frame = serde_json::to_string(&envelope).expect("maps with text keys always print");
    Arc::new(Notice { frame, seq: event.seq })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_everything_a_dotted_prefix_or_a_name() {
        for (pattern, kind, expected) in [
            ("*", "tool_call", true),
            ("agent.*", "agent.error", true),
            ("agent.*", "agents", false),
            ("agent*", "agent.error", false),
            ("agent.error", "agent.error", true),
            ("agent.error", "agent.errors", false),
            ("", "agent.error", false),
        ] {
            assert_eq!(matches(pattern, kind), expected, "{pattern} {kind}");
        }
    }

    #[test]
    fn session_numbers_of_a_later_start_are_others_and_fit_storage() {
        let earlier = Bus::new(1_780_920_000_000).join(TenantId::default());
        let later = Bus::new(1_780_920_000_001).join(TenantId::default());
        assert!(later.id > earlier.id && i64::try_from(later.id).is_ok());
    }
}
