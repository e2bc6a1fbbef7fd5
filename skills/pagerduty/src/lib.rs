//! The `pagerduty` transform: what fails triggers an incident, and what works again resolves it (Events API v2).
//!
//! Invariant: the deduplication key depends on the tenant and on what an event is about, never on when it happened, so a
//! skill that fails every minute is one incident, and its next success resolves that very one.

use event_notice::{Level, Notice, one_line};
use openclaw_guest::egress_transform;
use openclaw_guest::egress_transform::{Event, Failure, Outcome};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Characters of a summary, as PagerDuty documents.
const SUMMARY: usize = 1024;
/// Characters of a deduplication key, as PagerDuty documents.
const DEDUP_KEY: usize = 255;
/// Bytes of details: PagerDuty refuses requests over 512 KiB, and people read none of it.
const DETAILS: usize = 128 << 10;

/// They have the shape of the request itself, so that a `${VAR}` in one stands at the same place in the other.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The integration key of a service, usually `${PAGERDUTY_ROUTING_KEY}`.
    routing_key: String,
    /// Instead of the key made from tenant and subject: one incident for the whole endpoint.
    dedup_key: Option<String>,
    /// Where PagerDuty's link to this gateway leads.
    client_url: Option<String>,
    #[serde(default)]
    payload: PayloadSettings,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PayloadSettings {
    /// Instead of the event's own severity.
    severity: Option<Severity>,
    /// What the incident is said to come from. Default `openclaw`.
    source: Option<String>,
    component: Option<String>,
    group: Option<String>,
    /// Default: the event's kind.
    class: Option<String>,
}

/// Severities as PagerDuty spells them.
#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Severity {
    Critical,
    Error,
    Warning,
    Info,
}

impl From<Level> for Severity {
    fn from(level: Level) -> Self {
        match level {
            Level::Success | Level::Info => Self::Info,
            Level::Warning => Self::Warning,
            Level::Error => Self::Error,
            Level::Critical => Self::Critical,
        }
    }
}

/// The request of the Events API v2.
#[derive(Serialize)]
struct Enqueue<'a> {
    routing_key: &'a str,
    event_action: &'static str,
    dedup_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Payload<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_url: Option<&'a str>,
}

#[derive(Serialize)]
struct Payload<'a> {
    summary: String,
    source: &'a str,
    severity: Severity,
    timestamp: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
    class: &'a str,
    custom_details: Details<'a>,
}

#[derive(Serialize)]
struct Details<'a> {
    event_id: &'a str,
    tenant: &'a str,
    trace_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
}

/// Triggers an incident, or resolves the one that this event ends.
#[egress_transform]
fn pagerduty(event: &Event) -> Result<Outcome, Failure> {
    let settings: Settings = event.settings()?;
    let notice = Notice::of(&event.kind, &event.data)
        .map_err(|why| Failure::unsupported_event(format!("the data of the event {why}")))?;
    if event.kind == "channel.message.received" {
        return Ok(Outcome::skip("a message is no incident"));
    }
    let dedup_key = match &settings.dedup_key {
        Some(key) => one_line(key, DEDUP_KEY),
        None => one_line(&format!("openclaw/{}/{}", event.tenant, notice.subject), DEDUP_KEY),
    };
    let (routing_key, given) = (settings.routing_key.as_str(), &settings.payload);
    if notice.level == Level::Success {
        return Outcome::json(&Enqueue {
            routing_key,
            event_action: "resolve",
            dedup_key: &dedup_key,
            payload: None,
            client: None,
            client_url: None,
        });
    }
    let summary = if notice.text.is_empty() { notice.title } else { format!("{}: {}", notice.title, notice.text) };
    let data = (event.data.len() <= DETAILS).then(|| event.data::<Box<RawValue>>()).transpose()?;
    Outcome::json(&Enqueue {
        routing_key,
        event_action: "trigger",
        dedup_key: &dedup_key,
        payload: Some(Payload {
            summary: one_line(&summary, SUMMARY),
            source: given.source.as_deref().unwrap_or("openclaw"),
            severity: given.severity.unwrap_or_else(|| notice.level.into()),
            timestamp: &event.timestamp,
            component: given.component.as_deref(),
            group: given.group.as_deref(),
            class: given.class.as_deref().unwrap_or(&event.kind),
            custom_details: Details {
                event_id: &event.id,
                tenant: &event.tenant,
                trace_id: &event.trace_id,
                data: data.as_deref(),
            },
        }),
        client: Some("OpenClaw"),
        client_url: settings.client_url.as_deref(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn sent(kind: &str, data: &Value) -> Value {
        let event = Event {
            kind: kind.to_owned(),
            data: data.to_string(),
            settings: json!({ "routing_key": "${KEY}" }).to_string(),
            ..Event::default()
        };
        match pagerduty(&event).unwrap() {
            Outcome::Deliver(payload) => serde_json::from_slice(&payload.body).unwrap(),
            Outcome::Skip(reason) => json!(reason),
        }
    }

    #[test]
    fn a_success_resolves_exactly_what_the_failure_of_the_same_skill_triggered() {
        let failure = sent("agent.error", &json!({ "message": "no", "context": { "task_name": "deploy" } }));
        let success = sent("agent.task.completed", &json!({ "task_name": "deploy/run", "result": "ok" }));
        assert_eq!((&failure["event_action"], &success["event_action"]), (&json!("trigger"), &json!("resolve")));
        assert_eq!(failure["dedup_key"], json!("openclaw/default/skill/deploy"));
        assert_eq!(failure["dedup_key"], success["dedup_key"]);
    }

    #[test]
    fn nothing_is_longer_than_pagerduty_takes() {
        let long = "x".repeat(200 << 10);
        let body = sent("agent.error", &json!({ "message": long, "context": { "task_name": long } }));
        assert_eq!(body["payload"]["summary"].as_str().unwrap().chars().count(), SUMMARY);
        assert!(body["dedup_key"].as_str().unwrap().chars().count() <= DEDUP_KEY);
        assert_eq!(body["payload"]["custom_details"].get("data"), None);
    }
}
