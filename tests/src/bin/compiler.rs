//! The compiling child, for registries that run inside a test: what `openclaw` itself is to a gateway. And registries
//! that need a process of their own: one within little address space, and one that repeats what another has done.
//!
//! It is linked with the runtime under test, so a stale `openclaw` in the target folder cannot decide a test.

use std::process::ExitCode;

use openclaw_tests::replay::{REPLAY, replay_main};
use openclaw_tests::tight::{WITHIN, serve_within};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [openclaw_wasm::COMPILE_COMMAND, ..] => openclaw_wasm::compile_child_main(&arguments[1..]),
        [WITHIN, bytes] => match std::env::current_exe() {
            Ok(compiler) => serve_within(bytes, compiler),
            Err(_) => ExitCode::FAILURE,
        },
        [REPLAY, ref components @ ..] => match std::env::current_exe() {
            Ok(compiler) => replay_main(components, compiler),
            Err(_) => ExitCode::FAILURE,
        },
        _ => ExitCode::from(2),
    }
}
