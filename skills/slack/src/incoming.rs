//! What Slack sends: slash commands and outgoing webhooks as forms, the Events API as JSON.
//!
//! Invariant: what another app or this one posted is discarded, or a channel with both directions never falls silent.

use std::collections::BTreeMap;

use event_notice::one_line;
use openclaw_guest::ingress_transform::{Failure, Outcome, Request};
use serde::{Deserialize, Serialize};

use crate::markup::read;

/// Characters of a name.
const NAME: usize = 80;
/// Characters of a conversation's name, of the 256 bytes the gateway takes. Slack's own ids have some eleven.
const CONVERSATION: usize = 80;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Settings {
    /// Call this skill (`name` or `name/tool`) instead of telling the agent.
    skill: Option<String>,
    /// The argument that takes the text. Default `text`.
    argument: Option<String>,
    /// Answered, to the sender alone, to a command without text or with the text `help`.
    usage: Option<String>,
}

/// A request of the Events API.
#[derive(Deserialize)]
struct Callback {
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    team_id: String,
    event: Option<Post>,
}

#[derive(Deserialize)]
struct Post {
    r#type: String,
    subtype: Option<String>,
    bot_id: Option<String>,
    #[serde(default)]
    user: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    channel: String,
    thread_ts: Option<String>,
}

/// An answer that only the sender of a command sees.
#[derive(Serialize)]
struct Answer<'a> {
    response_type: &'static str,
    text: &'a str,
}

/// What somebody said.
struct Said {
    user: String,
    channel: String,
    conversation: String,
    command: String,
    text: String,
}

pub(crate) fn take(request: &Request) -> Result<Outcome, Failure> {
    let settings: Settings = request.settings()?;
    let said = match request.content_type.as_deref() {
        Some("application/x-www-form-urlencoded") => command(&request.form()?)?,
        _ => mention(request.json()?)?,
    };
    let said = match said {
        Ok(said) => said,
        Err(reason) => return Ok(Outcome::discard(reason)),
    };
    if let Some(usage) = &settings.usage
        && matches!(said.text.trim(), "" | "help")
    {
        let answer = serde_json::to_vec(&Answer { response_type: "ephemeral", text: usage });
        let answer = answer.map_err(|error| Failure::failed(error.to_string()))?;
        return Ok(Outcome::respond(200, "application/json", answer));
    }
    match &settings.skill {
        Some(skill) => {
            let argument = settings.argument.as_deref().unwrap_or("text");
            Outcome::invoke(skill, &BTreeMap::from([(argument, said.text.as_str())]))
        }
        None => {
            let Said { user, channel, conversation, command, text } = said;
            let place = if channel.is_empty() { String::new() } else { format!(" in {channel}") };
            let command = if command.is_empty() { command } else { format!("{command} ") };
            Ok(Outcome::message_in(conversation, format!("Slack user {user}{place} says: {command}{text}")))
        }
    }
}

/// A slash command or an outgoing webhook; the inner error is a reason to discard it.
fn command(form: &[(String, String)]) -> Result<Result<Said, String>, Failure> {
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
    if !field("ssl_check").is_empty() {
        return Ok(Err("Slack checks the certificate".to_owned()));
    }
    if !field("payload").is_empty() {
        return Ok(Err("an interactive message; only commands and posts are read".to_owned()));
    }
    // What posts as a bot, this gateway included, has this name in outgoing webhooks.
    if field("user_name") == "slackbot" || !field("bot_id").is_empty() {
        return Ok(Err("a post of a bot".to_owned()));
    }
    if field("user_id").is_empty() && field("user_name").is_empty() {
        let fix = "the form has no `user_id` and no `user_name`: point a slash command or an outgoing webhook here";
        return Err(Failure::unsupported_body(fix));
    }
    let name = if field("user_name").is_empty() { field("user_id") } else { field("user_name") };
    let channel = match field("channel_name") {
        "" => String::new(),
        "directmessage" => "a direct message".to_owned(),
        "privategroup" => "a private channel".to_owned(),
        name => format!("#{}", one_line(name, NAME)),
    };
    Ok(Ok(Said {
        user: one_line(name, NAME),
        channel,
        conversation: conversation([field("team_id"), field("channel_id"), field("thread_ts")]),
        command: one_line(field("command"), NAME),
        text: read(field("text")),
    }))
}

/// A post of the Events API; the inner error is a reason to discard it.
fn mention(callback: Callback) -> Result<Result<Said, String>, Failure> {
    let Some(post) = callback.event else {
        let reason = "the JSON has no `event`: point the Events API of a Slack app here";
        return match callback.r#type.as_str() {
            "" => Err(Failure::unsupported_body(reason)),
            other => Ok(Err(format!("`{}` without an event", one_line(other, NAME)))),
        };
    };
    if post.bot_id.is_some() {
        return Ok(Err("a post of a bot".to_owned()));
    }
    if !matches!(post.r#type.as_str(), "app_mention" | "message") {
        return Ok(Err(format!("`{}` is no post", one_line(&post.r#type, NAME))));
    }
    if let Some(subtype) = &post.subtype {
        return Ok(Err(format!("a post of the kind `{}`", one_line(subtype, NAME))));
    }
    Ok(Ok(Said {
        user: one_line(&post.user, NAME),
        channel: String::new(),
        conversation: conversation([&callback.team_id, &post.channel, post.thread_ts.as_deref().unwrap_or("")]),
        command: String::new(),
        text: read(&post.text),
    }))
}

/// One conversation a channel, and one a thread within it.
fn conversation(parts: [&str; 3]) -> String {
    let parts: Vec<String> =
        parts.into_iter().filter(|part| !part.is_empty()).map(|part| one_line(part, CONVERSATION)).collect();
    let mut name = parts.join("/");
    name.truncate(name.floor_char_boundary(256));
    name
}
