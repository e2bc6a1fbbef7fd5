//! `openclaw gateway`.

use std::path::PathBuf;

use super::Context;
use crate::config::ListenOverrides;
use crate::exit::Failed;
use crate::gateway::{self, Options};
use crate::telemetry::LogFormat;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The port to listen on, whatever the configuration says; 0 takes any free one
    #[arg(long)]
    port: Option<u16>,
    /// Where to listen, whatever the configuration says: `loopback`, `lan`, `tailnet` or an address
    #[arg(long)]
    bind: Option<String>,
    /// Write the address to this file once the gateway is ready
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// How log lines are written
    #[arg(long, value_enum, default_value = "text", env = "OPENCLAW_LOG_FORMAT")]
    log_format: LogFormat,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<(), Failed> {
    let overrides = ListenOverrides { bind: arguments.bind.clone(), port: arguments.port };
    let source = context.source(overrides)?;
    let options = Options { ready_file: arguments.ready_file.clone(), log_format: arguments.log_format };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("gateway")
        .enable_all()
        .build()
        .map_err(|error| Failed::because(format!("no thread could be started: {error}")))?;
    runtime.block_on(Box::pin(gateway::run(source, options)))
}
