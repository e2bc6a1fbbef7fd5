//! Tools that do not come back.

use std::hint::black_box;

use openclaw_guest::{info, tool};

/// Computes for ever, without a host call.
#[tool]
pub(crate) fn spin() -> String {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Logs for ever.
#[tool]
pub(crate) fn log_forever() -> String {
    let mut lines = 0_u64;
    loop {
        info!("line {lines}");
        lines += 1;
    }
}

/// Calls itself for ever.
#[tool]
pub(crate) fn recurse() -> String {
    descend(0).to_string()
}

/// Its frames hold values only, nothing in linear memory: it is the host's stack that ends, not the guest's own.
#[inline(never)]
#[expect(unconditional_recursion, reason = "that is the attack")]
fn descend(depth: u64) -> u64 {
    descend(depth.wrapping_add(1)).rotate_left(7) ^ depth
}
