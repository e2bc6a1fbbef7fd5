//! Tools that try what WASI offers and tell what came of it.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use openclaw_guest::{Failure, tool};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::bindings::get_random_u64;

/// Tells the environment, the arguments and what standard input holds.
#[tool]
pub(crate) fn environment() -> Result<String, Failure> {
    let variables: Vec<String> = std::env::vars_os().map(|pair| format!("{pair:?}")).collect();
    let arguments: Vec<String> = std::env::args().collect();
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input).map_err(|error| error.to_string())?;
    Ok(format!("{} variables, {} arguments, {} bytes of input", variables.len(), arguments.len(), input.len()))
}

/// Ends the process it believes to be.
#[tool]
pub(crate) fn exit() -> String {
    std::process::exit(0)
}

/// Panics with words an operator must see.
#[tool(name = "panic")]
pub(crate) fn panic_now() -> String {
    panic!("the kettle is empty")
}

/// Prints a line to standard output and one to standard error.
#[tool]
pub(crate) fn print() -> Result<&'static str, Failure> {
    writeln!(std::io::stdout(), "a line on standard output").map_err(|error| error.to_string())?;
    writeln!(std::io::stderr(), "a line on standard error").map_err(|error| error.to_string())?;
    Ok("printed")
}

/// Draws a number.
#[tool]
pub(crate) fn random() -> String {
    get_random_u64().to_string()
}

/// How long to wait.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wait {
    /// Milliseconds.
    ms: u64,
}

/// Waits in a host call.
#[tool]
#[expect(clippy::disallowed_methods, reason = "a guest has one thread, and waiting is what it is for")]
pub(crate) fn sleep(wait: &Wait) -> String {
    std::thread::sleep(Duration::from_millis(wait.ms));
    format!("slept {} ms", wait.ms)
}
