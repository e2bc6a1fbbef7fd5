//! `openclaw pause`, `openclaw resume`: everything, a tenant, or a skill.
//!
//! Invariant: a pause outlives a restart, and ends only by `resume` of the same thing.

use super::Context;
use super::session::Session;
use crate::console::{self, Format};
use crate::exit::Failed;
use crate::ops::Request;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A tenant, or `tenant/skill`; everything without it
    what: Option<String>,
    /// A tenant
    #[arg(long, conflicts_with = "what")]
    tenant: Option<String>,
    /// A skill, of tenant `default` without `--tenant`
    #[arg(long, conflicts_with = "what")]
    skill: Option<String>,
}

pub(super) async fn run(context: &Context, arguments: Arguments, paused: bool) -> Result<(), Failed> {
    let (tenant, skill) = match arguments.what.as_deref().map(|what| (what, what.split_once('/'))) {
        Some((_, Some((tenant, skill)))) => (Some(tenant.to_owned()), Some(skill.to_owned())),
        Some((tenant, None)) => (Some(tenant.to_owned()), None),
        None => (arguments.tenant, arguments.skill),
    };
    let done: serde_json::Value = Session::open(context).await?.ask(Request::Pause { tenant, skill, paused }).await?;
    if context.format == Format::Json {
        console::json(&done);
        return Ok(());
    }
    let what = done["what"].as_str().unwrap_or_default();
    let is_changed = done["changed"].as_bool() == Some(true);
    console::talk(match (paused, is_changed) {
        (true, true) => format!("{what} is paused: calls that run finish, no other begins"),
        (true, false) => format!("{what} was paused already"),
        (false, true) => format!("{what} goes on"),
        (false, false) => format!("{what} was not paused"),
    });
    let still: Vec<&str> =
        done["paused"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_str).collect();
    if !still.is_empty() {
        console::talk(format!("paused now: {}", still.join(", ")));
    }
    Ok(())
}
