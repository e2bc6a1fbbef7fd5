//! How much memory an instance of a component begins with, read from the component itself.
//!
//! Up to 256 KiB is kept resident and reset without a system call; more than that, and growing, is what a guest pays
//! for, so `skills info` shows it.

use wasmparser::{Parser, Payload};

/// Bytes that all memories its modules define begin with; `None` if it cannot be read.
pub(crate) fn initial_memory(component: &[u8]) -> Option<u64> {
    let mut bytes = 0_u64;
    // `parse_all` enters the modules inside a component.
    for payload in Parser::new(0).parse_all(component) {
        if let Payload::MemorySection(memories) = payload.ok()? {
            for memory in memories {
                let memory = memory.ok()?;
                let page = 1_u64.checked_shl(memory.page_size_log2.unwrap_or(16))?;
                bytes = bytes.checked_add(memory.initial.checked_mul(page)?)?;
            }
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_skills_begin_with_what_is_reset_without_a_system_call() {
        for bundled in crate::bundled::ALL {
            assert_eq!(initial_memory(bundled.component), Some(256 << 10), "{}", bundled.name);
        }
        assert_eq!(initial_memory(b"no component"), None);
    }
}
