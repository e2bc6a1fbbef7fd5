//! The WASI interfaces toolchains need: real clocks and randomness, no environment, no arguments, no input, a file
//! system without a single folder, and standard output and error as capped log lines.
//!
//! Invariant: nothing here reaches a file, a socket or the gateway's own environment.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream, WasiCli, WasiCliCtxView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksCtxView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, random};
use wasmtime_wasi::random::{WasiRandom, WasiRandomCtx};
use wasmtime_wasi::{WasiCtx, p2};
use wasmtime_wasi_io::bindings::wasi::io;

use crate::bindings::skill::openclaw::gateway::log::Level;
use crate::host::log::LogBook;
use crate::state::HostState;

/// The WASI side of one store.
pub(crate) struct Wasi {
    ctx: WasiCtx,
}

/// Random bytes one call of `get-random-bytes` may ask for; wasmtime's own default is 64 MiB.
const RANDOM_BYTES: u64 = 64 << 10;

impl Wasi {
    pub(crate) fn new(log: LogBook) -> Self {
        let mut builder = WasiCtx::builder();
        builder
            .max_random_size(RANDOM_BYTES)
            .allow_tcp(false)
            .allow_udp(false)
            .stdout(LogStream { log: log.clone(), level: Level::Info })
            .stderr(LogStream { log, level: Level::Warn });
        Self { ctx: builder.build() }
    }
}

/// A stream whose lines become log lines. It accepts everything at once and never grows.
#[derive(Clone)]
struct LogStream {
    log: LogBook,
    level: Level,
}

/// How much a guest may write at once.
const STREAM_CHUNK: usize = 4 << 10;

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    // The default wraps `async_stream` in a background task with a buffer of its own.
    fn p2_stream(&self) -> Box<dyn p2::OutputStream> {
        Box::new(self.clone())
    }
}

impl LogStream {
    fn say(&self, bytes: &[u8]) {
        for line in String::from_utf8_lossy(bytes).lines().filter(|line| !line.is_empty()) {
            self.log.write(self.level, line, &[]);
        }
    }
}

