//! Logs and metrics of this process.
//!
//! Invariant: logs go to standard error, so a command's data stays alone on standard output; the level follows the
//! configuration, also when it is reloaded.

use std::str::FromStr;
use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry as Spans;
use tracing_subscriber::reload::Handle;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt, reload};

use crate::console;
use crate::log_lines::LogLines;

/// The target under which a guest's lines are logged.
const GUESTS: &str = "guest";

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// A line of text for people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// Changes the level of the logs that are being written.
#[derive(Clone, Debug)]
pub(crate) struct LogLevel(Option<Handle<Targets, Spans>>);

impl LogLevel {
    /// Logs at this level from now on.
    pub(crate) fn set(&self, level: &str) {
        if let Some(handle) = &self.0
            && let Err(error) = handle.reload(targets(level))
        {
            tracing::warn!(%error, "the log level stays as it was");
        }
    }
}

/// The lines that wait to be written.
static LINES: OnceLock<LogLines> = OnceLock::new();

/// Writes the lines that wait. For the end of the process.
pub(crate) fn flush() {
    if let Some(lines) = LINES.get() {
        lines.flush();
    }
}

/// Starts logging. Called once; a second call changes nothing.
pub(crate) fn log(level: &str, format: LogFormat) -> LogLevel {
    let (filter, handle) = reload::Layer::new(targets(level));
    let lines = LINES.get_or_init(LogLines::start).clone();
    let lines = fmt::layer().with_writer(lines).with_ansi(console::is_terminal());
    let lines = match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().with_current_span(true).boxed(),
    };
    let started = tracing_subscriber::registry().with(filter).with(lines).try_init();
    LogLevel(started.is_ok().then_some(handle))
}

/// Our own crates and what guests log at the chosen level; what libraries say below `warn` is about them, not about
/// the gateway.
fn targets(level: &str) -> Targets {
    let level = LevelFilter::from_str(level).unwrap_or(LevelFilter::INFO);
    Targets::new().with_default(level.min(LevelFilter::WARN)).with_target("openclaw", level).with_target(GUESTS, level)
}

/// Starts collecting metrics, rendered by the handle. `None` if something collects them already.
pub(crate) fn collect_metrics() -> Option<PrometheusHandle> {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).ok().map(|()| handle)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn the_level_is_of_the_gateway_and_of_guests_and_libraries_stay_quieter() {
        let logged = |chosen: &str, target: &str, level: Level| targets(chosen).would_enable(target, &level);
        for ours in ["openclaw", "openclaw_server::ws", "guest"] {
            assert!(logged("info", ours, Level::INFO) && !logged("info", ours, Level::DEBUG), "{ours}");
            assert!(logged("trace", ours, Level::TRACE) && !logged("warn", ours, Level::INFO), "{ours}");
            assert!(!logged("off", ours, Level::ERROR), "{ours}");
        }
        assert!(logged("debug", "hyper", Level::WARN) && !logged("debug", "hyper", Level::INFO));
    }
}
