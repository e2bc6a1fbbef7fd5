//! `openclaw:gateway/log`, and the same place for what a guest writes to standard output and standard error.
//!
//! Invariant: a guest can say at most its budget; what is over is counted and dropped, and the call goes on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openclaw_domain::{TenantId, TraceId};
use tracing::{Level, event};

use crate::bindings::skill::openclaw::gateway::log as wit;
use crate::state::HostState;

/// A longer line is cut.
const LINE_BYTES: usize = 8 << 10;
/// So much of the last error is told with a trap.
const LAST_WORDS_BYTES: usize = 512;

/// The log of one call. Clones write into the same one.
#[derive(Clone, Debug)]
pub(crate) struct LogBook {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    guest: Arc<str>,
    tenant: TenantId,
    trace: TraceId,
    budget: Mutex<Budget>,
}

#[derive(Debug)]
struct Budget {
    left: usize,
    dropped: u64,
    /// The last line that complained, for the trap that may follow it.
    last_words: Option<Box<str>>,
}

impl LogBook {
    pub(crate) fn new(guest: Arc<str>, tenant: TenantId, trace: TraceId, bytes: usize) -> Self {
        let budget = Mutex::new(Budget { left: bytes, dropped: 0, last_words: None });
        Self { shared: Arc::new(Shared { guest, tenant, trace, budget }) }
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.shared.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes as much of the budget as a line needs; `false` if the line must be dropped.
    fn afford(&self, bytes: usize) -> bool {
        let mut budget = self.budget();
        if budget.left < bytes {
            budget.left = 0;
            budget.dropped += 1;
            return false;
        }
        budget.left -= bytes;
        true
    }

    /// How many lines were dropped.
    pub(crate) fn dropped(&self) -> u64 {
        self.budget().dropped
    }

    /// The last line at level warn or error.
    pub(crate) fn last_words(&self) -> Option<Box<str>> {
        self.budget().last_words.clone()
    }

    /// Writes one line into the gateway's log, marked as a guest's.
    pub(crate) fn write(&self, level: wit::Level, message: &str, fields: &[wit::Field]) {
        let fields_size: usize = fields.iter().map(|field| field.name.len() + field.value.len()).sum();
        if !self.afford(message.len().min(LINE_BYTES) + fields_size.min(LINE_BYTES)) {
            return;
        }
        let message = cut(message, LINE_BYTES);
        if matches!(level, wit::Level::Warn | wit::Level::Error) {
            self.budget().last_words = Some(cut(message, LAST_WORDS_BYTES).into());
        }
        let Shared { guest, tenant, trace, .. } = &*self.shared;
        let fields = Fields(fields);
        match level {
            wit::Level::Trace => event!(target: "guest", Level::TRACE, %guest, %tenant, %trace, %fields, "{message}"),
            wit::Level::Debug => event!(target: "guest", Level::DEBUG, %guest, %tenant, %trace, %fields, "{message}"),
            wit::Level::Info => event!(target: "guest", Level::INFO, %guest, %tenant, %trace, %fields, "{message}"),
            wit::Level::Warn => event!(target: "guest", Level::WARN, %guest, %tenant, %trace, %fields, "{message}"),
            wit::Level::Error => event!(target: "guest", Level::ERROR, %guest, %tenant, %trace, %fields, "{message}"),
        }
    }
}

/// Named values as `name=value`, without line feeds or terminal escapes.
struct Fields<'a>(&'a [wit::Field]);

impl std::fmt::Display for Fields<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut left = LINE_BYTES;
        for field in self.0 {
            left = left.saturating_sub(field.name.len() + field.value.len());
            if left == 0 {
                break;
            }
            write!(f, "{}={:?} ", field.name.escape_debug(), field.value)?;
        }
        Ok(())
    }
}

/// The longest beginning of `text` of at most `bytes` that is whole characters.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

impl wit::Host for HostState {
    fn write(&mut self, level: wit::Level, message: String, fields: Vec<wit::Field>) -> wasmtime::Result<()> {
        self.spend()?;
        // A line is shown on a terminal and read by programs: what could move the cursor or begin a line is escaped.
        let message = message.escape_debug().to_string();
        self.log.write(level, &message, &fields);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book(bytes: usize) -> LogBook {
        LogBook::new("g".into(), TenantId::default(), TraceId::new(), bytes)
    }

    #[test]
    fn lines_past_the_budget_are_counted_and_dropped() {
        let book = book(10);
        book.write(wit::Level::Error, "12345", &[]);
        book.write(wit::Level::Error, "1234567", &[]);
        book.write(wit::Level::Error, "1", &[]);
        assert_eq!(book.dropped(), 2);
        assert_eq!(book.last_words().as_deref(), Some("12345"));
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
    }
}
