//! The compiling child, for registries that run inside a test: what `openclaw` itself is to a gateway.
//!
//! It is linked with the runtime under test, so a stale `openclaw` in the target folder cannot decide a test.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((command, rest)) if command == openclaw_wasm::COMPILE_COMMAND => openclaw_wasm::compile_child_main(rest),
        _ => ExitCode::from(2),
    }
}
