//! `openclaw config check`.

use clap::Subcommand;
use serde_json::json;

use super::Context;
use crate::config::{ListenOverrides, Problem};
use crate::console::{self, Format};
use crate::exit::Failed;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check the configuration and say everything that is wrong with it
    Check,
}

pub(super) fn run(context: &Context, command: &Command) -> Result<(), Failed> {
    let Command::Check = command;
    let source = context.source(ListenOverrides::default())?;
    let file = source.file().display().to_string();
    let exists = source.file().exists();
    let loaded = source.load();
    if context.format == Format::Json {
        let (problems, warnings) = match &loaded {
            Ok(config) => (&[][..], &config.warnings[..]),
            Err(error) => (&error.problems[..], &[][..]),
        };
        let list = |found: &[Problem]| -> Vec<_> {
            found.iter().map(|one| json!({"path": one.path, "reason": one.reason, "fix": one.fix})).collect()
        };
        console::json(&json!({
            "file": file, "exists": exists, "ok": loaded.is_ok(),
            "problems": list(problems), "warnings": list(warnings),
        }));
    }
    let config = loaded?;
    if context.format == Format::Text {
        for warning in &config.warnings {
            console::talk(format!("warning: {warning}"));
        }
        console::data(if exists { format!("{file} is good") } else { format!("{file} does not exist: defaults") });
    }
    Ok(())
}
