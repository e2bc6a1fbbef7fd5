//! The arguments of a call from the command line: JSON as it was typed, or pairs read by the tool's own schema.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What was typed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Arguments {
    /// A JSON object as text, passed on untouched.
    Json(String),
    /// `key=value` pairs.
    Pairs(Vec<(String, String)>),
}

impl Arguments {
    /// The arguments as JSON text. A shell has only strings: whether `version=1.0` is a number or a text is decided by
    /// the schema, if it says; otherwise what reads as JSON is JSON.
    pub(crate) fn into_json(self, schema: Option<&Value>) -> String {
        match self {
            Self::Json(text) => text,
            Self::Pairs(pairs) => {
                let typed = |(key, text): (String, String)| {
                    let value = typed(text, schema.map(|schema| &schema["properties"][&key]));
                    (key, value)
                };
                Value::Object(pairs.into_iter().map(typed).collect::<Map<_, _>>()).to_string()
            }
        }
    }
}

fn typed(text: String, property: Option<&Value>) -> Value {
    let Ok(read) = serde_json::from_str::<Value>(&text) else { return Value::String(text) };
    let allowed: Vec<&str> = match property.map(|property| &property["type"]) {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => return read,
    };
    let fits = allowed.iter().any(|kind| match &read {
        Value::Null => *kind == "null",
        Value::Bool(_) => *kind == "boolean",
        Value::Number(number) => *kind == "number" || (*kind == "integer" && !number.is_f64()),
        Value::String(_) => *kind == "string",
        Value::Array(_) => *kind == "array",
        Value::Object(_) => *kind == "object",
    });
    // What does not fit and cannot be text stays what it is, so that the refusal speaks of what was typed.
    if fits || !allowed.contains(&"string") { read } else { Value::String(text) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pair_is_read_as_the_schema_has_it() {
        let schema = json!({ "properties": {
            "version": { "type": ["string", "null"] }, "n": { "type": "integer" }, "list": { "type": "array" },
            "any": {}, "flag": { "type": "string" },
        }});
        let pairs = [
            ("version", "1.0"),
            ("n", "3"),
            ("list", "[1]"),
            ("any", "2"),
            ("flag", "true"),
            ("more", "x y"),
            ("empty", ""),
        ];
        let pairs = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
        assert_eq!(
            Arguments::Pairs(pairs.clone()).into_json(Some(&schema)),
            r#"{"any":2,"empty":"","flag":"true","list":[1],"more":"x y","n":3,"version":"1.0"}"#
        );
        assert!(Arguments::Pairs(pairs).into_json(None).contains(r#""version":1.0"#));
        let null = vec![("version".to_owned(), "null".to_owned()), ("n".to_owned(), "x".to_owned())];
        assert_eq!(Arguments::Pairs(null).into_json(Some(&schema)), r#"{"n":"x","version":null}"#);
    }

    #[test]
    fn json_is_passed_on_untouched() {
        assert_eq!(Arguments::Json(" {\"a\": 1.0}".to_owned()).into_json(None), " {\"a\": 1.0}");
    }
}
