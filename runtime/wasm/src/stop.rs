//! Why a guest was stopped, and which refusal that is.

use openclaw_domain::{CallLimits, Refusal};
use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Trap};

use crate::engine::WASM_STACK;
use crate::state::HostState;

/// A reason of ours to end a guest; it travels through wasmtime as an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stopped {
    #[error("the deadline is over")]
    Deadline,
    #[error("the memory limit is reached")]
    Memory,
    #[error("the table limit is reached")]
    Tables,
    #[error("the limit of host calls is reached")]
    HostCalls,
    #[error("the host has no memory left")]
    HostMemory,
    #[error("it called what is not granted")]
    NotGranted,
}

/// Whether the machine had no memory, or no address space, to give. The guest is not to blame for it.
pub(crate) fn is_host_out_of_memory(error: &wasmtime::Error) -> bool {
    error.is::<wasmtime::error::OutOfMemory>()
        || error.chain().any(|cause| {
            let number = cause
                .downcast_ref::<rustix::io::Errno>()
                .map(|errno| errno.raw_os_error())
                .or_else(|| cause.downcast_ref::<std::io::Error>()?.raw_os_error());
            number == Some(rustix::io::Errno::NOMEM.raw_os_error())
        })
}

/// How a host without memory says so.
fn host_is_short() -> Refusal {
    Refusal::Busy("the host has no memory left for another instance".to_owned())
}

/// wasmtime keeps its "out of hostcall fuel" error private; this is how its text begins. Pinned by a test.
const HOSTCALL_FUEL_TEXT: &str = "too much data is being copied between the host and the guest";
/// Likewise for component handles.
const HANDLES_TEXT: &str = "handles";

/// Turns an error of a call into the refusal that names guest and limit.
///
/// `state` is what the store held when it ended; a store that never came to be has none.
pub(crate) fn classify(
    error: &wasmtime::Error,
    guest: &str,
    limits: &CallLimits,
    state: Option<&HostState>,
) -> Refusal {
    let guest = guest.to_owned();
    if let Some(stopped) = error.downcast_ref::<Stopped>() {
        return match stopped {
            Stopped::Deadline => Refusal::TimedOut { guest, limit: limits.deadline },
            Stopped::Memory => Refusal::OutOfMemory { guest, limit_bytes: limits.memory },
            Stopped::Tables => {
                Refusal::OverLimit { guest, what: "table elements", limit: limits.table_elements as u64 }
            }
            Stopped::HostCalls => Refusal::OverLimit { guest, what: "host calls", limit: limits.host_calls },
            Stopped::HostMemory => host_is_short(),
            Stopped::NotGranted => Refusal::Trapped { guest, reason: stopped.to_string() },
        };
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return Refusal::Busy("all instances are in use".to_owned());
    }
    if is_host_out_of_memory(error) || state.is_some_and(HostState::host_was_short) {
        return host_is_short();
    }
    if error.downcast_ref::<Trap>() == Some(&Trap::StackOverflow) {
        return Refusal::OverLimit { guest, what: "bytes of stack", limit: WASM_STACK as u64 };
    }
    if state.is_some_and(HostState::was_refused_memory) {
        return Refusal::OutOfMemory { guest, limit_bytes: limits.memory };
    }
    if state.is_some_and(HostState::was_refused_table) {
        return Refusal::OverLimit { guest, what: "table elements", limit: limits.table_elements as u64 };
    }
    if error.is::<std::str::Utf8Error>() {
        return Refusal::BadOutput { guest, reason: "text that is not UTF-8".to_owned() };
    }
    let text = error.root_cause().to_string();
    if text.starts_with(HOSTCALL_FUEL_TEXT) {
        return Refusal::BadOutput { guest, reason: format!("more than {} bytes at once", limits.output_bytes) };
    }
    // Other errors of that table are mistakes of the guest: a parent dropped before its children, for one.
    let table = error.downcast_ref::<ResourceTableError>();
    if matches!(table, Some(ResourceTableError::Full)) || text.contains(HANDLES_TEXT) {
        return Refusal::OverLimit { guest, what: "open handles", limit: limits.handles as u64 };
    }
    let mut reason = match error.downcast_ref::<Trap>() {
        Some(trap) => trap.to_string().trim_start_matches("wasm trap: ").to_owned(),
        None => text,
    };
    if let Some(last_words) = state.and_then(HostState::last_words) {
        reason.push_str("; it last said: ");
        reason.push_str(&last_words);
    }
    Refusal::Trapped { guest, reason }
}
