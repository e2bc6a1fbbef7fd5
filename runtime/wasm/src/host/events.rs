//! `openclaw:gateway/events`: events of a skill's own.
//!
//! An event is written once and kept for weeks, so what one costs is bounded twice: by call, and by tenant and
//! minute.
//! Invariant: the gateway says whose an event is; a guest only names it and gives its data. An event that was taken is
//! recorded.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use openclaw_domain::{Capability, EventKind, NewEvent, Powers};
use serde_json::value::RawValue;

use crate::bindings::skill::openclaw::gateway::events as wit;
use crate::reach::{Denied, Reach};
use crate::state::HostState;

/// Bytes of an event's data.
const DATA_BYTES: usize = 64 << 10;
/// Events of one call.
const MAX_EVENTS: u32 = 64;
/// Bytes of all events of one call, as they are recorded.
const CALL_BYTES: usize = 256 << 10;
/// Bytes of a name.
const NAME_BYTES: usize = 64;

/// What one call emitted.
#[derive(Debug, Default)]
pub(crate) struct Emitted {
    events: AtomicU32,
    bytes: AtomicUsize,
}

impl Emitted {
    /// Counts one more event of so many bytes, unless the call may emit no more.
    fn take(&self, bytes: usize) -> Result<(), String> {
        // A guest's host calls come one after the other, so looking first and counting then is one step.
        if self.events.load(Ordering::Relaxed) >= MAX_EVENTS {
            return Err(format!("a call emits {MAX_EVENTS} events at most"));
        }
        if self.bytes.load(Ordering::Relaxed) + bytes > CALL_BYTES {
            return Err(format!("a call emits {CALL_BYTES} bytes of events at most"));
        }
        self.events.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }
}

#[derive(serde::Serialize)]
struct Data<'a> {
    skill: &'a str,
    name: &'a str,
    data: &'a RawValue,
}

impl wit::Host for HostState {
    fn emit(&mut self, name: String, data: String) -> wasmtime::Result<Result<(), wit::Error>> {
        self.spend()?;
        Ok(emit(self.reach()?, &name, &data))
    }
}

fn emit(reach: &Reach, name: &str, data: &str) -> Result<(), wit::Error> {
    let wrong = |text: String| wit::Error::Invalid(text);
    let sound = (1..=NAME_BYTES).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !sound {
        return Err(wrong(format!("a name is 1 to {NAME_BYTES} of `a-z`, `0-9` and `-`")));
    }
    reach
        .require(
            Capability::Events,
            |powers| powers.events.contains(name),
            || name.to_owned(),
            || Powers { events: BTreeSet::from([name.to_owned()]), ..Powers::default() },
        )
        .map_err(|Denied(text)| wit::Error::Denied(text))?;
    if data.len() > DATA_BYTES {
        return Err(wrong(format!("the data has {} bytes; at most {DATA_BYTES}", data.len())));
    }
    let data: &RawValue =
        serde_json::from_str(data).map_err(|error| wrong(format!("the data is not JSON: {error}")))?;
    if !data.get().starts_with('{') {
        return Err(wrong("the data is no JSON object".to_owned()));
    }
    let data = Data { skill: reach.serving.name.as_str(), name, data };
    let data = serde_json::to_string(&data).map_err(|error| wrong(error.to_string()))?;
    reach.events.take(data.len()).map_err(wit::Error::Unavailable)?;
    let (tenant, journal) = (&reach.serving.tenant, &reach.ports.journal);
    let limit = reach.ports.policy.limits(tenant).event_bytes_per_minute;
    let now = reach.ports.clock.now();
    reach.serving.tenant_meter.emit(now, data.len() as u64, limit).map_err(|wait| {
        wit::Error::Unavailable(format!(
            "rate limited: the tenant's skills emit {limit} bytes of events a minute at most (`eventBytesPerMinute`); \
             try again in {} s",
            wait.as_secs() + 1
        ))
    })?;
    journal.record(NewEvent {
        tenant: tenant.clone(),
        kind: EventKind::SkillEvent,
        data,
        trace: reach.trace,
        at: now,
        session: None,
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_emits_so_many_bytes_and_no_more() {
        let emitted = Emitted::default();
        (0..4).for_each(|_| emitted.take(60 << 10).unwrap());
        let refused = emitted.take(60 << 10).unwrap_err();
        assert_eq!(refused, "a call emits 262144 bytes of events at most");
        emitted.take(16 << 10).unwrap();
        assert!(emitted.take(1).is_err());
    }

    #[test]
    fn a_call_emits_so_many_events_however_small() {
        let emitted = Emitted::default();
        (0..MAX_EVENTS).for_each(|_| emitted.take(1).unwrap());
        assert!(emitted.take(1).is_err());
    }
}
