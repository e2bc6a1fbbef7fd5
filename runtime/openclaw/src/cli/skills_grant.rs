//! `openclaw skills grant|revoke|grants|approve|reject|learn`: what a skill may do, decided by whoever types this.
//!
//! Invariant: nothing is granted that was not on the command line, in a named file, or shown and agreed to.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::Context;
use super::session::Session;
use super::skills::{Named, Tenant, tenant_words};
use crate::console::{self, Format};
use crate::exit::Failed;
use crate::ops::{
    Arguments as Typed, GrantDiffView, GrantLine, GrantState, GrantView, HeldView, LITERALS, LearnView, Request,
    SkillView,
};

/// Lines of a grant as options.
#[derive(Debug, clap::Args)]
pub(super) struct Lines {
    /// Requests it may send: `GET https://api.example.com/v1/**`; `*.` is one label, `*` one segment, `**` any
    #[arg(long, value_name = "RULE")]
    http: Vec<String>,
    /// The second key: an origin of those rules that may be at a private or loopback address
    #[arg(long, value_name = "ORIGIN")]
    private: Vec<String>,
    /// A bucket of its own it may keep values in
    #[arg(long, value_name = "BUCKET")]
    kv: Vec<String>,
    /// A secret it may use and never sees: `NAME for https://host` or `NAME for hmac`
    #[arg(long, value_name = "USE")]
    secret: Vec<String>,
    /// A setting of its own it may read, or `*`; `--config KEY` says the same here
    #[arg(long, value_name = "KEY")]
    setting: Vec<String>,
    /// An event it may emit
    #[arg(long, value_name = "NAME")]
    event: Vec<String>,
    /// A bound of its own: memory, deadline, host-calls, egress-bytes, kv-bytes, calls-per-minute, concurrent-calls
    #[arg(long, value_name = "NAME=VALUE")]
    limit: Vec<String>,
    /// When the grant ends: `30d`, `2030-12-31`, or `never`
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
    /// A file of such lines, as `skills grants show` prints them; `-` is standard input
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
}

impl Lines {
    fn read(&self) -> Result<Vec<GrantLine>, Failed> {
        let mut lines = match &self.from {
            Some(file) => GrantLine::all_of(&text_of(file)?)?,
            None => Vec::new(),
        };
        for (option, values) in [
            ("http", &self.http),
            ("private", &self.private),
            ("kv", &self.kv),
            ("secret", &self.secret),
            ("config", &self.setting),
            ("event", &self.event),
            ("limit", &self.limit),
        ] {
            lines.extend(values.iter().map(|value| GrantLine::new(option, value)));
        }
        lines.extend(self.expires.iter().map(|end| GrantLine::new("expires", end)));
        Ok(lines)
    }
}

fn text_of(file: &Path) -> Result<String, Failed> {
    let text =
        if file == Path::new("-") { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(file) };
    text.map_err(|error| Failed::because(format!("{} cannot be read: {error}", file.display())))
}

