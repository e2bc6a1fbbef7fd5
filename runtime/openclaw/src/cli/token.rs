//! `openclaw token create|list|revoke`.
//!
//! Invariant: a token's text is printed once, when it is made, and kept nowhere.

use std::time::Duration;

use clap::{Subcommand, ValueEnum};

use super::Context;
use super::session::Session;
use crate::console::{self, Format};
use crate::exit::Failed;
use crate::ops::{NewTokenView, Request, TokenView};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a token and print it, once
    Create {
        /// What the token is called
        name: String,
        /// Whose token it is
        #[arg(long, default_value = "default")]
        tenant: String,
        /// What it allows
        #[arg(long, value_enum, default_value = "invoke")]
        role: Role,
        /// When it ends, such as `12h` or `30d`; without this it does not
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        expires: Option<Duration>,
    },
    /// List all tokens; their texts are not kept
    List,
    /// Revoke a token; its sessions are closed
    Revoke {
        /// What the token is called
        name: String,
        /// Whose token it is
        #[arg(long, default_value = "default")]
        tenant: String,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Role {
    /// May look
    Read,
    /// May also chat and call skills
    Invoke,
    /// May also approve
    Operator,
}

impl Role {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Invoke => "invoke",
            Self::Operator => "operator",
        }
    }
}

pub(super) async fn run(context: &Context, command: Command) -> Result<(), Failed> {
    let session = Session::open(context).await?;
    match command {
        Command::Create { name, tenant, role, expires } => {
            let expires_ms = expires.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
            let request = Request::TokenCreate { tenant, name, role: role.as_str().to_owned(), expires_ms };
            let made: NewTokenView = session.ask(request).await?;
            show_new(context, &made);
        }
        Command::List => {
            let tokens: Vec<TokenView> = session.ask(Request::TokenList).await?;
            match context.format {
                Format::Json => console::json(&tokens),
                Format::Text if tokens.is_empty() => console::talk("no named tokens"),
                Format::Text => console::data(list(&tokens)),
            }
        }
        Command::Revoke { name, tenant } => {
            let done: serde_json::Value = session.ask(Request::TokenRevoke { tenant, name: name.clone() }).await?;
            match context.format {
                Format::Json => console::json(&done),
                Format::Text => console::talk(format!("token `{name}` is revoked")),
            }
        }
    }
    Ok(())
}

/// Prints a token that was just made: the one time its text is seen.
pub(super) fn show_new(context: &Context, made: &NewTokenView) {
    match context.format {
        Format::Json => console::json(made),
        Format::Text => {
            console::data(&made.token);
            let end = made.expires_at.as_deref().unwrap_or("never");
            console::talk(format!(
                "token `{}` of tenant `{}` with role `{}`, expires {end}",
                made.name, made.tenant, made.role
            ));
            console::hint("keep it now: it is not shown again");
            if !made.auth_required {
                let line = "`\"auth\": { \"mode\": \"token\" }` in `gateway`";
                console::talk(format!("warning: no client is asked for a token yet: add {line}"));
            }
        }
    }
}

fn list(tokens: &[TokenView]) -> String {
    let rows: Vec<_> = tokens
        .iter()
        .map(|token| {
            [
                token.name.clone(),
                token.tenant.clone(),
                token.role.clone(),
                token.state.clone(),
                token.created_at.clone(),
                token.expires_at.clone().unwrap_or_else(|| "never".to_owned()),
            ]
        })
        .collect();
    console::table(["NAME", "TENANT", "ROLE", "STATE", "CREATED", "EXPIRES"], &rows)
}

fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if duration.is_zero() => Err("it must be longer than nothing".to_owned()),
        Ok(duration) => Ok(duration),
        Err(error) => Err(format!("{error}; write `12h`, `30d` or `1year`")),
    }
}
