//! `skills.entries.<name>.settings` and `tenants.<name>.skills.<name>.settings`: what a skill reads through
//! `wasi:config`.
//!
//! Invariant: each setting is one text. What is written as something else than a string is its JSON text, so a skill
//! can tell `"8080"` from nothing but never sees a type the interface does not have.

use std::collections::BTreeMap;

use openclaw_domain::SkillName;
use serde_json::Value;

use super::problem::Problems;
use super::read::Object;

/// The settings of each skill that has some.
pub(crate) type SettingsOfSkills = BTreeMap<SkillName, BTreeMap<String, String>>;

/// Reads the entries of an object whose keys are names of skills.
pub(crate) fn read(entries: &Object<'_>, problems: &mut Problems) -> SettingsOfSkills {
    let mut found = SettingsOfSkills::new();
    for (name, at, value) in entries.entries() {
        let Some(entry) = Object::of(at.clone(), value, &["settings"], problems) else { continue };
        let settings = entry.object("settings", &[], problems);
        match name.parse::<SkillName>() {
            Ok(name) => {
                let texts = settings.iter().flat_map(Object::entries);
                found.insert(name, texts.map(|(key, _, value)| (key.to_owned(), text_of(value))).collect());
            }
            Err(error) => problems.error(at, "is not named as a skill can be", format!("use {}", error.rule)),
        }
    }
    found
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
