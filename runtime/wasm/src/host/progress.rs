//! `openclaw:gateway/progress`: how far a call is, for whoever waits for it.
//!
//! Invariant: a guest is heard so many times a call; what is over is dropped, and the call goes on.

use std::sync::atomic::Ordering;

use openclaw_domain::Progress;

use super::log::cut;
use crate::bindings::skill::openclaw::gateway::progress as wit;
use crate::state::HostState;

/// Bytes of a message.
const MESSAGE_BYTES: usize = 1 << 10;
/// Reports of one call that are passed on.
const MAX_REPORTS: u32 = 64;

impl wit::Host for HostState {
    fn report(&mut self, fraction: Option<f64>, message: String) -> wasmtime::Result<()> {
        self.spend()?;
        let Some(reach) = &self.reach else { return Ok(()) };
        if reach.reports.load(Ordering::Relaxed) >= MAX_REPORTS {
            return Ok(());
        }
        reach.reports.fetch_add(1, Ordering::Relaxed);
        let fraction = fraction.filter(|fraction| !fraction.is_nan()).map(|fraction| fraction.clamp(0.0, 1.0));
        reach.progress.say(Progress { fraction, message: cut(&message, MESSAGE_BYTES).to_owned() });
        Ok(())
    }
}
