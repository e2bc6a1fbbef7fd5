//! `secrets` and `tenants.<name>.secrets`: where the values of secrets are that this gateway does not keep itself.
//!
//! Invariant: a value never stands in the configuration, so reading, printing or reloading it cannot show one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use openclaw_domain::SecretName;
use serde_json::Value;

use super::problem::Problems;
use super::read::Object;

/// Where a secret's value is read at each use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SecretSource {
    /// An environment variable of the gateway.
    Env(String),
    /// A file; one line end at its end does not count.
    File(PathBuf),
}

/// Reads `secrets` of an object, if it stands there.
pub(crate) fn read(parent: &Object<'_>, problems: &mut Problems) -> BTreeMap<SecretName, SecretSource> {
    let Some(secrets) = parent.object("secrets", &[], problems) else { return BTreeMap::new() };
    let mut found = BTreeMap::new();
    for (name, at, value) in secrets.entries() {
        let source = source(&at, value, problems);
        match name.parse::<SecretName>() {
            Ok(name) => {
                if let Some(source) = source {
                    found.insert(name, source);
                }
            }
            Err(error) => problems.error(at, "is not named as a secret can be", format!("use {}", error.rule)),
        }
    }
    found
}

fn source(at: &str, value: &Value, problems: &mut Problems) -> Option<SecretSource> {
    const FIX: &str = "write `{ \"env\": \"NAME\" }` or `{ \"file\": \"/path\" }`, or keep the value with \
                       `openclaw secrets set` and remove the key";
    if value.is_string() {
        problems.error(at, "is a string, and a value does not belong into this file", FIX);
        return None;
    }
    let source = Object::of(at, value, &["env", "file"], problems)?;
    match (source.text("env", problems), source.text("file", problems)) {
        (Some(name), None) if is_variable_name(&name) => Some(SecretSource::Env(name)),
        (Some(_), None) => {
            problems.error(source.at("env"), "is no name of a variable", "write the name alone: `GITHUB_TOKEN`");
            None
        }
        // The gateway may be started from any folder.
        (None, Some(path)) if path.starts_with('/') => Some(SecretSource::File(path.into())),
        (None, Some(_)) => {
            problems.error(source.at("file"), "is no absolute path", "begin it with `/`");
            None
        }
        _ => {
            problems.error(at, "does not say where one value is", FIX);
            None
        }
    }
}

fn is_variable_name(name: &str) -> bool {
    !name.is_empty() && !name.bytes().any(|byte| matches!(byte, b'=' | b'$' | b'{' | b'}' | b' ' | 0))
}
