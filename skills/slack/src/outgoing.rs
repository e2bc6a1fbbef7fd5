//! An event as a message: its title as the text, the rest in an attachment whose colour says how much it matters.

use event_notice::{Level, Notice};
use openclaw_guest::egress_transform::{Event, Failure, Outcome};
use serde::{Deserialize, Serialize};

use crate::markup::escape;

/// Characters of the text beside the attachment; a title is shorter, escaped or not.
const TEXT: usize = 1500;
/// Characters of a section's text, as Slack documents.
const SECTION: usize = 3000;
/// Characters of a line of context.
const CONTEXT: usize = 500;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// Stands before errors and worse: `<!here>`, `<!channel>` or `<@U…>`. The operator's word, so it is not escaped.
    mention: Option<String>,
}

#[derive(Serialize)]
struct Message {
    text: String,
    attachments: [Attachment; 1],
}

#[derive(Serialize)]
struct Attachment {
    color: &'static str,
    fallback: String,
    blocks: Vec<Block>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Block {
    Section { text: Text },
    Context { elements: [Text; 1] },
}

/// Text in Slack's markup. `verbatim`, or Slack turns what looks like a channel, a name or an address into a link.
#[derive(Serialize)]
struct Text {
    r#type: &'static str,
    text: String,
    verbatim: bool,
}

impl Text {
    const fn new(text: String) -> Self {
        Self { r#type: "mrkdwn", text, verbatim: true }
    }
}

pub(crate) fn message(event: &Event) -> Result<Outcome, Failure> {
    let settings: Settings = event.settings()?;
    let notice = Notice::of(&event.kind, &event.data)
        .map_err(|why| Failure::unsupported_event(format!("the data of the event {why}")))?;
    let title = escape(&notice.title, TEXT);
    let mut blocks = Vec::new();
    // Slack refuses a section without a text.
    if !notice.text.trim().is_empty() {
        blocks.push(Block::Section { text: Text::new(escape(&notice.text, SECTION)) });
    }
    let context = format!("{} · {} · {}", event.kind, event.tenant, event.id);
    blocks.push(Block::Context { elements: [Text::new(escape(&context, CONTEXT))] });
    let text = match &settings.mention {
        Some(mention) if notice.level >= Level::Error => format!("{mention} *{title}*"),
        _ => format!("*{title}*"),
    };
    Outcome::json(&Message { text, attachments: [Attachment { color: color(notice.level), fallback: title, blocks }] })
}

/// Slack's own `good`, `warning` and `danger`, and two more that people can tell from them.
const fn color(level: Level) -> &'static str {
    match level {
        Level::Success => "#2eb67d",
        Level::Info => "#36c5f0",
        Level::Warning => "#ecb22e",
        Level::Error => "#e01e5a",
        Level::Critical => "#8b0000",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn nothing_is_longer_than_slack_takes_and_nothing_is_empty() {
        let sent = |data: Value| -> Value {
            let event = Event { kind: "agent.error".to_owned(), data: data.to_string(), ..Event::default() };
            let Outcome::Deliver(payload) = message(&event).unwrap() else { panic!("it sends") };
            serde_json::from_slice(&payload.body).unwrap()
        };
        let long = "<".repeat(100_000);
        let body = sent(json!({ "message": long, "context": { "task_name": long } }));
        let section = body["attachments"][0]["blocks"][0]["text"]["text"].as_str().unwrap();
        assert!((2990..=SECTION).contains(&section.chars().count()) && section.ends_with("&lt;…"));
        assert!(body["text"].as_str().unwrap().chars().count() <= TEXT);
        let body = sent(json!({ "message": " " }));
        assert_eq!(body["attachments"][0]["blocks"].as_array().unwrap().len(), 1);
    }
}
