//! Tools that ask the host for too much, too often.

use std::hint::black_box;
use std::io::Write as _;
use std::time::Instant;

use openclaw_guest::tool;

use crate::bindings::subscribe_duration;

/// Asks for the time, for ever.
#[tool]
pub(crate) fn clock_flood() -> String {
    loop {
        black_box(Instant::now());
    }
}

/// Opens pollables and never drops one.
#[tool]
pub(crate) fn handle_flood() -> String {
    let mut held = Vec::new();
    loop {
        held.push(subscribe_duration(u64::MAX));
    }
}

/// Prints for ever.
#[tool]
pub(crate) fn print_forever() -> String {
    let mut output = std::io::stdout();
    loop {
        // What is over the log budget is dropped, not refused.
        let _ = writeln!(output, "once more");
    }
}
