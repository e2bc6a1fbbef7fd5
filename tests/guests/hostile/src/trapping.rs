//! Tools that end in a trap.

use openclaw_guest::tool;

/// Executes `unreachable`.
#[tool]
pub(crate) fn trap() -> String {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    panic!("only a wasm guest can trap")
}

/// Panics with words an operator must see.
#[tool(name = "panic")]
pub(crate) fn panic_now() -> String {
    panic!("the spoon is too big")
}
