//! Every published number, measured: `make bench` runs `openclaw-bench all`.
//!
//! Absolute figures drift on shared machines, so each row has a floor measured in the same run by a small program of
//! its own (same crates, same guest, nothing else), and the budget is a ratio to it. Nothing here is asserted: rows
//! say OK or OVER, and people decide.

mod admin;
mod bindings;
mod component;
mod durable;
mod echo;
mod gateway;
mod hostile;
mod inside;
mod load;
mod machine;
mod peers;
mod powered;
mod quantiles;
mod raw;
mod report;
mod rows;
mod syscalls;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use openclaw_package::Target;

use crate::report::say;

/// What is called.
const ECHO: &str = "bench/echo";
/// With what: about as much as a small tool call carries.
const ECHO_ARGUMENTS: &str =
    r#"{"text":"the quick brown fox jumps over the lazy dog","number":42,"words":["alpha","beta","gamma"]}"#;

/// Measures the gateway beside what it is made of.
#[derive(Debug, Parser)]
#[command(name = "openclaw-bench")]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Measure every row and write the table.
    All {
        #[command(flatten)]
        with: With,
        /// The document whose table is replaced.
        #[arg(long, default_value = "docs/benchmarks.md")]
        document: PathBuf,
        /// What `make bench-peers` measured: the last column.
        #[arg(long, default_value = "docs/benchmarks-peers.json")]
        peers: PathBuf,
    },
    /// Measure the rows that peers stand beside and write them to a file, one JSON object a line.
    BesidePeers {
        #[command(flatten)]
        with: With,
        /// The file.
        #[arg(long)]
        rows: PathBuf,
    },
    /// Calls a second, bare wasmtime.
    FloorRaw(Calls),
    /// Calls a second, as the gateway makes them.
    Inside(Calls),
    /// Serve a JSON echo over WebSocket.
    FloorEcho,
    /// Serve a durable POST.
    FloorPost,
    /// `skill_invoke` of `bench/echo` against an address.
    Ws(Against),
    /// `POST /webhook/deploy-alert` against an address.
    Post(Against),
    /// Print the phrase that describes this machine.
    Machine,
}

#[derive(Debug, clap::Args)]
struct With {
    /// The gateway's binary.
    #[arg(long, env = "OPENCLAW_BIN", default_value = "target/release/openclaw")]
    binary: PathBuf,
    /// A built component of `bench/guest`; without it, it is built.
    #[arg(long)]
    component: Option<PathBuf>,
    /// Divide every count by this and write no table: tries the bench, measures nothing.
    #[arg(long)]
    fraction: Option<usize>,
    /// Measure only the part of this name and write no table: `neighbours`, for one.
    #[arg(long)]
    only: Option<String>,
}

impl With {
    fn setup(&self, component: PathBuf) -> Result<rows::Setup> {
        let Self { binary, fraction, .. } = self;
        if !binary.is_file() {
            bail!("`{}` is no gateway; build it with `cargo build --release --bin openclaw`", binary.display());
        }
        // Children are started in other folders' names, so the path has to stand on its own.
        Ok(rows::Setup { binary: binary.canonicalize()?, component, fraction: fraction.unwrap_or(1).max(1) })
    }
}

