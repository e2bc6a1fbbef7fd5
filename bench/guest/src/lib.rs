//! The guest of the bench: `echo` is what is measured, the others are the neighbours it is measured beside.
//!
//! Invariant: the raw floor and the gateway run these very bytes.

use std::hint::black_box;

use openclaw_guest::{Json, skill, tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A small typed message: parsed and written again by serde on each call.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub struct Message {
    /// Any text.
    pub text: String,
    /// Any number.
    pub number: i64,
    /// Any list of words.
    pub words: Vec<String>,
}

/// Nothing.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Nothing {}

/// Gives back what it was given.
#[tool(read_only, idempotent)]
pub fn echo(message: Message) -> Json<Message> {
    Json(message)
}

/// Computes for ever.
#[tool]
pub fn spin(_: Nothing) {
    let mut number: u64 = 1;
    loop {
        number = black_box(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
}

/// Takes and touches all memory it is given, and then wants more.
#[tool]
pub fn allocate(_: Nothing) {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    loop {
        kept.push(vec![1; 1 << 20]);
        black_box(&kept);
    }
}

/// Calls itself until the stack is used up.
#[tool]
pub fn recurse(_: Nothing) {
    black_box(deeper(black_box(1)));
}

#[inline(never)]
fn deeper(depth: u64) -> u64 {
    let frame = black_box([depth; 16]);
    if black_box(depth) == 0 { 0 } else { deeper(depth + 1) + black_box(frame[3]) }
}

/// Logs for ever.
#[tool]
pub fn flood(_: Nothing) {
    loop {
        openclaw_guest::info!("a line that nobody asked for");
    }
}

/// Executes `unreachable`.
#[tool]
pub fn trap(_: Nothing) {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    panic!("only a wasm guest can trap")
}

/// Panics.
#[tool(name = "panic")]
pub fn panic_now(_: Nothing) {
    panic!("nobody asked for this")
}

skill!(echo, spin, allocate, recurse, flood, trap, panic_now);
