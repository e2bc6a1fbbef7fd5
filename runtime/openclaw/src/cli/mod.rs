//! The command line: one file a command, and how each of them ends.
//!
//! Invariant: a command either prints its data and ends with 0, or says what failed and what would help and ends with
//! another code; never both halves.

mod agent;
mod backup;
mod completions;
mod config;
mod gateway;
mod pause;
mod secrets;
mod session;
mod skills;
mod skills_build;
mod skills_call;
mod skills_grant;
mod skills_test;
mod status;
mod tenants;
mod token;
mod trace;
mod webhooks;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{Environment, ListenOverrides, Source};
use crate::console::{self, Format};
use crate::exit::Failed;

/// An agent gateway that runs strangers' code in a sandbox.
#[derive(Debug, Parser)]
#[command(
    name = "openclaw",
    version,
    max_term_width = 100,
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused by the gateway or the configuration, \
                  4 no gateway runs, 5 another process holds the home."
)]
struct Arguments {
    /// The folder everything is kept in [default: ~/.openclaw]
    #[arg(long, global = true, env = "OPENCLAW_HOME", value_name = "DIR")]
    home: Option<PathBuf>,
    /// The configuration file [default: openclaw.json in the home]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print data as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway
    Gateway(gateway::Arguments),
    /// Show how the running gateway is
    Status,
    /// Install, list, call and build skills
    #[command(subcommand)]
    Skills(Box<skills::Command>),
    /// Look after the endpoints that events are posted to
    #[command(subcommand)]
    Webhooks(webhooks::Command),
    /// Show the tokens that language models used, by day
    Usage(agent::UsageArguments),
    /// List, show and forget what the agent remembers
    #[command(subcommand)]
    Conversations(agent::Command),
    /// Make, list and revoke named tokens
    #[command(subcommand)]
    Token(token::Command),
    /// Keep, list and forget secrets that skills use and never see
    #[command(subcommand)]
    Secrets(secrets::Command),
    /// Add, list, export and erase tenants
    #[command(subcommand)]
    Tenants(tenants::Command),
    /// Begin no more calls: of everything, a tenant, or a skill; webhooks are still accepted and kept
    Pause(pause::Arguments),
    /// End a pause
    Resume(pause::Arguments),
    /// Copy everything that is remembered into an empty folder
    Backup(backup::BackupArguments),
    /// Put a backup in place; the gateway must be stopped
    Restore(backup::RestoreArguments),
    /// Show everything that happened under one trace id
    Trace(trace::Arguments),
    /// Check the configuration, or put it in force
    #[command(subcommand)]
    Config(config::Command),
    /// Print a completion script
    Completions(completions::Arguments),
    /// Print the version
    Version,
}

/// What every command may need.
struct Context {
    home: Option<PathBuf>,
    config: Option<PathBuf>,
    format: Format,
}

impl Context {
    /// The home and the configuration file.
    fn source(&self, overrides: ListenOverrides) -> Result<Source, Failed> {
        Ok(Source::find(self.home.clone(), self.config.clone(), overrides, Environment::of_process())?)
    }
}

/// Parses the command line and runs it.
pub(crate) fn run() -> ExitCode {
    let arguments = Arguments::parse_from(name_settings(std::env::args_os().collect()));
    let format = if arguments.json { Format::Json } else { Format::Text };
    let context = Context { home: arguments.home, config: arguments.config, format };
    match run_command(&context, arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            tell(&failed, format);
            failed.exit_code()
        }
    }
}

/// In `skills grant` and `skills revoke`, where powers are named as everywhere else, `--config KEY` is a setting of the
/// skill. Everywhere else it is the configuration file, which stands before `skills` there.
fn name_settings(mut words: Vec<OsString>) -> Vec<OsString> {
    let is_grant = |at: usize| {
        let mut after = words[at + 1..].iter().skip_while(|word| word.to_string_lossy().starts_with('-'));
        words[at] == "skills" && after.next().is_some_and(|word| word == "grant" || word == "revoke")
    };
    if let Some(from) = (0..words.len()).find(|at| is_grant(*at)) {
        for word in &mut words[from..] {
            match word.to_str() {
                Some("--") => break,
                Some("--config") => *word = "--setting".into(),
                Some(text) => {
                    if let Some(key) = text.strip_prefix("--config=") {
                        *word = format!("--setting={key}").into();
                    }
                }
                None => {}
            }
        }
    }
    words
}

