//! An event for one of three doors of Home Assistant: a webhook trigger, an event, or a notification.

use event_notice::{Level, Notice, cut};
use openclaw_guest::egress_transform::{Event, Failure, Outcome};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Characters of a message: what a phone still shows, and a template's state (255) is the automation's to cut.
const MESSAGE: usize = 1000;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// Which door the endpoint's URL is.
    api: Api,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Api {
    /// `/api/webhook/<id>`: an automation reads `trigger.json`.
    #[default]
    Webhook,
    /// `/api/events/<type>`: an automation reads `trigger.event.data`. The body is the same.
    Event,
    /// `/api/services/notify/<service>`: a message on a phone.
    Notify,
}

/// What automations read.
#[derive(Serialize)]
struct Report<'a> {
    event: &'a str,
    id: &'a str,
    timestamp: &'a str,
    tenant: &'a str,
    severity: &'static str,
    title: String,
    message: String,
    data: &'a RawValue,
}

/// The data of a `notify` service.
#[derive(Serialize)]
struct Notification {
    title: String,
    message: String,
    data: Grouping,
}

/// For the companion app: a later notification about the same thing takes the place of the earlier one.
#[derive(Serialize)]
struct Grouping {
    group: &'static str,
    tag: String,
}

pub(crate) fn body(event: &Event) -> Result<Outcome, Failure> {
    let settings: Settings = event.settings()?;
    let notice = Notice::of(&event.kind, &event.data)
        .map_err(|why| Failure::unsupported_event(format!("the data of the event {why}")))?;
    let message = cut(&notice.text, MESSAGE);
    match settings.api {
        Api::Webhook | Api::Event => Outcome::json(&Report {
            event: &event.kind,
            id: &event.id,
            timestamp: &event.timestamp,
            tenant: &event.tenant,
            severity: severity(notice.level),
            title: notice.title,
            message,
            data: &event.data::<Box<RawValue>>()?,
        }),
        Api::Notify => Outcome::json(&Notification {
            // Home Assistant refuses a notification without a message.
            message: if message.is_empty() { notice.title.clone() } else { message },
            title: notice.title,
            data: Grouping { group: "openclaw", tag: format!("openclaw/{}/{}", event.tenant, notice.subject) },
        }),
    }
}

const fn severity(level: Level) -> &'static str {
    match level {
        Level::Success => "success",
        Level::Info => "info",
        Level::Warning => "warning",
        Level::Error => "error",
        Level::Critical => "critical",
    }
}
