//! What an automation's `rest_command` sends: a JSON object or a form with a few well-known fields.

use std::collections::BTreeMap;

use event_notice::one_line;
use openclaw_guest::ingress_transform::{Failure, Outcome, Request};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Characters of one field.
const FIELD: usize = 200;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Settings {
    /// Call this skill (`name` or `name/tool`) with the report's fields, instead of telling the agent.
    skill: Option<String>,
}

pub(crate) fn take(request: &Request) -> Result<Outcome, Failure> {
    let settings: Settings = request.settings()?;
    let fields = match request.content_type.as_deref() {
        Some("application/x-www-form-urlencoded") => Fields::of_form(request.form()?)?,
        _ => Fields(request.json()?),
    };
    if let Some(skill) = &settings.skill {
        return Outcome::invoke(skill, &fields.0);
    }
    fields.say().map(Outcome::message).ok_or_else(|| {
        Failure::unsupported_body(
            "the report has no `message`, `event` or `entity_id`: send one of them from the automation's `rest_command`",
        )
    })
}

/// The fields of a report, each as JSON text. A map in order: the same report gives the same bytes.
struct Fields(BTreeMap<String, Box<RawValue>>);

impl Fields {
    fn of_form(form: Vec<(String, String)>) -> Result<Self, Failure> {
        let quoted =
            |text: &str| serde_json::value::to_raw_value(text).map_err(|error| Failure::failed(error.to_string()));
        form.into_iter().map(|(name, value)| Ok((name, quoted(&value)?))).collect::<Result<_, Failure>>().map(Self)
    }

    /// A field as one line; `None` if it is absent, `null` or empty.
    fn get(&self, name: &str) -> Option<String> {
        let json = self.0.get(name)?.get();
        let text = match serde_json::from_str::<String>(json) {
            Ok(text) => text,
            Err(_) if json == "null" => String::new(),
            Err(_) => json.to_owned(),
        };
        Some(one_line(&text, FIELD)).filter(|text| !text.is_empty())
    }

    fn first(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.get(name))
    }

    /// The report as a sentence.
    fn say(&self) -> Option<String> {
        let place = self.first(&["location", "area"]).map_or_else(String::new, |place| format!(" at {place}"));
        if let Some(message) = self.get("message") {
            return Some(format!("Home Assistant{place} says: {message}"));
        }
        if let Some(event) = self.get("event") {
            return Some(format!("Home event: {event}{place}"));
        }
        let entity = self.get("entity_id")?;
        let state = self.first(&["to_state", "to", "state"]);
        let before = self.first(&["from_state", "from"]).map_or_else(String::new, |state| format!(" (was {state})"));
        Some(match state {
            Some(state) => format!("Home event: {entity}{place} is {state}{before}"),
            None => format!("Home event: {entity}{place} changed"),
        })
    }
}
