//! `secrets`, `config`, `events` and `progress`.

use openclaw_guest::{Failure, tool};
use schemars::JsonSchema;
use serde::Deserialize;

/// A name and a text.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Named {
    /// The name.
    #[serde(default)]
    name: String,
    /// The text.
    #[serde(default)]
    text: String,
}

/// Whether a secret has a value.
#[tool]
pub(crate) fn exists(wanted: &Named) -> Result<String, Failure> {
    let exists = openclaw_guest::secrets::exists(&wanted.name).map_err(|error| error.to_string())?;
    Ok(exists.to_string())
}

/// Signs a text.
#[tool]
pub(crate) fn sign(wanted: &Named) -> Result<String, Failure> {
    let code = openclaw_guest::secrets::hmac_sha256(&wanted.name, wanted.text.as_bytes());
    let code = code.map_err(|error| error.to_string())?;
    Ok(code.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// One setting.
#[tool]
pub(crate) fn config(wanted: &Named) -> Result<String, Failure> {
    let value = openclaw_guest::config::get(&wanted.name).map_err(|error| error.to_string())?;
    Ok(value.unwrap_or_else(|| "nothing".to_owned()))
}

/// All settings.
#[tool]
pub(crate) fn config_all() -> Result<String, Failure> {
    let mut all = openclaw_guest::config::get_all().map_err(|error| error.to_string())?;
    all.sort();
    Ok(all.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "))
}

/// Emits an event whose data is a text.
#[tool]
pub(crate) fn emit(wanted: &Named) -> Result<String, Failure> {
    let data = std::collections::BTreeMap::from([("text", wanted.text.as_str())]);
    openclaw_guest::events::emit(&wanted.name, &data).map_err(|error| error.to_string())?;
    Ok("emitted".to_owned())
}

/// Says how far it is.
#[tool]
pub(crate) fn report(wanted: &Named) -> String {
    openclaw_guest::progress::report(0.5, &wanted.text);
    openclaw_guest::progress::report(f64::NAN, &wanted.text);
    openclaw_guest::progress::report(7.0, &wanted.text);
    "said".to_owned()
}
