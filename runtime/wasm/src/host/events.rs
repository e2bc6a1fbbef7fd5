//! `openclaw:gateway/events`: events of a skill's own.
//!
//! Invariant: the gateway says whose an event is; a guest only names it and gives its data.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use openclaw_domain::{Capability, EventKind, NewEvent, Powers};
use serde_json::value::RawValue;

use crate::bindings::skill::openclaw::gateway::events as wit;
use crate::reach::{Denied, Reach};
use crate::state::HostState;

/// Bytes of an event's data.
const DATA_BYTES: usize = 64 << 10;
/// Events of one call.
const MAX_EVENTS: u32 = 64;
/// Bytes of a name.
const NAME_BYTES: usize = 64;

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
    if reach.events.load(Ordering::Relaxed) >= MAX_EVENTS {
        return Err(wit::Error::Unavailable(format!("a call emits {MAX_EVENTS} events at most")));
    }
    reach.events.fetch_add(1, Ordering::Relaxed);
    let data = Data { skill: reach.serving.name.as_str(), name, data };
    let data = serde_json::to_string(&data).map_err(|error| wrong(error.to_string()))?;
    reach.ports.journal.record(NewEvent {
        tenant: reach.serving.tenant.clone(),
        kind: EventKind::SkillEvent,
        data,
        trace: reach.trace,
        at: reach.ports.clock.now(),
        session: None,
    });
    Ok(())
}
