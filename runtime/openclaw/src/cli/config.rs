//! `openclaw config …`: looks at the configuration file, and puts it in force in a running gateway.

use clap::Subcommand;
use openclaw_domain::{SystemClock, TenantId};
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;

use super::Context;
use super::session::Session;
use crate::admin::Client;
use crate::config::{Component, Config, ListenOverrides, Problem, Source, unusable_transforms};
use crate::console::{self, Format};
use crate::exit::Failed;
use crate::ops::{ReloadView, Request, SkillView};
use crate::{bundled, wiring};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check the configuration and say everything that is wrong with it
    Check,
    /// Let the running gateway read the configuration now, and wait until it is in force
    Reload,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<(), Failed> {
    match command {
        Command::Check => check(context).await,
        Command::Reload => reload(context).await,
    }
}

async fn check(context: &Context) -> Result<(), Failed> {
    let source = context.source(ListenOverrides::default())?;
    let file = source.file().display().to_string();
    let exists = source.file().exists();
    let mut loaded = source.load();
    if let Ok(config) = &mut loaded {
        match installed(&source, config).await {
            Ok(components) => {
                let of = |tenant: &TenantId| components.get(tenant).cloned().unwrap_or_default();
                config.warnings.extend(unusable_transforms(&config.transforms, of));
            }
            Err(failed) => console::talk(format!("warning: what is installed was not looked up: {failed}")),
        }
    }
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

/// What each tenant of a configuration has installed: asked of the gateway that runs, else read from the home. A
/// check makes nothing, so a home that does not exist yet has what every home begins with.
async fn installed(source: &Source, config: &Config) -> Result<HashMap<TenantId, Vec<Component>>, Failed> {
    let mut components: HashMap<TenantId, Vec<Component>> = HashMap::new();
    let mut is_running = false;
    for tenant in &config.tenants {
        let Some(client) = Client::connect(source.home()).await? else { break };
        is_running = true;
        let skills: Vec<SkillView> =
            Session::Running(client).ask(Request::Skills { tenant: tenant.to_string() }).await?;
        let found =
            skills.into_iter().map(|skill| Component { name: skill.name, world: skill.world, enabled: skill.enabled });
        components.insert(tenant.clone(), found.collect());
    }
    if !is_running && wiring::has_storage(source.home()) {
        let storage = wiring::storage(source.home(), Arc::new(SystemClock), None)?;
        for skill in openclaw_domain::ports::Packages::list(&storage).await? {
            components.entry(skill.tenant.clone()).or_default().push(Component::from(&skill));
        }
        storage.close().await?;
    }
    for tenant in &config.tenants {
        let known = components.entry(tenant.clone()).or_default();
        for bundled in bundled::ALL {
            if known.iter().all(|component| component.name != bundled.name) {
                let (name, world) = (bundled.name.to_owned(), bundled.world.to_owned());
                known.push(Component { name, world, enabled: true });
            }
        }
    }
    Ok(components)
}

async fn reload(context: &Context) -> Result<(), Failed> {
    let reloaded: ReloadView = Session::running(context).await?.ask(Request::ConfigReload).await?;
    match context.format {
        Format::Json => console::json(&reloaded),
        Format::Text => {
            for warning in &reloaded.warnings {
                console::talk(format!("warning: {warning}"));
            }
            for key in &reloaded.needs_restart {
                console::talk(format!("warning: {key} needs a restart to change"));
            }
            console::data(format!("{} is in force", reloaded.file));
        }
    }
    Ok(())
}
