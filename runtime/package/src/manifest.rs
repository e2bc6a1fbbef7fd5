//! `skill.toml`: what a component says of itself.
//!
//! Invariant: a [`Manifest`] is complete and valid; an unknown key is an error, since a misspelt one would
//! otherwise be a wish that nobody hears.

use std::str::FromStr;

use openclaw_domain::{CapabilityRequest, SkillName, World};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::requests::{RequestFile, read_requests};

/// The custom section of a component file that holds its `skill.toml`, as text.
pub const MANIFEST_SECTION: &str = "openclaw:skill.toml";

/// Most bytes of a `skill.toml`: it is kept in memory for every installed skill.
const MAX_BYTES: usize = 64 << 10;
/// Most bytes of a description: it stands in lists.
pub(crate) const MAX_DESCRIPTION_BYTES: usize = 1024;

/// What a component says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// What the skill is called unless the operator says otherwise.
    pub name: SkillName,
    /// The author's version, for people; components are known by their digest.
    pub version: String,
    /// One sentence.
    pub description: String,
    /// The contract it is built for.
    pub world: World,
    /// What it asks for, with a reason each. Nothing is granted by asking.
    pub capabilities: Vec<CapabilityRequest>,
    /// Its settings unless the operator says otherwise.
    pub settings: Map<String, Value>,
    /// The component file to embed this into, relative to `skill.toml`; only read by `openclaw skills build`,
    /// for components that another toolchain makes.
    pub component: Option<String>,
}

/// Why a text is no `skill.toml`. The text names the key, the reason and what would do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// It is not TOML, or a key is unknown, missing or of the wrong type.
    #[error("skill.toml is not valid: {0}")]
    Malformed(String),
    /// A key's value is wrong.
    #[error("`{key}` in skill.toml {reason}")]
    Value {
        /// The key, as `settings.colour`.
        key: String,
        /// Why and what would do, as the rest of a sentence that begins with the key.
        reason: String,
    },
    /// It is larger than any `skill.toml` needs to be.
    #[error("skill.toml has {0} bytes; at most {MAX_BYTES} are read")]
    TooLarge(usize),
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    version: String,
    description: String,
    world: String,
    #[serde(default)]
    capabilities: Vec<RequestFile>,
    #[serde(default)]
    settings: toml::Table,
    component: Option<String>,
}

impl Manifest {
    /// Reads a `skill.toml`.
    ///
    /// # Errors
    /// [`ManifestError`], naming the key that is wrong.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        if text.len() > MAX_BYTES {
            return Err(ManifestError::TooLarge(text.len()));
        }
        let file: File =
            toml::from_str(text).map_err(|error| ManifestError::Malformed(error.to_string().trim_end().to_owned()))?;
        let name = file.name.parse().map_err(|error: openclaw_domain::IdError| wrong("name", error.to_string()))?;
        let world = World::from_name(&file.world).ok_or_else(|| {
            let known = World::ALL.map(|world| format!("`{world}`")).join(", ");
            wrong("world", format!("is `{}`: use one of {known}", file.world.escape_debug()))
        })?;
        check_line("version", &file.version, 64)?;
        check_line("description", &file.description, MAX_DESCRIPTION_BYTES)?;
        let capabilities = read_requests(file.capabilities)?;
        if let (Some(first), true) = (capabilities.first(), world != World::Skill) {
            let reason = format!("asks for `{}`: a transform imports nothing and is granted nothing", first.capability);
            return Err(wrong("capabilities", reason));
        }
        Ok(Self {
            name,
            version: file.version,
            description: file.description,
            world,
            capabilities,
            settings: to_json("settings", file.settings)?,
            component: file.component,
        })
    }

    /// What it asks for, as it is recorded at install.
    pub fn requests(&self) -> Vec<CapabilityRequest> {
        self.capabilities.clone()
    }
}

impl FromStr for Manifest {
    type Err = ManifestError;

    fn from_str(text: &str) -> Result<Self, ManifestError> {
        Self::parse(text)
    }
}