#[derive(Debug, clap::Args)]
pub(super) struct GrantArguments {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    lines: Lines,
    /// Run this tool, `-` for the only one, and show the smallest grant that lets it pass
    #[arg(long, value_name = "TOOL", conflicts_with_all = ["http", "private", "kv", "secret", "setting", "event", "from"])]
    learn: Option<String>,
    /// The tool's arguments, a JSON object
    #[arg(long, value_name = "JSON", requires = "learn", default_value = "{}")]
    args: String,
    /// While it learns, reach this private origin; without an ORIGIN, every address that is written as one
    #[arg(long, requires = "learn", value_name = "ORIGIN", num_args = 0..=1, require_equals = true, default_missing_value = LITERALS)]
    allow_private: Vec<String>,
    /// Run it and grant what was learnt without asking
    #[arg(long, requires = "learn")]
    approve: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct RevokeArguments {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    lines: Lines,
}

#[derive(Debug, Subcommand)]
pub(super) enum Grants {
    /// Print grants as lines that `grant --from` reads
    Show {
        /// Which skill's; all without it
        name: Option<String>,
        /// Whose; all tenants' without it, and `default` with a name
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Compare grants with what the skills' authors ask for, and with upgrades that wait
    Diff {
        /// Which skill's; all without it
        name: Option<String>,
        #[command(flatten)]
        tenant: Tenant,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct LearnArguments {
    /// The skill, or `skill/tool`
    target: String,
    /// The arguments: a JSON object
    #[arg(default_value = "{}")]
    args: String,
    /// While it learns, reach this private origin; without an ORIGIN, every address that is written as one
    #[arg(long, value_name = "ORIGIN", num_args = 0..=1, require_equals = true, default_missing_value = LITERALS)]
    allow_private: Vec<String>,
    /// Run it and grant what was learnt without asking
    #[arg(long)]
    approve: bool,
    #[command(flatten)]
    tenant: Tenant,
}

pub(super) async fn grant(context: &Context, arguments: GrantArguments) -> Result<(), Failed> {
    let Named { name, tenant } = arguments.named;
    if let Some(tool) = arguments.learn {
        let target = if tool == "-" || tool == name { name } else { format!("{name}/{tool}") };
        let expires = arguments.lines.expires.iter().map(|end| GrantLine::new("expires", end));
        let more = expires.chain(arguments.lines.limit.iter().map(|limit| GrantLine::new("limit", limit))).collect();
        let learn = LearnArguments {
            target,
            args: arguments.args,
            allow_private: arguments.allow_private,
            approve: arguments.approve,
            tenant,
        };
        return learn_with(context, learn, more).await;
    }
    let request = Request::Grant { tenant: tenant.tenant, name, lines: arguments.lines.read()? };
    granted(context, &Session::open(context).await?.ask(request).await?);
    Ok(())
}

fn granted(context: &Context, grant: &GrantView) {
    match context.format {
        Format::Json => console::json(grant),
        Format::Text => {
            console::data(describe(grant));
            for note in &grant.notes {
                console::talk(format!("warning: {note}"));
            }
            let of = tenant_words(&grant.tenant);
            console::hint(format!("`openclaw skills revoke {}{of}` takes it away", grant.skill));
        }
    }
}

pub(super) async fn revoke(context: &Context, arguments: RevokeArguments) -> Result<(), Failed> {
    let Named { name, tenant } = arguments.named;
    let request = Request::Revoke { tenant: tenant.tenant, name: name.clone(), lines: arguments.lines.read()? };
    let done: serde_json::Value = Session::open(context).await?.ask(request).await?;
    match context.format {
        Format::Json => console::json(&done),
        Format::Text => {
            let list = |key: &str| -> Vec<String> {
                done[key].as_array().into_iter().flatten().filter_map(|line| line.as_str().map(str::to_owned)).collect()
            };
            for line in list("revoked") {
                console::data(console::printable(&format!("- {line}")));
            }
            for line in list("left") {
                console::data(console::printable(&format!("  {line}")));
            }
            match done["calls_ended"].as_u64() {
                None | Some(0) => console::talk(format!("the grant of `{name}` is less")),
                Some(calls) => console::talk(format!("the grant of `{name}` is less; {calls} calls were ended")),
            }
        }
    }
    Ok(())
}

pub(super) async fn grants(context: &Context, command: Grants) -> Result<(), Failed> {
    match command {
        Grants::Show { name, tenant } => {
            let tenant = tenant.or_else(|| name.as_ref().map(|_| "default".to_owned()));
            let found: Vec<GrantView> = Session::open(context).await?.ask(Request::Grants { tenant, name }).await?;
            match context.format {
                Format::Json => console::json(&found),
                Format::Text if found.is_empty() => console::talk("no skill holds a grant"),
                Format::Text => {
                    let texts: Vec<_> = found.iter().map(describe).collect();
                    console::data(texts.join("\n\n"));
                }
            }
        }
        Grants::Diff { name, tenant: Tenant { tenant } } => {
            let request = Request::GrantsDiff { tenant, name };
            let found: Vec<GrantDiffView> = Session::open(context).await?.ask(request).await?;
            match context.format {
                Format::Json => console::json(&found),
                Format::Text if found.is_empty() => console::talk("no skill asks for anything or holds a grant"),
                Format::Text => {
                    let texts: Vec<_> = found.iter().map(describe_diff).collect();
                    console::data(texts.join("\n\n"));
                }
            }
        }
    }
    Ok(())
}

/// Shows what an upgrade adds, then lets it serve.
pub(super) async fn approve(context: &Context, named: Named) -> Result<(), Failed> {
    let Named { name, tenant: Tenant { tenant } } = named;
    let skill: SkillView =
        Session::open(context).await?.ask(Request::Skill { tenant: tenant.clone(), name: name.clone() }).await?;
    if let (Some(held), Format::Text) = (&skill.held, context.format) {
        console::data(describe_held(held));
    }
    let serves: SkillView = Session::open(context).await?.ask(Request::Approve { tenant, name }).await?;
    match context.format {
        Format::Json => console::json(&serves),
        Format::Text => {
            console::talk(format!("`{}` {} serves now", serves.name, serves.version));
            if serves.grant.is_some_and(|state| state != GrantState::Granted) {
                let (name, of) = (&serves.name, tenant_words(&serves.tenant));
                console::hint(format!("`openclaw skills grants diff {name}{of}` shows what it asks for"));
            }
        }
    }
    Ok(())
}

/// Forgets an upgrade.
pub(super) async fn reject(context: &Context, named: Named) -> Result<(), Failed> {
    let Named { name, tenant: Tenant { tenant } } = named;
    let held: HeldView = Session::open(context).await?.ask(Request::Reject { tenant, name }).await?;
    match context.format {
        Format::Json => console::json(&held),
        Format::Text => console::talk(format!("the upgrade of `{}` to {} is forgotten", held.skill, held.version)),
    }
    Ok(())
}

pub(super) async fn learn(context: &Context, arguments: LearnArguments) -> Result<(), Failed> {
    learn_with(context, arguments, Vec::new()).await
}

async fn learn_with(context: &Context, arguments: LearnArguments, more: Vec<GrantLine>) -> Result<(), Failed> {
    let LearnArguments { target, args, allow_private, approve, tenant: Tenant { tenant } } = arguments;
    if context.format == Format::Text {
        console::talk(format!(
            "`{target}` runs with every power it asks for: its requests are really sent, to any public address and with \
             whatever it read, and what it keeps and emits stays"
        ));
        // Without a terminal nobody could answer; whoever wrote the script decided.
        if !approve && is_at_terminal() && !agrees("run it?")? {
            console::talk("it did not run");
            return Ok(());
        }
    }
    let request = Request::Learn { tenant: tenant.clone(), target, arguments: Typed::Json(args), allow_private };
    let learnt: LearnView = Session::open(context).await?.ask(request).await?;
    if context.format == Format::Text {
        describe_learnt(&learnt);
    }
    if learnt.lines.is_empty() {
        if context.format == Format::Json {
            console::json(&learnt);
        }
        return Ok(());
    }
    let is_agreed = approve || (context.format == Format::Text && agrees("grant this?")?);
    if is_agreed {
        let lines = learnt.lines.iter().cloned().chain(more).collect();
        let request = Request::Grant { tenant, name: learnt.skill.clone(), lines };
        let grant: GrantView = Session::open(context).await?.ask(request).await?;
        granted(context, &grant);
    } else if context.format == Format::Json {
        console::json(&learnt);
    }
    Ok(())
}

fn describe_learnt(learnt: &LearnView) {
    match &learnt.outcome {
        Some(text) => console::talk(format!("the call passed: {text}")),
        None => console::talk(format!("the call did not pass: {}", learnt.failure.as_deref().unwrap_or("it failed"))),
    }
    if learnt.lines.is_empty() {
        console::talk("it asked for nothing that its grant does not allow");
        return;
    }
    for line in &learnt.lines {
        console::data(console::printable(&line.to_string()));
    }
    console::hint(&learnt.command);
}

/// Whether somebody can be asked.
fn is_at_terminal() -> bool {
    use std::io::IsTerminal as _;
    std::io::stdin().is_terminal() && console::is_terminal()
}

/// Asks the person at the terminal; without one the answer is no.
fn agrees(question: &str) -> Result<bool, Failed> {
    if !is_at_terminal() {
        return Ok(false);
    }
    let failed = |error: std::io::Error| Failed::because(format!("the answer cannot be read: {error}"));
    write!(std::io::stderr(), "{question} [y/N] ").and_then(|()| std::io::stderr().flush()).map_err(failed)?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(failed)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// A grant as lines that can be read again.
fn describe(grant: &GrantView) -> String {
    let mut lines = vec![
        format!("# {} of tenant {}: {}", grant.skill, grant.tenant, grant.state.as_str()),
        format!("# for {}", grant.component),
    ];
    lines.extend(grant.lines.iter().map(ToString::to_string));
    console::printable(&lines.join("\n"))
}

fn describe_diff(diff: &GrantDiffView) -> String {
    let state = diff.state.map_or("needs no grant", GrantState::as_str);
    let mut lines = vec![format!("{} of tenant {}: {state}", diff.skill, diff.tenant)];
    for asked in &diff.asked {
        lines.push(format!("  {} {}   # {}", if asked.granted { " " } else { "+" }, asked.line, asked.reason));
    }
    lines.extend(diff.asked_in_words.iter().map(|words| format!("  ? {words}")));
    lines.extend(diff.beyond.iter().map(|line| format!("  - {line}   # not asked for in these words")));
    if let Some(command) = &diff.command {
        lines.push(format!("  to grant what is asked for: {command}"));
    }
    lines.extend(diff.held.iter().map(describe_held));
    console::printable(&lines.join("\n"))
}

/// What an upgrade that waits would add.
pub(super) fn describe_held(held: &HeldView) -> String {
    let mut lines = vec![format!("  upgrade to {} waits ({})", held.version, held.digest)];
    lines.extend(held.new_imports.iter().map(|import| format!("    + imports {import}")));
    lines.extend(held.new_requests.iter().map(|request| format!("    + asks for {request}")));
    console::printable(&lines.join("\n"))
}
