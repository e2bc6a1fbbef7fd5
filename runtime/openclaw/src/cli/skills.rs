//! `openclaw skills …`: what is installed, and changes to it.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::Subcommand;

use super::session::Session;
use super::{Context, skills_build, skills_call, skills_grant, skills_test};
use crate::console::{self, Format};
use crate::exit::Failed;
use crate::ops::{GrantState, Install, Request, SkillView, size};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List what is installed
    List(Tenant),
    /// Show one skill: tools, imports, digest
    Info(Named),
    /// Install a component file
    Install {
        /// The component file
        file: PathBuf,
        /// What to call it, if not as its `skill.toml` says
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        tenant: Tenant,
    },
    /// Remove a skill and its grant, and end the calls that run on it
    Remove {
        #[command(flatten)]
        named: Named,
        /// Erase what it kept, too; also of a skill that was removed before
        #[arg(long)]
        forget_data: bool,
    },
    /// Let a skill be called again
    Enable(Named),
    /// Keep a skill, and refuse its calls
    Disable(Named),
    /// Build skills from source: each becomes one component file
    Build(skills_build::Arguments),
    /// Build a skill and run its cases/*.json
    Test(skills_test::Arguments),
    /// Call a tool
    Call(skills_call::Arguments),
    /// Say what a skill may do: requests, buckets, secrets, settings, events, limits
    Grant(skills_grant::GrantArguments),
    /// Take lines of a grant away, or all of it, and end the calls that run on it
    Revoke(skills_grant::RevokeArguments),
    /// Show grants, or compare them with what the skills' authors ask for
    #[command(subcommand)]
    Grants(skills_grant::Grants),
    /// Run a tool with its denials recorded, and show the smallest grant that lets it pass
    Learn(skills_grant::LearnArguments),
    /// Let an upgrade that waits take the place of what serves
    Approve(Named),
    /// Forget an upgrade that waits
    Reject(Named),
}

#[derive(Debug, clap::Args)]
pub(super) struct Tenant {
    /// Whose skills
    #[arg(long, default_value = "default")]
    pub(super) tenant: String,
}