pub(crate) fn wrong(key: &str, reason: impl Into<String>) -> ManifestError {
    ManifestError::Value { key: key.to_owned(), reason: reason.into() }
}

/// One line of text that says something. A control character could forge lines in lists and logs.
pub(crate) fn check_line(key: &str, text: &str, max_bytes: usize) -> Result<(), ManifestError> {
    if text.trim().is_empty() {
        return Err(wrong(key, "is empty: write something"));
    }
    if text.len() > max_bytes {
        return Err(wrong(key, format!("has {} bytes: use at most {max_bytes}", text.len())));
    }
    if text.chars().any(char::is_control) {
        return Err(wrong(key, "has a control character: use one line of text"));
    }
    Ok(())
}

fn to_json(key: &str, table: toml::Table) -> Result<Map<String, Value>, ManifestError> {
    table
        .into_iter()
        .map(|(name, value)| {
            let value = value_to_json(&format!("{key}.{name}"), value)?;
            Ok((name, value))
        })
        .collect()
}

fn value_to_json(key: &str, value: toml::Value) -> Result<Value, ManifestError> {
    Ok(match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Boolean(truth) => truth.into(),
        toml::Value::Float(number) => serde_json::Number::from_f64(number)
            .map(Value::Number)
            .ok_or_else(|| wrong(key, format!("is {number}, which JSON cannot say: use a finite number")))?,
        toml::Value::Datetime(moment) => {
            return Err(wrong(key, format!("is a date, which JSON cannot say: write \"{moment}\" in quotes")));
        }
        toml::Value::Array(items) => {
            let items = items.into_iter().enumerate();
            Value::Array(
                items.map(|(at, item)| value_to_json(&format!("{key}[{at}]"), item)).collect::<Result<_, _>>()?,
            )
        }
        toml::Value::Table(table) => Value::Object(to_json(key, table)?),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SMALLEST: &str = "name = \"a\"\nversion = \"0.1.0\"\ndescription = \"Does a.\"\nworld = \"skill\"\n";

    fn error(text: &str) -> String {
        Manifest::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_manifest_carries_requests_with_reasons_and_settings_as_json() {
        let text = format!(
            "{SMALLEST}[[capabilities]]\nname = \"kv\"\nreason = \"remembers\"\n[settings]\nlimit = 3\n[settings.a]\nb = [1.5, true]\n"
        );
        let manifest = Manifest::parse(&text).unwrap();
        assert_eq!(manifest.name.as_str(), "a");
        assert_eq!(manifest.world, World::Skill);
        assert_eq!(manifest.requests()[0].reason, "remembers");
        assert_eq!(Value::Object(manifest.settings), json!({ "limit": 3, "a": { "b": [1.5, true] } }));
        assert!(Manifest::parse(SMALLEST).unwrap().requests().is_empty());
    }

    #[test]
    fn an_error_names_the_key_the_reason_and_the_fix() {
        assert!(error(&SMALLEST.replace("\"a\"", "\"A b\"")).starts_with("`name` in skill.toml"));
        assert!(
            error(&SMALLEST.replace("\"skill\"", "\"channel\""))
                .contains("use one of `skill`, `transform`, `ingress-transform`, `egress-transform`")
        );
        assert!(error(&format!("{SMALLEST}nmae = 1\n")).contains("unknown field `nmae`"));
        assert!(error("name = \"a\"").contains("missing field"));
        assert!(error(&format!("{SMALLEST}[settings]\nday = 2026-11-22\n")).contains("`settings.day`"));
        assert!(error(&SMALLEST.replace("Does a.", "")).contains("`description` in skill.toml is empty"));
        assert!(error(&SMALLEST.replace("Does a.", "a\\u001b[2J")).contains("control character"));
        let transform = SMALLEST.replace("\"skill\"", "\"transform\"");
        let asks = "[[capabilities]]\nname = \"kv\"\nreason = \"x\"\n";
        assert!(error(&format!("{transform}{asks}")).contains("a transform imports nothing"));
        assert!(error(&"#".repeat(MAX_BYTES + 1)).contains("at most 65536"));
    }
}