fn run_command(context: &Context, command: Command) -> Result<(), Failed> {
    match command {
        Command::Gateway(arguments) => gateway::run(context, &arguments),
        Command::Status => block_on(status::run(context)),
        Command::Skills(command) => block_on(skills::run(context, *command)),
        Command::Webhooks(command) => block_on(webhooks::run(context, command)),
        Command::Usage(arguments) => block_on(agent::usage(context, arguments)),
        Command::Conversations(command) => block_on(agent::run(context, command)),
        Command::Token(command) => block_on(token::run(context, command)),
        Command::Secrets(command) => block_on(secrets::run(context, command)),
        Command::Tenants(command) => block_on(tenants::run(context, command)),
        Command::Pause(arguments) => block_on(pause::run(context, arguments, true)),
        Command::Resume(arguments) => block_on(pause::run(context, arguments, false)),
        Command::Backup(arguments) => block_on(backup::backup(context, &arguments)),
        Command::Restore(arguments) => block_on(backup::restore(context, arguments)),
        Command::Trace(arguments) => block_on(trace::run(context, arguments)),
        Command::Config(command) => block_on(config::run(context, command)),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Version => version(context),
    }
}

fn version(context: &Context) -> Result<(), Failed> {
    let version = env!("CARGO_PKG_VERSION");
    match context.format {
        Format::Text => console::data(format!("openclaw {version}")),
        Format::Json => console::json(&serde_json::json!({ "version": version })),
    }
    Ok(())
}

/// Says how a command failed: for people on standard error, with `--json` as one object on standard error too, so
/// that standard output holds data or nothing.
fn tell(failed: &Failed, format: Format) {
    if format == Format::Json {
        let error = serde_json::json!({ "error": {
            "code": failed.code, "message": failed.message, "hint": failed.hint, "exit": failed.ending.code(),
        }});
        console::talk(error.to_string());
        return;
    }
    match &failed.code {
        Some(code) => console::error(format!("{} [{code}]", failed.message)),
        None => console::error(&failed.message),
    }
    if let Some(fix) = &failed.hint {
        console::hint(fix);
    }
}

/// Runs a command to its end. Two threads: guests that run directly on a home want a second one for their timers.
fn block_on(command: impl Future<Output = Result<(), Failed>>) -> Result<(), Failed> {
    crate::telemetry::log("warn", crate::telemetry::LogFormat::Text);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failed::because(format!("no thread could be started: {error}")))?;
    runtime.block_on(Box::pin(command))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn global_options_stand_before_or_after_the_command() {
        for line in ["openclaw --home /h --json skills list", "openclaw skills list --json --home /h"] {
            let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
            assert_eq!((arguments.home.as_deref(), arguments.json), (Some(std::path::Path::new("/h")), true));
        }
    }

    #[test]
    fn config_is_a_setting_in_grants_and_the_file_everywhere_else() {
        let named = |line: &str| {
            let words = name_settings(line.split(' ').map(OsString::from).collect());
            words.iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
        };
        for (line, read) in [
            (
                "openclaw --config f skills grant x --config k --config=*",
                "openclaw --config f skills grant x --setting k --setting=*",
            ),
            ("openclaw skills --json revoke x --config k", "openclaw skills --json revoke x --setting k"),
            ("openclaw skills list --config f", "openclaw skills list --config f"),
            ("openclaw skills call grant --config f", "openclaw skills call grant --config f"),
        ] {
            assert_eq!(named(line), read);
            assert!(Arguments::try_parse_from(read.split(' ')).is_ok(), "{read}");
        }
    }

    #[test]
    fn every_command_has_help() {
        fn check(command: &clap::Command) {
            for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
                assert!(inner.get_about().is_some(), "{} {}", command.get_name(), inner.get_name());
                check(inner);
            }
        }
        check(&Arguments::command());
    }
}
