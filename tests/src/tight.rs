//! A registry in a process with little address space, as `ulimit -v` or a container gives it.
//!
//! It runs in the test compiler's program: a limit on address space is for a whole process and is never lifted again.

use std::path::PathBuf;
use std::process::ExitCode;

use openclaw_wasm::WasmSettings;
use rustix::process::{Resource, Rlimit, setrlimit};
use tempfile::TempDir;

use crate::raw::RawSkill;
use crate::registry::Opening;

/// The argument that makes the test compiler serve within so many bytes of address space.
pub const WITHIN: &str = "serve-within";
/// What a skill holds at the start that does not fit any more in the end: 32 MiB.
const PAGES: u32 = 512;
/// What is left then.
const LEFT: u64 = 8 << 20;

/// Opens a registry within that many bytes, installs and calls a skill, takes all but a little address space away and
/// calls one that needs more. Prints the rung and how each call ended.
///
/// # Panics
/// If anything but the last call does not go well.
pub fn serve_within(bytes: &str, compiler: PathBuf) -> ExitCode {
    limit(bytes.parse().expect("bytes in digits"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let said = runtime.expect("a runtime of two threads fits").block_on(serve(compiler));
    let written = std::io::Write::write_all(&mut std::io::stdout(), said.as_bytes());
    if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn serve(compiler: PathBuf) -> String {
    let cache = TempDir::new().expect("a temporary folder can be made");
    let mut settings = WasmSettings::new(compiler);
    settings.limits.memory = 64 << 20;
    let opening = Opening { settings, cache: cache.path().to_owned(), ..Opening::bare() };
    let registry = opening.open().await;
    registry.take(RawSkill::saying("modest", "served").file()).await.expect("it is installed");
    registry.take(RawSkill { pages: PAGES, ..RawSkill::saying("large", "served") }.file()).await.expect("it, too");
    let rung = registry.registry.rung().as_str();
    let (modest, large) = (registry.refused("modest").await, registry.refused("large").await);
    limit(address_space() + LEFT);
    let later = registry.refused("large").await;
    format!("{rung}\n{modest}\n{large}\n{later}\n")
}

fn limit(bytes: u64) {
    let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
    setrlimit(Resource::As, limit).expect("a limit may be lowered");
}

/// Address space of this process, in bytes.
fn address_space() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").expect("Linux tells");
    let pages: u64 = status.split_whitespace().next().and_then(|pages| pages.parse().ok()).expect("a number of pages");
    pages * rustix::param::page_size() as u64
}
