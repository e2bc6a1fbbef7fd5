//! Alerts about denied powers: each is raised at once, and again at most once a minute with how many there were.
//!
//! Invariant: what a guest tries, it can try a million times a second; neither the journal nor memory grows with it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openclaw_domain::ports::Journal;
use openclaw_domain::{Clock, Denial, EventKind, NewEvent, Severity, SkillName, TenantId, Timestamp, TraceId};

/// One alert about the same thing within this time.
const EVERY: Duration = Duration::from_secs(60);
/// Things remembered at one time; what is over is told as one.
const MAX_REMEMBERED: usize = 1024;
/// Bytes of what a guest wanted that stand in an alert.
const WANTED_BYTES: usize = 300;

/// Raises alerts.
pub(crate) struct Alerts {
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    recent: Mutex<HashMap<(TenantId, SkillName, String), Recent>>,
}

struct Recent {
    told: Timestamp,
    /// How many came since, untold.
    untold: u64,
}

impl Alerts {
    pub(crate) fn new(journal: Arc<dyn Journal>, clock: Arc<dyn Clock>) -> Self {
        Self { journal, clock, recent: Mutex::default() }
    }

    /// Tells of a denial, unless the same was told a moment ago.
    pub(crate) fn denied(&self, tenant: &TenantId, skill: &SkillName, trace: TraceId, denial: &Denial) {
        let wanted = shown(&denial.wanted);
        let now = self.clock.now();
        let Some((wanted, count)) = self.count(tenant, skill, wanted, now) else { return };
        let data = serde_json::json!({
            "type": "capability_denied",
            "severity": Severity::Medium.as_str(),
            "details": {
                "skill": skill.as_str(),
                "capability": denial.capability.as_str(),
                "wanted": wanted,
                "reason": denial.reason.as_deref().map(shown),
                "command": denial.command(tenant, skill),
                "count": count,
            },
        });
        self.journal.record(NewEvent {
            tenant: tenant.clone(),
            kind: EventKind::SecurityAlert,
            data: data.to_string(),
            trace,
            at: now,
            session: None,
        });
    }

    /// How many there were since the last one that was told; `None` if this one is not told either.
    fn count(&self, tenant: &TenantId, skill: &SkillName, wanted: String, now: Timestamp) -> Option<(String, u64)> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = (tenant.clone(), skill.clone(), wanted);
        if recent.len() >= MAX_REMEMBERED && !recent.contains_key(&key) {
            recent.retain(|_, kept| now.since(kept.told) < EVERY);
            if recent.len() >= MAX_REMEMBERED {
                key.2 = "more than can be listed".to_owned();
                if recent.len() >= 2 * MAX_REMEMBERED && !recent.contains_key(&key) {
                    return None;
                }
            }
        }
        match recent.get_mut(&key) {
            Some(kept) if now.since(kept.told) < EVERY => {
                kept.untold += 1;
                None
            }
            Some(kept) => {
                let count = kept.untold + 1;
                *kept = Recent { told: now, untold: 0 };
                Some((key.2, count))
            }
            None => {
                let wanted = key.2.clone();
                recent.insert(key, Recent { told: now, untold: 0 });
                Some((wanted, 1))
            }
        }
    }
}

/// A guest's words as they may stand in an alert: cut, and without what could move a cursor.
pub(crate) fn shown(text: &str) -> String {
    crate::host::log::cut(text, WANTED_BYTES).escape_debug().collect()
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use openclaw_domain::ports::{AuditEntry, TraceEntry};
    use openclaw_domain::{Capability, Event, ManualClock, Powers, Refusal};

    use super::*;

    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    #[async_trait]
    impl Journal for Heard {
        fn record(&self, event: NewEvent) {
            self.0.lock().unwrap().push(event.data);
        }
        async fn events_since(&self, _: &TenantId, _: i64, _: usize) -> Result<Vec<Event>, Refusal> {
            Ok(Vec::new())
        }
        async fn last_seq(&self, _: &TenantId) -> Result<i64, Refusal> {
            Ok(0)
        }
        async fn audit(&self, _: AuditEntry) -> Result<(), Refusal> {
            Ok(())
        }
        async fn trace(&self, _: &TenantId, _: &str) -> Result<Vec<TraceEntry>, Refusal> {
            Ok(Vec::new())
        }
    }

    fn denial(wanted: &str) -> Denial {
        Denial { capability: Capability::Kv, wanted: wanted.to_owned(), missing: Powers::default(), reason: None }
    }

    #[test]
    fn the_same_denial_is_told_once_a_minute_with_how_many_there_were() {
        let (heard, clock) = (Arc::new(Heard::default()), Arc::new(ManualClock::new(Timestamp::from_millis(0))));
        let alerts = Alerts::new(heard.clone(), clock.clone());
        let (tenant, skill) = (TenantId::default(), "thief".parse().unwrap());
        for _ in 0..100 {
            alerts.denied(&tenant, &skill, TraceId::new(), &denial("a\u{1b}[2J"));
        }
        assert_eq!(heard.0.lock().unwrap().len(), 1);
        clock.advance(EVERY);
        alerts.denied(&tenant, &skill, TraceId::new(), &denial("a\u{1b}[2J"));
        let heard = heard.0.lock().unwrap();
        assert!(heard[1].contains("\"count\":100") && !heard[1].contains('\u{1b}'), "{}", heard[1]);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (heard, clock) = (Arc::new(Heard::default()), Arc::new(ManualClock::new(Timestamp::from_millis(0))));
        let alerts = Alerts::new(heard.clone(), clock);
        let (tenant, skill) = (TenantId::default(), "thief".parse().unwrap());
        for number in 0..10_000 {
            alerts.denied(&tenant, &skill, TraceId::new(), &denial(&format!("bucket {number}")));
        }
        assert!(alerts.recent.lock().unwrap().len() <= MAX_REMEMBERED + 1);
        assert!(heard.0.lock().unwrap().len() <= MAX_REMEMBERED + 1);
    }
}
