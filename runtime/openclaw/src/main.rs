//! `openclaw`: what you type. Commands, configuration, and the wiring of all other crates into one process.
//!
//! Invariant: data on standard output, talk on standard error, and an exit code that says how it ended (see `exit`).

mod admin;
mod bundled;
mod cli;
mod config;
mod console;
mod exit;
mod gateway;
mod log_lines;
mod ops;
mod policy;
mod pruning;
mod telemetry;
mod wiring;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    if let [_, first, rest @ ..] = &arguments[..]
        && first == openclaw_wasm::COMPILE_COMMAND
    {
        // The compile jail runs this binary again; nothing of a gateway may have begun before it limits itself.
        return openclaw_wasm::compile_child_main(rest);
    }
    let code = cli::run();
    telemetry::flush();
    code
}
