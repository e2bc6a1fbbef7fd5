//! One initial memory size for guests, so that the host's pool resets them all alike and a small call never grows.
//!
//! The linker gives a module exactly the pages its stack and data fill; asking it for a size instead fails when
//! the size is too small, and trying the next one means compiling everything again. So the size is raised
//! afterwards, in the module itself: a larger minimum changes nothing a guest can rely on.

use wasm_encoder::{MemorySection, MemoryType, Module, RawSection, SectionId};
use wasmparser::{Parser, Payload};

/// 256 KiB, 512 KiB and 1 MiB, in pages of 64 KiB. What is larger keeps its own size.
const SIZES: [u64; 3] = [4, 8, 16];

/// The same module with its only memory's minimum raised to the next of [`SIZES`]; `None` if there is nothing
/// to raise.
pub(crate) fn raise_minimum(module: &[u8]) -> Result<Option<Vec<u8>>, wasmparser::Error> {
    let mut output = Module::new();
    let mut raised = false;
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        if let Payload::MemorySection(section) = &payload
            && section.count() == 1
        {
            for memory in section.clone() {
                let memory = memory?;
                let Some(minimum) = next_size(&memory) else { return Ok(None) };
                let mut section = MemorySection::new();
                section.memory(MemoryType {
                    minimum,
                    maximum: memory.maximum,
                    memory64: false,
                    shared: false,
                    page_size_log2: None,
                });
                output.section(&section);
                raised = true;
            }
        } else if let Some((id, range)) = payload.as_section() {
            debug_assert!(id != u8::from(SectionId::Memory) || !raised, "a module has one memory section");
            output.section(&RawSection { id, data: &module[range] });
        }
    }
    Ok(raised.then(|| output.finish()))
}

fn next_size(memory: &wasmparser::MemoryType) -> Option<u64> {
    if memory.memory64 || memory.shared || memory.page_size_log2.is_some() {
        return None;
    }
    let size = SIZES.into_iter().find(|&pages| memory.initial <= pages)?;
    (size > memory.initial && memory.maximum.is_none_or(|most| size <= most)).then_some(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(minimum: u64, maximum: Option<u64>) -> Vec<u8> {
        let mut module = Module::new();
        let mut memory = MemorySection::new();
        memory.memory(MemoryType { minimum, maximum, memory64: false, shared: false, page_size_log2: None });
        module.section(&memory);
        module.section(&wasm_encoder::CustomSection { name: "kept".into(), data: b"as it is".as_slice().into() });
        module.finish()
    }

    #[test]
    fn a_small_memory_is_raised_to_the_next_common_size() {
        for (minimum, expected) in [(1, 4), (3, 4), (5, 8), (9, 16)] {
            assert_eq!(raise_minimum(&module(minimum, None)).unwrap().unwrap(), module(expected, None), "{minimum}");
        }
    }

    #[test]
    fn a_memory_that_fits_or_is_larger_or_may_not_grow_stays_as_it_is() {
        for (minimum, maximum) in [(4, None), (16, None), (17, None), (1, Some(2))] {
            assert_eq!(raise_minimum(&module(minimum, maximum)).unwrap(), None, "{minimum} {maximum:?}");
        }
    }
}
