//! What an event means to people: a title, a text, how much it matters, and what it is about.
//!
//! The bundled transforms that tell people (Slack, PagerDuty, Datadog, Home Assistant) all say the same about an event;
//! each only has its peer's format. Invariant: a notice is made of any JSON object, of a kind nobody has heard of too,
//! and its title is one line.

mod line;

use std::borrow::Cow;

use webhook_body::{Kind, Value};

pub use line::{cut, one_line};

/// Most characters of a title.
pub const MAX_TITLE: usize = 200;
/// Most characters of the name of what an event is about.
const MAX_SUBJECT: usize = 120;

/// How much an event matters, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something went well.
    Success,
    /// Worth knowing.
    Info,
    /// Worth looking at.
    Warning,
    /// Something failed.
    Error,
    /// Worth getting up for.
    Critical,
}

impl Level {
    /// The level a severity's name means; `None` for a word that is none.
    fn from_severity(word: &str) -> Option<Self> {
        Some(match word {
            "success" | "ok" => Self::Success,
            "info" | "low" => Self::Info,
            "warning" | "medium" => Self::Warning,
            "error" => Self::Error,
            "critical" | "high" => Self::Critical,
            _ => return None,
        })
    }
}

/// What an event means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What happened: one line of at most [`MAX_TITLE`] characters.
    pub title: String,
    /// The rest, as the event has it: any length, any characters; may be empty.
    pub text: String,
    /// How much it matters.
    pub level: Level,
    /// What it is about, the same for events that belong together: `skill/deploy` of an error and of the completion
    /// that ends it, `channel/telegram`, `alert/denied`, `event/` and the kind. One line.
    pub subject: String,
}

impl Notice {
    /// Reads the data (JSON text) of an event of this kind.
    ///
    /// # Errors
    /// What is wrong with the data, as the end of a sentence that begins with "the data of the event".
    pub fn of(kind: &str, data: &str) -> Result<Self, String> {
        let data = Value::parse(data).map_err(|error| format!("is not JSON: {error}"))?;
        if data.kind() != Kind::Object {
            return Err("is not a JSON object".to_owned());
        }
        let field = |name| words(data.get(name));
        Ok(match kind {
            "agent.task.completed" => {
                let task = field("task_name");
                Self::new("Task completed", &task, field("result"), Level::Success, "skill", skill_of(&task))
            }
            "agent.error" => {
                let context = data.get("context");
                let within = |name| words(context.and_then(|context| context.get(name)));
                let task = [within("task_name"), within("skill")].into_iter().find(|name| !name.is_empty());
                let task = task.unwrap_or_default();
                Self::new("Error", &task, field("message"), Level::Error, "skill", skill_of(&task))
            }
            "channel.message.received" => {
                let [channel, name] = ["channel", "sender_name"].map(field);
                let sender = if name.is_empty() { field("sender") } else { name };
                let what = format!("{sender} on {channel}");
                Self::new("Message", &what, field("text"), Level::Info, "channel", &channel)
            }
            "channel.disconnected" => {
                let channel = field("channel");
                Self::new("Channel disconnected", &channel, field("error"), Level::Warning, "channel", &channel)
            }
            "security.alert" => {
                let alert = field("type");
                let level = Level::from_severity(&field("severity")).unwrap_or(Level::Warning);
                Self::new("Security alert", &alert, field("details"), level, "alert", &alert)
            }
            other => {
                let said = ["text", "message"].into_iter().map(field).find(|text| !text.is_empty());
                let level = Level::from_severity(&field("severity")).unwrap_or(Level::Info);
                Self::new(other, "", said.unwrap_or_else(|| compact(data).into()), level, "event", other)
            }
        })
    }

