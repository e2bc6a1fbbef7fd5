//! What a panicking skill says before it traps.
//!
//! A trap carries no text, so without this an operator sees `unreachable` and nothing else.

use crate::log::{self, Level};

/// Makes panics write their message and place as a log line at level `error`. Skills only: it imports `log`.
#[doc(hidden)]
pub fn report_panics() {
    // Native tests keep the hook of the test harness.
    if cfg!(target_arch = "wasm32") {
        std::panic::set_hook(Box::new(|panic| log::write(Level::Error, &panic.to_string(), &[])));
    }
}
