//! `openclaw tenants add|list|rotate-token|export|erase`.
//!
//! Invariant: a tenant's token is printed once, and nothing of a tenant is erased without `--yes`.

use clap::Subcommand;

use super::Context;
use super::session::Session;
use super::token::{Role, show_new};
use crate::console::{self, Format};
use crate::exit::Failed;
use crate::ops::{NewTokenView, Request, TenantView};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add a tenant and print its token, once
    Add {
        /// What the tenant is called
        name: String,
        /// What its token allows
        #[arg(long, value_enum, default_value = "invoke")]
        role: Role,
    },
    /// List all tenants: those of the configuration and those that were added
    List,
    /// Make a tenant another token, print it once, and revoke the one before
    RotateToken {
        /// Which tenant
        name: String,
        /// What the token allows; as the one before without it
        #[arg(long, value_enum)]
        role: Option<Role>,
    },
    /// Print everything that is kept of a tenant, a JSON object a line; secrets by name only
    Export {
        /// Which tenant
        name: String,
    },
    /// Forget everything of a tenant: skills, grants, what they kept, secrets, tokens, events
    Erase {
        /// Which tenant
        name: String,
        /// Really
        #[arg(long)]
        yes: bool,
        /// Also the tenant `default`
        #[arg(long)]
        force: bool,
    },
}

pub(super) async fn run(context: &Context, command: Command) -> Result<(), Failed> {
    match command {
        Command::Add { name, role } => {
            let request = Request::TenantAdd { name, role: role.as_str().to_owned() };
            show_new(context, &Session::open(context).await?.ask::<NewTokenView>(request).await?);
        }
        Command::RotateToken { name, role } => {
            let request = Request::TenantRotate { name, role: role.map(|role| role.as_str().to_owned()) };
            show_new(context, &Session::open(context).await?.ask::<NewTokenView>(request).await?);
        }
        Command::List => {
            let tenants: Vec<TenantView> = Session::open(context).await?.ask(Request::TenantList).await?;
            match context.format {
                Format::Json => console::json(&tenants),
                Format::Text => console::data(list(&tenants)),
            }
        }
        Command::Export { name } => {
            let lines: Vec<String> = Session::open(context).await?.ask(Request::TenantExport { name }).await?;
            for line in &lines {
                console::data(line);
            }
            console::talk(format!("{} lines", lines.len()));
        }
        Command::Erase { name, yes, force } => {
            if !yes {
                return Err(Failed::refused(format!("everything of tenant `{name}` would be gone for good"))
                    .hint(format!("`openclaw tenants export {name} > {name}.jsonl`, then add `--yes`")));
            }
            let request = Request::TenantErase { name: name.clone(), force };
            let done: serde_json::Value = Session::open(context).await?.ask(request).await?;
            match context.format {
                Format::Json => console::json(&done),
                Format::Text => {
                    console::talk(format!("tenant `{name}` is erased: {} rows", done["rows"]));
                    if done["configured"].as_bool() == Some(true) {
                        console::hint(format!(
                            "remove `tenants.{name}` from the configuration as well, or it begins anew"
                        ));
                    }
                }
            }
        }
    }
    Ok(())
}

fn list(tenants: &[TenantView]) -> String {
    let rows: Vec<_> = tenants
        .iter()
        .map(|tenant| {
            let origin = match (&tenant.added_at, tenant.configured) {
                (Some(at), false) => format!("added {at}"),
                (Some(_), true) => "configuration, added".to_owned(),
                (None, true) => "configuration".to_owned(),
                (None, false) => "a token or a skill".to_owned(),
            };
            [
                tenant.name.clone(),
                origin,
                tenant.tokens.to_string(),
                tenant.skills.to_string(),
                tenant.grants.to_string(),
                if tenant.paused { "paused" } else { "serves" }.to_owned(),
            ]
        })
        .collect();
    console::table(["NAME", "FROM", "TOKENS", "SKILLS", "GRANTS", "STATE"], &rows)
}