#[derive(Debug, clap::Args)]
struct Calls {
    /// A built component of `bench/guest`; without it, it is built.
    #[arg(long)]
    component: Option<PathBuf>,
    /// Calls in all.
    #[arg(long, default_value_t = 10_000)]
    calls: usize,
    /// Threads.
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

#[derive(Debug, clap::Args)]
struct Against {
    /// `host:port`.
    address: String,
    /// Connections.
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// Requests in all.
    #[arg(long, default_value_t = 1_000)]
    requests: usize,
    /// `X-Webhook-Secret`.
    #[arg(long, default_value = gateway::SECRET)]
    secret: String,
}

impl Against {
    const fn amount(&self) -> load::Amount {
        load::Amount {
            connections: self.connections,
            requests: self.requests,
            warm_up: 16,
            limit: std::time::Duration::from_secs(60),
        }
    }
}

#[expect(clippy::print_stderr, reason = "the one place this program says why it failed")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    // The compile jail starts its own program again, which here is the bench.
    if arguments.get(1).is_some_and(|first| first == openclaw_wasm::COMPILE_COMMAND) {
        return openclaw_wasm::compile_child_main(arguments.get(2..).unwrap_or_default());
    }
    match run(Arguments::parse().what) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(what: What) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let built = |component: Option<PathBuf>| {
        component.map_or_else(|| component::build(component::GUEST, Target::Unknown, scratch.path()), Ok)
    };
    match what {
        What::All { with, document, peers } => {
            let setup = with.setup(built(with.component.clone())?)?;
            all(&with, &setup, &document, &peers::Peers::read(&peers)?)
        }
        What::BesidePeers { with, rows } => {
            let setup = with.setup(built(with.component.clone())?)?;
            let measured = measure(&rows::BESIDE_PEERS, &with, &setup)?;
            Ok(std::fs::write(rows, report::lines_beside_peers(&measured))?)
        }
        What::FloorRaw(Calls { component, calls, threads }) => {
            let took = raw::Raw::load(&built(component)?)?.run(calls, threads)?;
            say_rate(calls, took);
            Ok(())
        }
        What::Inside(Calls { component, calls, threads }) => {
            let took = inside::run(&built(component)?, calls, threads)?;
            say_rate(calls, took);
            Ok(())
        }
        What::FloorEcho => serve(echo::serve()),
        What::FloorPost => serve(durable::serve(scratch.path())),
        What::Ws(against) => {
            let invoke = load::Invoke {
                address: against.address.clone(),
                skill: ECHO.to_owned(),
                arguments: ECHO_ARGUMENTS.to_owned(),
                expects: &[load::RESPONSE],
                token: None,
            };
            say_load(&load::websocket(&invoke, against.amount())?);
            Ok(())
        }
        What::Post(against) => {
            let body = r#"{"service": "api-v2", "status": "success", "commit": "abc123"}"#;
            let post = load::Post::with_secret(&against.address, "/webhook/deploy-alert", &against.secret, body);
            say_load(&load::post(&post, against.amount())?);
            Ok(())
        }
        What::Machine => {
            say(&machine::describe());
            Ok(())
        }
    }
}

fn all(with: &With, setup: &rows::Setup, document: &Path, peers: &peers::Peers) -> Result<()> {
    let machine = machine::describe();
    say(&machine);
    let rows = measure(&rows::ALL, with, setup)?;
    if with.fraction.is_some() || with.only.is_some() {
        return Ok(());
    }
    report::write_between(document, "bench", &report::markdown(&rows, peers, &machine, "make bench"))?;
    say(&format!("\nwritten to {}", document.display()));
    for what in report::unexplained(&std::fs::read_to_string(document)?, &rows) {
        say(&format!("OVER, and nothing says why under `Where a budget is missed`: {what}"));
    }
    Ok(())
}

fn measure(parts: &[rows::Part], with: &With, setup: &rows::Setup) -> Result<Vec<report::Row>> {
    let (rows, mut errors) = rows::measure(parts, with.only.as_deref(), setup);
    match errors.pop() {
        None => Ok(rows),
        Some(last) => Err(last.context("a part could not be measured, so nothing was written")),
    }
}

/// The two workers a gateway has on a small machine.
fn serve(server: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(server)
}

fn say_rate(calls: usize, took: std::time::Duration) {
    let per_second = calls as f64 / took.as_secs_f64();
    say(&format!("{calls} calls in {took:?}: {per_second:.0}/s"));
}

fn say_load(load: &load::Load) {
    let (p50, p99) = (load.latencies.p50(), load.latencies.p99());
    say(&format!("{:.0}/s, p50 {p50:?}, p99 {p99:?}", load.per_second));
}
