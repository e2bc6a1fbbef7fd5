//! `openclaw secrets set|list|remove`.
//!
//! Invariant: a value comes from standard input or an unseen prompt, never from the command line, where other users of
//! the machine and the shell's history would see it; and it is never printed.

use std::io::{IsTerminal, Read, Write};

use clap::Subcommand;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::Context;
use super::session::Session;
use crate::console::{self, Format};
use crate::exit::Failed;
use crate::ops::{Hidden, Request, SecretView};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Keep a value, read from standard input or asked for without echo
    Set {
        /// What the secret is called
        name: String,
        /// Whose secret it is
        #[arg(long, default_value = "default")]
        tenant: String,
    },
    /// List secrets, without their values
    List {
        /// Whose; all tenants' without it
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Forget a value
    Remove {
        /// What the secret is called
        name: String,
        /// Whose secret it is
        #[arg(long, default_value = "default")]
        tenant: String,
    },
}

pub(super) async fn run(context: &Context, command: Command) -> Result<(), Failed> {
    match command {
        Command::Set { name, tenant } => {
            let value = Hidden(value_of(&name)?);
            let request = Request::SecretSet { tenant, name: name.clone(), value };
            let done: serde_json::Value = Session::open(context).await?.ask(request).await?;
            match context.format {
                Format::Json => console::json(&done),
                Format::Text => {
                    let verb = if done["new"].as_bool() == Some(true) { "kept" } else { "replaced" };
                    console::talk(format!("secret `{name}` is {verb}"));
                    console::hint("a skill uses it by `openclaw skills grant SKILL --secret 'NAME for https://host'`");
                }
            }
        }
        Command::List { tenant } => {
            let secrets: Vec<SecretView> = Session::open(context).await?.ask(Request::SecretList { tenant }).await?;
            match context.format {
                Format::Json => console::json(&secrets),
                Format::Text if secrets.is_empty() => console::talk("no secrets are kept or configured"),
                Format::Text => console::data(list(&secrets)),
            }
        }
        Command::Remove { name, tenant } => {
            let request = Request::SecretRemove { tenant, name: name.clone() };
            let done: serde_json::Value = Session::open(context).await?.ask(request).await?;
            match context.format {
                Format::Json => console::json(&done),
                Format::Text => console::talk(format!("secret `{name}` is forgotten")),
            }
        }
    }
    Ok(())
}

fn list(secrets: &[SecretView]) -> String {
    let rows: Vec<_> = secrets
        .iter()
        .map(|secret| {
            [
                secret.name.clone(),
                secret.tenant.clone(),
                secret.source.clone(),
                if secret.has_value { "set" } else { "no value" }.to_owned(),
                if secret.used_by.is_empty() { "-".to_owned() } else { secret.used_by.join(", ") },
            ]
        })
        .collect();
    console::table(["NAME", "TENANT", "SOURCE", "VALUE", "USED BY"], &rows)
}

/// The value: all of standard input but one line end, or a line that is typed unseen.
fn value_of(name: &str) -> Result<String, Failed> {
    let failed = |error: std::io::Error| Failed::because(format!("the value cannot be read: {error}"));
    let mut text = String::new();
    if std::io::stdin().is_terminal() {
        write!(std::io::stderr(), "value of `{name}` (not shown): ").map_err(failed)?;
        std::io::stderr().flush().map_err(failed)?;
        let unseen = Unseen::begin().map_err(|error| failed(error.into()))?;
        let read = std::io::stdin().read_line(&mut text);
        drop(unseen);
        console::talk("");
        read.map_err(failed)?;
    } else {
        std::io::stdin().read_to_string(&mut text).map_err(failed)?;
    }
    let value = text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line));
    match value.is_empty() {
        true => Err(Failed::refused(format!("no value was given for `{name}`"))
            .hint(format!("pipe it in: `printf %s \"$VALUE\" | openclaw secrets set {name}`"))),
        false => Ok(value.to_owned()),
    }
}

/// A terminal that does not show what is typed, until this is dropped.
struct Unseen(Termios);

impl Unseen {
    fn begin() -> rustix::io::Result<Self> {
        let before = tcgetattr(rustix::stdio::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Self(before))
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        // There is nobody to tell who could do more about it than the person at the terminal.
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Flush, &self.0);
    }
}