#[derive(Debug, clap::Args)]
pub(super) struct Named {
    /// What the skill is called
    pub(super) name: String,
    #[command(flatten)]
    pub(super) tenant: Tenant,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<(), Failed> {
    match command {
        Command::List(Tenant { tenant }) => list(context, tenant).await,
        Command::Info(Named { name, tenant: Tenant { tenant } }) => {
            let skill: SkillView = Session::open(context).await?.ask(Request::Skill { tenant, name }).await?;
            match context.format {
                Format::Json => console::json(&skill),
                Format::Text => console::data(describe(&skill)),
            }
            Ok(())
        }
        Command::Install { file, name, tenant: Tenant { tenant } } => install(context, &file, name, tenant).await,
        Command::Remove { named, forget_data } => remove(context, named, forget_data).await,
        Command::Enable(named) => set_enabled(context, named, true).await,
        Command::Disable(named) => set_enabled(context, named, false).await,
        Command::Build(arguments) => skills_build::run(context, arguments).await,
        Command::Test(arguments) => skills_test::run(context, arguments).await,
        Command::Call(arguments) => skills_call::run(context, arguments).await,
        Command::Grant(arguments) => skills_grant::grant(context, arguments).await,
        Command::Revoke(arguments) => skills_grant::revoke(context, arguments).await,
        Command::Grants(command) => skills_grant::grants(context, command).await,
        Command::Learn(arguments) => skills_grant::learn(context, arguments).await,
        Command::Approve(named) => skills_grant::approve(context, named).await,
        Command::Reject(named) => skills_grant::reject(context, named).await,
    }
}

async fn list(context: &Context, tenant: String) -> Result<(), Failed> {
    let skills: Vec<SkillView> = Session::open(context).await?.ask(Request::Skills { tenant }).await?;
    match context.format {
        Format::Json => console::json(&skills),
        Format::Text if skills.is_empty() => console::talk("no skills are installed"),
        Format::Text => {
            let rows: Vec<_> = skills
                .iter()
                .map(|skill| {
                    let tools: Vec<_> = skill.tools.iter().map(|tool| tool.name.as_str()).collect();
                    [
                        skill.name.clone(),
                        skill.version.clone(),
                        skill.world.clone(),
                        state(skill),
                        if tools.is_empty() { "-".to_owned() } else { tools.join(", ") },
                    ]
                })
                .collect();
            console::data(console::table(["NAME", "VERSION", "WORLD", "STATE", "TOOLS"], &rows));
        }
    }
    Ok(())
}

async fn install(context: &Context, file: &Path, name: Option<String>, tenant: String) -> Result<(), Failed> {
    let component = tokio::fs::read(file).await.map_err(|error| {
        Failed::because(format!("{} cannot be read: {error}", file.display()))
            .hint("`openclaw skills build DIR` makes a component file and prints its path")
    })?;
    let skill: SkillView =
        Session::open(context).await?.install(Install { tenant, name }, Bytes::from(component)).await?;
    match context.format {
        Format::Json => console::json(&skill),
        Format::Text => {
            console::data(describe(&skill));
            let of = tenant_words(&skill.tenant);
            if skill.held.is_some() {
                console::talk("the upgrade waits: it imports or asks for more than the one that serves");
                console::hint(format!("`openclaw skills approve {}{of}` lets it serve", skill.name));
            } else if skill.grant == Some(GrantState::NeedsGrant) {
                console::hint(format!("`openclaw skills grants diff {}{of}` shows what it asks for", skill.name));
            } else if skill.world == "skill" {
                console::hint(format!("call it with `openclaw skills call {}{of}`", skill.name));
            } else {
                console::hint(format!("use it with `\"transform\": \"{}\"` in a webhook endpoint", skill.name));
            }
        }
    }
    Ok(())
}

async fn remove(context: &Context, named: Named, forget_data: bool) -> Result<(), Failed> {
    let Named { name, tenant: Tenant { tenant } } = named;
    let request = Request::Remove { tenant: tenant.clone(), name: name.clone(), forget_data };
    let done: serde_json::Value = Session::open(context).await?.ask(request).await?;
    if context.format == Format::Json {
        console::json(&done);
        return Ok(());
    }
    console::talk(format!("`{name}` is removed"));
    let lines: Vec<_> = done["grant"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_str).collect();
    if !lines.is_empty() {
        console::talk("its grant is gone with it:");
        for line in lines {
            console::data(console::printable(&format!("- {line}")));
        }
    }
    match done["calls_ended"].as_u64() {
        None | Some(0) => {}
        Some(calls) => console::talk(format!("calls that were ended: {calls}")),
    }
    let amount = |what: &str| {
        let (bytes, keys) = (done[what]["bytes"].as_u64()?, done[what]["keys"].as_u64()?);
        (keys > 0).then(|| format!("{keys} keys, {}", size(bytes)))
    };
    if let Some(amount) = amount("forgotten") {
        console::talk(format!("what it kept is erased: {amount}"));
    }
    if let Some(amount) = amount("kept") {
        console::talk(format!(
            "what it kept stays for the next skill of this name that is granted its buckets: {amount}"
        ));
        let of = tenant_words(&tenant);
        console::hint(format!("`openclaw skills remove {name}{of} --forget-data` erases it"));
    }
    Ok(())
}

/// What a command line needs to be about this tenant: nothing for `default`.
pub(super) fn tenant_words(tenant: &str) -> String {
    if tenant == "default" { String::new() } else { format!(" --tenant {tenant}") }
}

async fn set_enabled(context: &Context, named: Named, enabled: bool) -> Result<(), Failed> {
    let Named { name, tenant: Tenant { tenant } } = named;
    let request = Request::SetEnabled { tenant, name, enabled };
    let skill: SkillView = Session::open(context).await?.ask(request).await?;
    match context.format {
        Format::Json => console::json(&skill),
        Format::Text => {
            let state = if skill.enabled { "enabled" } else { "disabled" };
            console::talk(format!("`{}` is {state}", skill.name));
        }
    }
    Ok(())
}

/// Whether it can be called, where it is from, and how it stands with its grant, in few words.
fn state(skill: &SkillView) -> String {
    let mut words = vec![if skill.enabled { "enabled" } else { "disabled" }];
    words.extend(skill.bundled.then_some("bundled"));
    words.extend(skill.grant.map(GrantState::as_str));
    words.extend(skill.held.is_some().then_some("held upgrade"));
    words.join(", ")
}

fn describe(skill: &SkillView) -> String {
    let mut lines = vec![
        format!("{} {}", skill.name, skill.version),
        format!("  {}", skill.description),
        format!("  world    {}", skill.world),
        format!("  state    {}", state(skill)),
        format!("  digest   {}", skill.digest),
        format!("  size     {} bytes", skill.size),
        format!(
            "  imports  {}",
            if skill.imports.is_empty() { "nothing".to_owned() } else { skill.imports.join(", ") }
        ),
    ];
    if let Some(bytes) = skill.initial_memory {
        lines.push(format!("  memory   {} KiB at the start of a call", bytes >> 10));
    }
    for tool in &skill.tools {
        let (name, description) = (&tool.name, tool.description.lines().next().unwrap_or_default());
        lines.push(format!("  tool     {name}: {description}"));
        for argument in arguments_of(&tool.input_schema) {
            lines.push(format!("             {argument}"));
        }
    }
    lines.extend(skill.held.iter().map(skills_grant::describe_held));
    console::printable(&lines.join("\n"))
}

/// The arguments of a tool's schema, a line each.
fn arguments_of(schema: &serde_json::Value) -> Vec<String> {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_str).collect();
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties
        .map(|(name, property)| {
            let kind = property["type"].as_str().unwrap_or("any");
            let optional = if required.contains(&name.as_str()) { "" } else { ", optional" };
            match property["description"].as_str() {
                Some(words) => format!("{name} ({kind}{optional}): {words}"),
                None => format!("{name} ({kind}{optional})"),
            }
        })
        .collect()
}
