//! Tools that want more memory, or give back more bytes, than a call may.

use std::hint::black_box;

use openclaw_guest::tool;

const MIB: usize = 1 << 20;

/// Allocates until the host refuses, and then aborts as Rust does.
#[tool]
pub(crate) fn allocate_one() -> String {
    let mut held = Vec::new();
    loop {
        held.push(black_box(vec![1_u8; MIB]));
    }
}

/// Allocates until the host refuses, gives all of it back and goes on.
#[tool]
pub(crate) fn allocate_politely() -> String {
    let mut held = Vec::new();
    loop {
        let mut block = Vec::<u8>::new();
        if block.try_reserve_exact(MIB).is_err() {
            break;
        }
        block.push(1);
        held.push(black_box(block));
    }
    let told = if held.is_empty() { "never had any" } else { "was refused and went on" };
    drop(held);
    told.to_owned()
}

/// Returns two mebibytes of text.
#[tool]
pub(crate) fn return_much() -> String {
    "x".repeat(2 * MIB)
}
