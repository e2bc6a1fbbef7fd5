//! `openclaw usage`, `openclaw conversations list|show|forget`.

use clap::Subcommand;

use super::Context;
use super::session::Session;
use crate::console::{self, Format};
use crate::exit::Failed;
use crate::ops::{AgentRequest, ConversationName, ConversationView, Request, SaidView, UsageView};

#[derive(Debug, clap::Args)]
pub(super) struct UsageArguments {
    /// Of this tenant only
    #[arg(long)]
    tenant: Option<String>,
    /// Today and the days before it, in UTC
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=3660))]
    days: u32,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List what is remembered, the conversation spoken in last first
    List {
        /// Whose
        #[arg(long, default_value = "default")]
        tenant: String,
    },
    /// Show what was said
    Show(Name),
    /// Forget a conversation
    Forget(Name),
}

#[derive(Debug, clap::Args)]
pub(super) struct Name {
    /// With whom
    user: String,
    /// The channel within the door
    #[arg(long, default_value = "default")]
    channel: String,
    /// The door it is held at
    #[arg(long, default_value = "websocket")]
    door: String,
    /// Whose
    #[arg(long, default_value = "default")]
    tenant: String,
}

impl From<Name> for ConversationName {
    fn from(name: Name) -> Self {
        let Name { user, channel, door, tenant } = name;
        Self { tenant, door, channel, user }
    }
}

async fn ask<T: serde::de::DeserializeOwned>(context: &Context, what: AgentRequest) -> Result<T, Failed> {
    Session::open(context).await?.ask(Request::Agent { what }).await
}

/// `openclaw usage`.
pub(super) async fn usage(context: &Context, arguments: UsageArguments) -> Result<(), Failed> {
    let UsageArguments { tenant, days } = arguments;
    let used: Vec<UsageView> = ask(context, AgentRequest::Usage { tenant, days }).await?;
    if context.format == Format::Json {
        console::json(&used);
        return Ok(());
    }
    if used.is_empty() {
        console::talk("no model was asked; `local` uses no tokens");
        return Ok(());
    }
    let rows: Vec<_> = used
        .iter()
        .map(|one| {
            let numbers = [one.requests, one.input_tokens, one.output_tokens, one.input_tokens + one.output_tokens];
            let [requests, input, output, all] = numbers.map(|number| number.to_string());
            [one.day.clone(), one.tenant.clone(), console::printable(&one.model), requests, input, output, all]
        })
        .collect();
    console::data(console::table(["DAY", "TENANT", "MODEL", "REQUESTS", "IN", "OUT", "TOKENS"], &rows));
    let total: u64 = used.iter().map(|one| one.input_tokens + one.output_tokens).sum();
    console::talk(format!("{total} tokens"));
    Ok(())
}

/// `openclaw conversations …`.
pub(super) async fn run(context: &Context, command: Command) -> Result<(), Failed> {
    match command {
        Command::List { tenant } => {
            let found: Vec<ConversationView> = ask(context, AgentRequest::Conversations { tenant }).await?;
            if context.format == Format::Json {
                console::json(&found);
                return Ok(());
            }
            let rows: Vec<_> = found
                .iter()
                .map(|one| {
                    let (channel, user) = (console::printable(&one.channel), console::printable(&one.user));
                    let (messages, bytes) = (one.messages.to_string(), one.bytes.to_string());
                    [one.door.clone(), channel, user, messages, bytes, one.last_at.clone()]
                })
                .collect();
            match rows.is_empty() {
                true => console::talk("nothing is remembered"),
                false => console::data(console::table(["DOOR", "CHANNEL", "USER", "MESSAGES", "BYTES", "LAST"], &rows)),
            }
        }
        Command::Show(name) => {
            let said: Vec<SaidView> = ask(context, AgentRequest::Show(name.into())).await?;
            if said.is_empty() {
                return Err(unknown());
            }
            match context.format {
                Format::Json => console::json(&said),
                Format::Text => {
                    for SaidView { speaker, text, at } in &said {
                        console::data(console::printable(&format!("{at}  {speaker:5}  {text}")));
                    }
                }
            }
        }
        Command::Forget(name) => {
            let done: serde_json::Value = ask(context, AgentRequest::Forget(name.into())).await?;
            let messages = done["messages"].as_u64().unwrap_or_default();
            if messages == 0 {
                return Err(unknown());
            }
            match context.format {
                Format::Json => console::json(&done),
                Format::Text => console::talk(format!("{messages} messages are forgotten")),
            }
        }
    }
    Ok(())
}

fn unknown() -> Failed {
    Failed::refused("no conversation has this name").hint("`openclaw conversations list` names them")
}
