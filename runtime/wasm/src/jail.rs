//! The compile jail: Cranelift runs on strangers' bytes in a child process with limits, never in the gateway.
//!
//! The child is this very binary with one argument. It reads a component from standard input, lowers its own limits
//! before it looks at it, and writes the artifact to standard output. It has no environment and opens no file.
//! Invariant: a component that makes the compiler slow, hungry or crash costs one child and one clear error. What the
//! jail does not stop is a compiler that was subverted: its output becomes code of this process.

use std::io::{Read, Write};
use std::process::{ExitCode, Stdio};

use openclaw_domain::Digest;
use rustix::process::{Resource, Rlimit, getrlimit, setpriority_process, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use wasmtime::Engine;

use crate::cache::Authentic;
use crate::compile;
use crate::engine::{Rung, compiler_config};
use crate::settings::CompileSettings;

/// The argument that makes the binary a compiling child. Not for people: it is no subcommand.
pub const COMPILE_COMMAND: &str = "compile-component";

/// Why a component could not be compiled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompileError {
    /// The compiler said no.
    #[error("it does not compile: {0}")]
    Refused(String),
    /// A limit of the jail ended the child.
    #[error("compiling it takes more than {0}")]
    Limit(String),
    /// The child could not be run.
    #[error("the compiler could not be started: {0}")]
    Io(#[from] std::io::Error),
}

/// Exit code of a child whose compiler said no; anything else that is not 0 is a limit or a crash.
const REFUSED: u8 = 3;
/// So much of the compiler's complaint is kept.
const COMPLAINT_BYTES: u64 = 4 << 10;

/// Compiles in a child.
///
/// Cancel safety: dropping the future kills the child.
pub(crate) async fn compile(
    settings: &CompileSettings,
    rung: Rung,
    digest: Digest,
    component: &[u8],
) -> Result<Authentic, CompileError> {
    let mut child = Command::new(&settings.program)
        .arg(COMPILE_COMMAND)
        .arg(rung.as_str())
        .arg(settings.memory.to_string())
        .arg(settings.cpu_seconds.to_string())
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let (Some(mut input), Some(output), Some(complaint)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(std::io::Error::other("the child has no pipes").into());
    };
    let feed = async move {
        // A child that dies early closes its end; its exit code tells why.
        drop(input.write_all(component).await);
        drop(input);
    };
    let limit = settings.max_artifact_bytes as u64;
    let mut artifact = Vec::new();
    let mut words = Vec::new();
    let output = output.take(limit + 1);
    let mut complaint = complaint.take(COMPLAINT_BYTES);
    let talk = async {
        let read = async {
            let mut output = output;
            // The pipe closes with the last byte that is wanted: a child with more to say must not wait for a reader.
            output.read_to_end(&mut artifact).await
        };
        let ((), artifact_read, words_read) = tokio::join!(feed, read, complaint.read_to_end(&mut words));
        artifact_read.and(words_read)?;
        if artifact.len() as u64 > limit {
            child.start_kill()?;
        }
        child.wait().await
    };
    let Ok(status) = tokio::time::timeout(settings.deadline, talk).await else {
        return Err(CompileError::Limit(format!("{} s", settings.deadline.as_secs())));
    };
    let status = status?;
    if artifact.len() as u64 > limit {
        return Err(CompileError::Limit(format!("{limit} bytes of code")));
    }
    if status.success() {
        return Ok(Authentic::from_compiler(digest, artifact));
    }
    let words = String::from_utf8_lossy(&words).trim().to_owned();
    if status.code() == Some(i32::from(REFUSED)) {
        return Err(CompileError::Refused(words));
    }
    // An allocation that fails aborts, and so does too much processor time: both end in a signal.
    let memory = settings.memory >> 20;
    // What the child said as it died is about the child's insides, not about the component.
    Err(CompileError::Limit(format!("{memory} MiB or {} s of processor time ({status})", settings.cpu_seconds)))
}

/// What the binary does when its first argument is [`COMPILE_COMMAND`]: the arguments after it are rung, bytes of
/// address space and seconds of processor time.
pub fn compile_child_main(arguments: &[String]) -> ExitCode {
    match run_child(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // `write` and not `eprintln`: a closed pipe is no reason to panic.
            drop(writeln!(std::io::stderr(), "{error:#}"));
            ExitCode::from(REFUSED)
        }
    }
}

fn run_child(arguments: &[String]) -> wasmtime::Result<()> {
    let [rung, memory, cpu_seconds] = arguments else {
        wasmtime::bail!("usage: {COMPILE_COMMAND} RUNG MEMORY-BYTES CPU-SECONDS");
    };
    let rung = Rung::from_name(rung).ok_or_else(|| wasmtime::format_err!("`{rung}` is no rung"))?;
    confine(memory.parse()?, cpu_seconds.parse()?)?;
    let engine = Engine::new(&compiler_config(rung))?;
    let mut component = Vec::new();
    std::io::stdin().lock().read_to_end(&mut component)?;
    let artifact = compile::compile(&engine, &component)?;
    let mut out = std::io::stdout().lock();
    out.write_all(&artifact)?;
    out.flush()?;
    Ok(())
}

/// Takes from this process what compiling does not need.
fn confine(memory: u64, cpu_seconds: u64) -> wasmtime::Result<()> {
    let exactly = |limit| Rlimit { current: Some(limit), maximum: Some(limit) };
    // What the gateway itself was limited to cannot be raised, and asking for it would be an error.
    let at_most = |resource, limit: u64| {
        let inherited = getrlimit(resource).maximum.unwrap_or(limit);
        setrlimit(resource, exactly(limit.min(inherited)))
    };
    at_most(Resource::As, memory)?;
    at_most(Resource::Cpu, cpu_seconds)?;
    setrlimit(Resource::Core, exactly(0))?;
    setrlimit(Resource::Fsize, exactly(0))?;
    at_most(Resource::Nofile, 16)?;
    rustix::thread::set_no_new_privs(true)?;
    setpriority_process(None, 10)?;
    Ok(())
}