    fn new(what: &str, which: &str, text: Cow<'_, str>, level: Level, about: &str, subject: &str) -> Self {
        let title = if which.is_empty() { what.to_owned() } else { format!("{what}: {which}") };
        let subject = if subject.is_empty() { "gateway" } else { subject };
        Self {
            title: one_line(&title, MAX_TITLE),
            text: text.into_owned(),
            level,
            subject: format!("{about}/{}", one_line(subject, MAX_SUBJECT)),
        }
    }
}

/// The skill of `skill` or `skill/tool`: an error names what was asked for, a completion what ran.
fn skill_of(task: &str) -> &str {
    task.split('/').next().unwrap_or(task)
}

/// A value as words: a string's text, another value's JSON; empty where there is none.
fn words<'a>(value: Option<Value<'a>>) -> Cow<'a, str> {
    match value {
        None => Cow::Borrowed(""),
        Some(value) => match value.kind() {
            Kind::Null => Cow::Borrowed(""),
            Kind::String => value.as_str().unwrap_or_default(),
            _ => compact(value).into(),
        },
    }
}

fn compact(value: Value<'_>) -> String {
    value.compact().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(kind: &str, data: &str) -> String {
        let Notice { title, text, level, subject } = Notice::of(kind, data).unwrap();
        format!("{title} | {text} | {level:?} | {subject}")
    }

    #[test]
    fn each_kind_of_the_guide_is_said_in_words() {
        for (kind, data, expected) in [
            (
                "agent.task.completed",
                r#"{"task_name":"deploy/run","result":"3 hosts","duration_ms":1.5}"#,
                "Task completed: deploy/run | 3 hosts | Success | skill/deploy",
            ),
            (
                "agent.error",
                r#"{"message":"no\nroute","stack":"","context":{"code":"SKILL_FAILED","task_name":"deploy/run"}}"#,
                "Error: deploy/run | no\nroute | Error | skill/deploy",
            ),
            (
                "agent.error",
                r#"{"message":"x","context":{"webhook":"/a","skill":"deploy"}}"#,
                "Error: deploy | x | Error | skill/deploy",
            ),
            ("agent.error", r#"{"message":"x"}"#, "Error | x | Error | skill/gateway"),
            (
                "channel.message.received",
                r#"{"channel":"telegram","sender":"7","sender_name":"Ada","text":"hi"}"#,
                "Message: Ada on telegram | hi | Info | channel/telegram",
            ),
            (
                "channel.disconnected",
                r#"{"channel":"telegram","error":"timeout"}"#,
                "Channel disconnected: telegram | timeout | Warning | channel/telegram",
            ),
            (
                "security.alert",
                r#"{"type":"denied","severity":"high","details":{ "skill" : "x" }}"#,
                r#"Security alert: denied | {"skill":"x"} | Critical | alert/denied"#,
            ),
            ("build.done", r#"{"ok": true}"#, r#"build.done | {"ok":true} | Info | event/build.done"#),
            (
                "build.failed",
                r#"{"severity":"error","text":"no disk"}"#,
                "build.failed | no disk | Error | event/build.failed",
            ),
        ] {
            assert_eq!(said(kind, data), expected);
        }
    }

    #[test]
    fn data_of_any_shape_is_said_or_refused_never_a_panic() {
        assert_eq!(said("agent.task.completed", "{}"), "Task completed |  | Success | skill/gateway");
        assert_eq!(said("agent.error", r#"{"message":7,"context":[]}"#), "Error | 7 | Error | skill/gateway");
        assert_eq!(Notice::of("a", "[]").unwrap_err(), "is not a JSON object");
        assert!(Notice::of("a", "{").unwrap_err().starts_with("is not JSON: "));
    }

    #[test]
    fn a_title_is_one_line_of_bounded_length() {
        let data = format!(r#"{{"task_name":"a\n\u0000b{}"}}"#, "x".repeat(500));
        let notice = Notice::of("agent.task.completed", &data).unwrap();
        assert!(notice.title.starts_with("Task completed: a b") && notice.title.ends_with('…'));
        assert_eq!(notice.title.chars().count(), MAX_TITLE);
    }
}