impl AsyncWrite for LogStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let taken = &bytes[..bytes.len().min(STREAM_CHUNK)];
        self.say(taken);
        Poll::Ready(Ok(taken.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[wasmtime_wasi::async_trait]
impl p2::Pollable for LogStream {
    async fn ready(&mut self) {}
}

#[wasmtime_wasi::async_trait]
impl p2::OutputStream for LogStream {
    fn write(&mut self, bytes: bytes::Bytes) -> p2::StreamResult<()> {
        if bytes.len() > STREAM_CHUNK {
            return Err(p2::StreamError::trap("write past the permitted length"));
        }
        self.say(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> p2::StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> p2::StreamResult<usize> {
        Ok(STREAM_CHUNK)
    }
}

const LINKED: &str = "WASI is linked only for components that import it, and their stores hold it";

impl HostState {
    fn wasi(&mut self) -> (&mut WasiCtx, &mut ResourceTable) {
        self.count();
        (&mut self.wasi.as_mut().expect(LINKED).ctx, &mut self.table)
    }

    fn wasi_cli(&mut self) -> WasiCliCtxView<'_> {
        let (ctx, table) = self.wasi();
        WasiCliCtxView { ctx: ctx.cli(), table }
    }

    fn wasi_clocks(&mut self) -> WasiClocksCtxView<'_> {
        let (ctx, table) = self.wasi();
        WasiClocksCtxView { ctx: ctx.clocks(), table }
    }

    /// It has no preopens, and without one there is no way to a descriptor.
    fn wasi_filesystem(&mut self) -> WasiFilesystemCtxView<'_> {
        let (ctx, table) = self.wasi();
        WasiFilesystemCtxView { ctx: ctx.filesystem(), table }
    }

    fn wasi_random(&mut self) -> &mut WasiRandomCtx {
        self.wasi().0.random()
    }

    fn wasi_table(&mut self) -> &mut ResourceTable {
        self.wasi().1
    }
}

/// Access to `wasi:io`, whose functions need the resource table alone.
struct Io;

impl HasData for Io {
    type Data<'a> = &'a mut ResourceTable;
}

/// Links one WASI interface; `false` if this host does not offer it.
pub(crate) fn link(linker: &mut Linker<HostState>, interface: &str) -> wasmtime::Result<bool> {
    type S = HostState;
    match interface {
        "wasi:clocks/wall-clock" => clocks::wall_clock::add_to_linker::<S, WasiClocks>(linker, S::wasi_clocks)?,
        "wasi:clocks/monotonic-clock" => {
            clocks::monotonic_clock::add_to_linker::<S, WasiClocks>(linker, S::wasi_clocks)?;
        }
        "wasi:random/random" => random::random::add_to_linker::<S, WasiRandom>(linker, S::wasi_random)?,
        "wasi:random/insecure" => random::insecure::add_to_linker::<S, WasiRandom>(linker, S::wasi_random)?,
        "wasi:random/insecure-seed" => random::insecure_seed::add_to_linker::<S, WasiRandom>(linker, S::wasi_random)?,
        // QuickJS as componentize-qjs links it imports both, and never opens anything.
        "wasi:filesystem/preopens" => {
            filesystem::preopens::add_to_linker::<S, WasiFilesystem>(linker, S::wasi_filesystem)?;
        }
        "wasi:filesystem/types" => {
            filesystem::types::add_to_linker::<S, WasiFilesystem>(linker, S::wasi_filesystem)?;
        }
        "wasi:io/error" => io::error::add_to_linker::<S, Io>(linker, S::wasi_table)?,
        "wasi:io/poll" => io::poll::add_to_linker::<S, Io>(linker, S::wasi_table)?,
        "wasi:io/streams" => io::streams::add_to_linker::<S, Io>(linker, S::wasi_table)?,
        "wasi:cli/environment" => cli::environment::add_to_linker::<S, WasiCli>(linker, S::wasi_cli)?,
        "wasi:cli/exit" => cli::exit::add_to_linker::<S, WasiCli>(linker, S::wasi_cli)?,
        "wasi:cli/stdin" => cli::stdin::add_to_linker::<S, WasiCli>(linker, S::wasi_cli)?,
        "wasi:cli/stdout" => cli::stdout::add_to_linker::<S, WasiCli>(linker, S::wasi_cli)?,
        "wasi:cli/stderr" => cli::stderr::add_to_linker::<S, WasiCli>(linker, S::wasi_cli)?,
        "wasi:cli/terminal-input" => cli::terminal_input::add_to_linker::<S, WasiCli>(linker, S::wasi_cli)?,
        "wasi:cli/terminal-output" => cli::terminal_output::add_to_linker::<S, WasiCli>(linker, S::wasi_cli)?,
        "wasi:cli/terminal-stdin" => cli::terminal_stdin::add_to_linker::<S, WasiCli>(linker, S::wasi_cli)?,
        "wasi:cli/terminal-stdout" => cli::terminal_stdout::add_to_linker::<S, WasiCli>(linker, S::wasi_cli)?,
        "wasi:cli/terminal-stderr" => cli::terminal_stderr::add_to_linker::<S, WasiCli>(linker, S::wasi_cli)?,
        _ => return Ok(false),
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use openclaw_domain::{TenantId, TraceId};
    use wasmtime_wasi::p2::bindings::random::random::Host as _;

    use super::*;

    #[test]
    fn a_guest_that_asks_for_more_random_bytes_than_the_limit_is_stopped() {
        let log = LogBook::new("guest".into(), TenantId::default(), TraceId::new(), 0);
        let mut wasi = Wasi::new(log);
        assert_eq!(wasi.ctx.random().get_random_bytes(RANDOM_BYTES).unwrap().len(), 64 << 10);
        assert!(wasi.ctx.random().get_random_bytes(RANDOM_BYTES + 1).is_err());
    }
}
