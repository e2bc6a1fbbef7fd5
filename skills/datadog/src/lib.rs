//! The `datadog` transform: an event as a log line (Logs API v2) or as an event (Events API v1).
//!
//! Invariant: a body holds one entry, so that an attempt that is repeated repeats exactly one.

mod instant;

use event_notice::{Level, Notice, cut};
use openclaw_guest::egress_transform;
use openclaw_guest::egress_transform::{Event, Failure, Outcome};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Characters of an event's title.
const TITLE: usize = 100;
/// Characters of an event's text, as Datadog documents.
const TEXT: usize = 4000;
/// Bytes of a log's message: Datadog cuts a log at 1 MB, and the data comes along whole beside it.
const MESSAGE: usize = 16 << 10;
/// Bytes of data in a log.
const DATA: usize = 512 << 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// Which API the endpoint's URL is of.
    api: Api,
    /// Default `openclaw`.
    service: String,
    /// Default `openclaw`.
    source: String,
    /// The host it is said to come from; none without it.
    host: Option<String>,
    /// Tags besides `tenant:…` and `endpoint:…`, each `name:value`.
    tags: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        let name = || "openclaw".to_owned();
        Self { api: Api::Logs, service: name(), source: name(), host: None, tags: Vec::new() }
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Api {
    /// `…/api/v2/logs`
    Logs,
    /// `…/api/v1/events`
    Events,
}

/// One log of `POST /api/v2/logs`.
#[derive(Serialize)]
struct Log<'a> {
    ddsource: &'a str,
    ddtags: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hostname: Option<&'a str>,
    service: &'a str,
    status: &'static str,
    timestamp: &'a str,
    message: String,
    openclaw: Attributes<'a>,
}

#[derive(Serialize)]
struct Attributes<'a> {
    event_id: &'a str,
    event_type: &'a str,
    trace_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
}

/// The body of `POST /api/v1/events`.
#[derive(Serialize)]
struct Entry<'a> {
    title: String,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    date_happened: Option<i64>,
    priority: &'static str,
    alert_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    tags: Vec<String>,
    aggregation_key: String,
    source_type_name: &'a str,
}

/// Sends the event to the API its settings name.
#[egress_transform]
fn datadog(event: &Event) -> Result<Outcome, Failure> {
    let settings: Settings = event.settings()?;
    let notice = Notice::of(&event.kind, &event.data)
        .map_err(|why| Failure::unsupported_event(format!("the data of the event {why}")))?;
    let mut tags = vec![format!("tenant:{}", event.tenant), format!("endpoint:{}", event.endpoint)];
    tags.extend(settings.tags.iter().cloned());
    let host = settings.host.as_deref();
    match settings.api {
        Api::Logs => {
            let message = match notice.text.as_str() {
                "" => notice.title,
                text => format!("{}: {text}", notice.title),
            };
            let data = (event.data.len() <= DATA).then(|| event.data::<Box<RawValue>>()).transpose()?;
            Outcome::json(&[Log {
                ddsource: &settings.source,
                ddtags: tags.join(","),
                hostname: host,
                service: &settings.service,
                status: status(notice.level),
                timestamp: &event.timestamp,
                message: cut(&message, MESSAGE),
                openclaw: Attributes {
                    event_id: &event.id,
                    event_type: &event.kind,
                    trace_id: &event.trace_id,
                    data: data.as_deref(),
                },
            }])
        }
        Api::Events => {
            tags.push(format!("service:{}", settings.service));
            Outcome::json(&Entry {
                title: cut(&notice.title, TITLE),
                // Datadog refuses an event without a text.
                text: if notice.text.is_empty() { cut(&notice.title, TEXT) } else { cut(&notice.text, TEXT) },
                date_happened: instant::seconds(&event.timestamp),
                priority: if notice.level >= Level::Warning { "normal" } else { "low" },
                alert_type: alert_type(notice.level),
                host,
                tags,
                aggregation_key: cut(&format!("{}/{}", event.tenant, notice.subject), TITLE),
                source_type_name: &settings.source,
            })
        }
    }
}

const fn status(level: Level) -> &'static str {
    match level {
        Level::Success | Level::Info => "info",
        Level::Warning => "warn",
        Level::Error => "error",
        Level::Critical => "critical",
    }
}

const fn alert_type(level: Level) -> &'static str {
    match level {
        Level::Success => "success",
        Level::Info => "info",
        Level::Warning => "warning",
        Level::Error | Level::Critical => "error",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn sent(settings: &Value, kind: &str, data: &Value) -> Value {
        let event =
            Event { kind: kind.to_owned(), data: data.to_string(), settings: settings.to_string(), ..Event::default() };
        match datadog(&event).unwrap() {
            Outcome::Deliver(payload) => serde_json::from_slice(&payload.body).unwrap(),
            Outcome::Skip(reason) => json!(reason),
        }
    }

    #[test]
    fn nothing_is_longer_than_datadog_takes() {
        let data = json!({ "task_name": "x".repeat(600 << 10), "result": "y".repeat(600 << 10) });
        let entry = sent(&json!({ "api": "events" }), "agent.task.completed", &data);
        assert_eq!(entry["title"].as_str().unwrap().chars().count(), TITLE);
        assert_eq!(entry["text"].as_str().unwrap().chars().count(), TEXT);
        assert_eq!(entry["date_happened"], json!(1_767_225_600));
        let log = sent(&json!({}), "agent.task.completed", &data);
        assert_eq!(log[0]["message"].as_str().unwrap().chars().count(), MESSAGE);
        assert_eq!(log[0]["openclaw"].get("data"), None);
    }

    #[test]
    fn an_event_without_a_text_says_its_title() {
        let entry = sent(&json!({ "api": "events" }), "agent.task.completed", &json!({ "task_name": "a" }));
        assert_eq!((&entry["title"], &entry["text"]), (&json!("Task completed: a"), &json!("Task completed: a")));
    }
}
