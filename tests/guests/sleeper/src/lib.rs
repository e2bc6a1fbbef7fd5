//! One tool that waits: its call is in flight without computing, as a call to a slow service would be.

use std::time::Duration;

use openclaw_guest::tool;
use schemars::JsonSchema;
use serde::Deserialize;

/// How long to wait.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// Milliseconds.
    ms: u64,
}

/// Waits in a host call, then says for how long.
#[tool]
#[expect(clippy::disallowed_methods, reason = "a guest has one thread, and waiting is what it is for")]
pub fn sleep(wait: &Wait) -> String {
    std::thread::sleep(Duration::from_millis(wait.ms));
    format!("slept {} ms", wait.ms)
}

openclaw_guest::skill!(sleep);
