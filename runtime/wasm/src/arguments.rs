//! Arguments against their schema, before any guest runs.
//!
//! Invariant: a schema is compiled once, at install and at load, bounded and without references out of itself.

use jsonschema::{Retrieve, Uri, Validator};
use openclaw_domain::{Refusal, SkillName, ToolName};
use serde_json::Value;

/// A longer schema is refused.
const SCHEMA_BYTES: usize = 64 << 10;
/// So many characters of a validator's reason are told.
const REASON_CHARS: usize = 400;

/// Refuses to fetch: a schema that points elsewhere would make the gateway read files or call out.
struct NoReferences;

impl Retrieve for NoReferences {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err(format!("`$ref` to `{uri}` leaves the document; put the definition under `$defs`").into())
    }
}

/// Compiles the schema of a tool's arguments.
pub(crate) fn compile(schema: &str) -> Result<Validator, String> {
    if schema.len() > SCHEMA_BYTES {
        return Err(format!("is larger than {SCHEMA_BYTES} bytes"));
    }
    let value: Value = serde_json::from_str(schema).map_err(|error| format!("is not JSON: {error}"))?;
    if value.get("type").and_then(Value::as_str) != Some("object") {
        return Err("must describe an object: its root needs `\"type\": \"object\"`".to_owned());
    }
    jsonschema::options()
        .with_retriever(NoReferences)
        .build(&value)
        .map_err(|error| format!("is no JSON Schema: {}", shorten(&error.to_string())))
}

/// Checks one call's arguments. The error names the path of what is wrong.
pub(crate) fn check(validator: &Validator, skill: &SkillName, tool: &ToolName, arguments: &str) -> Result<(), Refusal> {
    let wrong = |path: String, reason: String| Refusal::InvalidArguments {
        skill: skill.clone(),
        tool: tool.clone(),
        path,
        reason,
    };
    let value: Value =
        serde_json::from_str(arguments).map_err(|error| wrong(String::new(), format!("not JSON: {error}")))?;
    let Err(error) = validator.validate(&value) else { return Ok(()) };
    Err(wrong(error.instance_path().to_string(), shorten(&error.to_string())))
}

fn shorten(text: &str) -> String {
    text.chars().take(REASON_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_with(schema: &str, arguments: &str) -> Result<(), String> {
        let validator = compile(schema).unwrap();
        check(&validator, &"s".parse().unwrap(), &"t".parse().unwrap(), arguments).map_err(|error| error.to_string())
    }

    const SCHEMA: &str = r#"{"type":"object","properties":{"commits":{"type":"array","items":{"type":"string"}}},
        "required":["commits"],"additionalProperties":false}"#;

    #[test]
    fn the_error_names_the_path() {
        assert_eq!(check_with(SCHEMA, r#"{"commits":["a"]}"#), Ok(()));
        let error = check_with(SCHEMA, r#"{"commits":["a",7]}"#).unwrap_err();
        assert!(error.contains("`/commits/1`"), "{error}");
        assert!(check_with(SCHEMA, "{}").unwrap_err().contains("\"commits\" is a required property"));
        assert!(check_with(SCHEMA, "[]").unwrap_err().contains("not of type \"object\""));
        assert!(check_with(SCHEMA, "{").unwrap_err().contains("not JSON"));
    }

    #[test]
    fn a_schema_that_reaches_out_or_describes_no_object_is_refused() {
        for schema in [
            r#"{"type":"object","properties":{"a":{"$ref":"http://127.0.0.1/x"}}}"#,
            r#"{"type":"object","properties":{"a":{"$ref":"file:///etc/passwd"}}}"#,
            r#"{"type":"string"}"#,
            "true",
            "{",
            r#"{"type":"object","properties":{"a":{"type":"nonsense"}}}"#,
        ] {
            assert!(compile(schema).is_err(), "{schema}");
        }
        assert!(compile(&format!("{{\"type\":\"object\",\"x\":\"{}\"}}", "y".repeat(SCHEMA_BYTES))).is_err());
        compile(r##"{"type":"object","properties":{"a":{"$ref":"#/$defs/b"}},"$defs":{"b":{"type":"string"}}}"##)
            .expect("references within the document are fine");
    }
}
