//! Fills `${VAR}` in from the environment, in strings that were already parsed.
//!
//! Invariant: a variable's value is only ever the inside of one string. It cannot add a key, close a quote or be
//! expanded again. `$${X}` stands for the text `${X}`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::problem::Problems;

/// The variables a configuration may name: the process's own, or a test's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The variables of this process; ones that are not UTF-8 do not count.
    pub(crate) fn of_process() -> Self {
        let text = |word: std::ffi::OsString| word.into_string().ok();
        Self(std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect())
    }

    /// A variable's value, if it is set.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(variables: [(&str, &str); N]) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

/// Expands every string under `value`; what cannot be expanded stays as it is and becomes a problem.
pub(crate) fn expand(value: &mut Value, path: &str, variables: &Environment, problems: &mut Problems) {
    match value {
        Value::String(text) => {
            if let Some(expanded) = expand_text(text, path, variables, problems) {
                *text = expanded;
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                expand(item, &format!("{path}[{index}]"), variables, problems);
            }
        }
        Value::Object(entries) => {
            for (key, item) in entries {
                let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                expand(item, &inner, variables, problems);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A text with its variables filled in; `None` if one cannot be, which becomes a problem of `path`.
pub(super) fn expand_text(text: &str, path: &str, variables: &Environment, problems: &mut Problems) -> Option<String> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        if let Some(kept) = before.strip_suffix('$') {
            expanded.push_str(kept);
            expanded.push_str("${");
            rest = &from[2..];
            continue;
        }
        expanded.push_str(before);
        let Some((name, after)) = from[2..].split_once('}').filter(|(name, _)| is_variable_name(name)) else {
            problems.error(
                path,
                "has a `${` that no variable name and `}` follow",
                "write `${NAME}` for a variable, `$${` for the characters themselves",
            );
            return None;
        };
        let Some(value) = variables.get(name) else {
            problems.error(
                path,
                format!("needs the environment variable `{name}`, which is not set"),
                format!("`export {name}=…` before the gateway starts, or write `$${{{name}}}` for the text itself"),
            );
            return None;
        };
        expanded.push_str(value);
        rest = after;
    }
    expanded.push_str(rest);
    Some(expanded)
}

fn is_variable_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn expanded(mut value: Value) -> (Value, Vec<String>) {
        let mut problems = Problems::default();
        let variables =
            Environment::from([("TOKEN", "s3cr\"et"), ("HOST", "10.0.0.1"), ("NESTED", "${TOKEN}"), ("EMPTY", "")]);
        expand(&mut value, "", &variables, &mut problems);
        let found = match problems.finish(None) {
            Ok(_) => Vec::new(),
            Err(error) => error.problems.iter().map(ToString::to_string).collect(),
        };
        (value, found)
    }

    #[test]
    fn a_variable_is_filled_in_wherever_a_string_names_it() {
        let (value, problems) = expanded(json!({
            "a": "${TOKEN}", "b": ["x-${HOST}-${HOST}"], "c": {"d": "${EMPTY}"}, "e": 7, "f": "no $ here", "g": "$HOST"
        }));
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(
            value,
            json!({"a": "s3cr\"et", "b": ["x-10.0.0.1-10.0.0.1"], "c": {"d": ""}, "e": 7, "f": "no $ here", "g": "$HOST"})
        );
    }

    #[test]
    fn a_value_is_never_expanded_again_and_keys_never_are() {
        assert_eq!(expanded(json!({"${HOST}": "${NESTED}"})), (json!({"${HOST}": "${TOKEN}"}), vec![]));
    }

    #[test]
    fn a_doubled_dollar_stands_for_the_text() {
        assert_eq!(expanded(json!("$${HOST} and ${HOST}")), (json!("${HOST} and 10.0.0.1"), vec![]));
    }

    #[test]
    fn an_unset_variable_names_the_key_and_the_variable() {
        let (_, problems) = expanded(json!({"webhooks": {"incoming": {"endpoints": [{"secret": "${NOPE}"}]}}}));
        assert_eq!(
            problems,
            ["`webhooks.incoming.endpoints[0].secret` needs the environment variable `NOPE`, which is not set: \
              `export NOPE=…` before the gateway starts, or write `$${NOPE}` for the text itself"]
        );
    }

    #[test]
    fn a_dollar_brace_that_is_no_variable_is_refused() {
        for bad in ["${", "${}", "${A B}", "${1A}", "${A", "${{ x }}"] {
            assert_eq!(expanded(json!(bad)).1.len(), 1, "{bad}");
        }
    }
}
