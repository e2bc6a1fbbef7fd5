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
    ///
    /// What it costs is what it becomes, after escaping, and something for being a line at all.
    pub(crate) fn write(&self, level: wit::Level, message: &str, fields: &[wit::Field]) {
        if self.is_spent() {
            return;
        }
        let message = escaped(cut(message, LINE_BYTES), LINE_BYTES);
        let fields = fields_as_text(fields);
        if !self.afford(LINE_COST + message.len() + fields.len()) {
            return;
        }
        if matches!(level, wit::Level::Warn | wit::Level::Error) {
            self.budget().last_words = Some(cut(&message, LAST_WORDS_BYTES).into());
        }
        let Shared { guest, tenant, trace, .. } = &*self.shared;
        match level {
            wit::Level::Trace => event!(target: "guest", Level::TRACE, %guest, %tenant, %trace, fields, "{message}"),
            wit::Level::Debug => event!(target: "guest", Level::DEBUG, %guest, %tenant, %trace, fields, "{message}"),
            wit::Level::Info => event!(target: "guest", Level::INFO, %guest, %tenant, %trace, fields, "{message}"),
            wit::Level::Warn => event!(target: "guest", Level::WARN, %guest, %tenant, %trace, fields, "{message}"),
            wit::Level::Error => event!(target: "guest", Level::ERROR, %guest, %tenant, %trace, fields, "{message}"),
        }
    }

    /// Whether nothing more is written; counts the line that was not.
    fn is_spent(&self) -> bool {
        let mut budget = self.budget();
        let is_spent = budget.left == 0;
        budget.dropped += u64::from(is_spent);
        is_spent
    }
}

/// What a line costs besides its bytes: the gateway adds about as much to each.
const LINE_COST: usize = 64;
/// Fields of one line that are kept.
const MAX_FIELDS: usize = 32;

/// Text as it may stand on a terminal and in a line of its own: what could move the cursor or begin a line is escaped.
fn escaped(text: &str, limit: usize) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if escaped.len() >= limit {
            break;
        }
        escaped.extend(character.escape_debug());
    }
    escaped
}

/// Named values as `name="value"`, as many as fit a line.
fn fields_as_text(fields: &[wit::Field]) -> String {
    let mut text = String::new();
    for field in fields.iter().take(MAX_FIELDS) {
        let left = LINE_BYTES.saturating_sub(text.len());
        if left == 0 {
            break;
        }
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&escaped(cut(&field.name, left), left));
        text.push_str("=\"");
        text.push_str(&escaped(cut(&field.value, left), left));
        text.push('"');
    }
    text
}

/// The longest beginning of `text` of at most `bytes` that is whole characters.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

impl wit::Host for HostState {
    fn write(&mut self, level: wit::Level, message: String, fields: Vec<wit::Field>) -> wasmtime::Result<()> {
        self.spend()?;
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
        let book = book(LINE_COST + 10);
        book.write(wit::Level::Error, "12345", &[]);
        book.write(wit::Level::Error, "1234567", &[]);
        book.write(wit::Level::Error, "1", &[]);
        assert_eq!(book.dropped(), 2);
        assert_eq!(book.last_words().as_deref(), Some("12345"));
    }

    #[test]
    fn an_empty_line_costs_and_so_do_empty_fields_and_what_escaping_adds() {
        let book = book(10 * LINE_COST);
        (0..100).for_each(|_| book.write(wit::Level::Info, "", &[]));
        assert_eq!(book.dropped(), 90);
        let empty = wit::Field { name: String::new(), value: String::new() };
        assert_eq!(fields_as_text(&vec![empty; 1000]).len(), MAX_FIELDS * 4 - 1);
        assert!(escaped(&"\u{1}".repeat(LINE_BYTES), LINE_BYTES).len() <= LINE_BYTES + 16);
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
    }
}
