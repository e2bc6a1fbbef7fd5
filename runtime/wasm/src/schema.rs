//! JSON Schemas of strangers: compiled once, their patterns on an engine without backtracking, and each check judged
//! for what it may cost before it begins.
//!
//! Invariant: a check on a thread that does I/O takes no more than [`SMALL`] evaluations; no check takes more than
//! [`LARGEST`].

use jsonschema::{PatternOptions, Retrieve, Uri, Validator};
use serde_json::Value;

use crate::schema_cost::Costs;

/// A longer schema is refused.
const SCHEMA_BYTES: usize = 64 << 10;
/// Bytes of a compiled pattern: some thousand states, which is what a byte of text may cost at worst.
const PATTERN_BYTES: usize = 64 << 10;
/// So many characters of a validator's reason are told.
const REASON_CHARS: usize = 400;
/// A longer value is never checked on a thread that does I/O: reading it alone takes tens of microseconds.
const SMALL_BYTES: usize = 16 << 10;
/// Evaluations that may be done on a thread that does I/O: an estimated millisecond.
const SMALL: u64 = 10_000;
/// Evaluations of one check: an estimated second, and room for a mebibyte of values under an honest schema, which takes some
/// tens of evaluations a value.
const LARGEST: u64 = 16_000_000;
/// Evaluations that may nest on a thread that does I/O, whose stack has 2 MiB.
const SMALL_NESTING: u64 = 128;
/// Evaluations that may nest in one check, on a guest thread.
const LARGEST_NESTING: u64 = 1_024;
/// Bytes of a value that weigh as much as one value more: texts are compared, and patterns run over them.
const BYTES_A_VALUE: u64 = 16;

/// Where a value may be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Here and now.
    Small,
    /// Where guests run, within the deadline of the call.
    Large,
    /// Nowhere.
    TooLarge,
}

/// A compiled schema.
#[derive(Debug)]
pub(crate) struct Schema {
    validator: Validator,
    costs: Costs,
}

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// JSON pointer to it; empty for the value as a whole.
    pub(crate) path: String,
    pub(crate) reason: String,
}

/// Refuses to fetch: a schema that points elsewhere would make the gateway read files or call out.
struct NoReferences;

impl Retrieve for NoReferences {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err(format!("`$ref` to `{uri}` leaves the document; put the definition under `$defs`").into())
    }
}

impl Schema {
    /// Compiles a schema; the error completes a sentence that begins with its name.
    pub(crate) fn compile(text: &str) -> Result<Self, String> {
        if text.len() > SCHEMA_BYTES {
            return Err(format!("is larger than {SCHEMA_BYTES} bytes"));
        }
        let value: Value = serde_json::from_str(text).map_err(|error| format!("is not JSON: {error}"))?;
        if let Some(dialect) = value.get("$schema").and_then(Value::as_str)
            && !["2020-12", "2019-09", "draft-07"].iter().any(|known| dialect.contains(known))
        {
            return Err(format!("is of dialect `{dialect}`; write it in 2020-12"));
        }
        let costs = Costs::of(&value)?;
        let patterns = PatternOptions::regex().size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES);
        let validator = jsonschema::options()
            .with_retriever(NoReferences)
            .with_pattern_options(patterns)
            // An annotation, as the dialect has it: some formats would make a parser of the caller's text.
            .should_validate_formats(false)
            .build(&value)
            .map_err(|error| format!("is no JSON Schema: {}", shorten(&error.to_string())))?;
        Ok(Self { validator, costs })
    }

    /// As [`Self::compile`], for values that are objects.
    pub(crate) fn compile_for_object(text: &str) -> Result<Self, String> {
        let schema = Self::compile(text)?;
        let value: Value = serde_json::from_str(text).map_err(|error| format!("is not JSON: {error}"))?;
        match value.get("type").and_then(Value::as_str) {
            Some("object") => Ok(schema),
            _ => Err("must describe an object: its root needs `\"type\": \"object\"`".to_owned()),
        }
    }

    /// Where this value, as JSON text, may be checked.
    pub(crate) fn effort(&self, text: &str) -> Effort {
        // No text holds more values, or nests deeper, than it has bytes: a short one need not be read to be known cheap.
        let bytes = text.len() as u64 + 1;
        let most = self.costs.at(text.len());
        if (bytes + bytes / BYTES_A_VALUE).saturating_mul(most.evaluations) <= SMALL && most.nesting <= SMALL_NESTING {
            return Effort::Small;
        }
        let (values, depth) = shape(text);
        let cost = self.costs.at(depth);
        let evaluations = (values + text.len() as u64 / BYTES_A_VALUE).saturating_mul(cost.evaluations);
        if evaluations > LARGEST || cost.nesting > LARGEST_NESTING {
            Effort::TooLarge
        } else if evaluations > SMALL || cost.nesting > SMALL_NESTING || text.len() > SMALL_BYTES {
            Effort::Large
        } else {
            Effort::Small
        }
    }

    /// Checks a value, whatever it costs: ask [`Self::effort`] first.
    pub(crate) fn check(&self, text: &str) -> Result<(), Wrong> {
        let value: Value = serde_json::from_str(text)
            .map_err(|error| Wrong { path: String::new(), reason: format!("not JSON: {error}") })?;
        let Err(error) = self.validator.validate(&value) else { return Ok(()) };
        Err(Wrong { path: error.instance_path().to_string(), reason: shorten(&error.to_string()) })
    }
}

/// How many values a JSON text holds, or more, and how deep they nest: told from its punctuation.
fn shape(text: &str) -> (u64, usize) {
    let (mut values, mut depth, mut deepest) = (1_u64, 0_usize, 0);
    let (mut in_text, mut escaped) = (false, false);
    for byte in text.bytes() {
        if in_text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b',' => values += 1,
            b'{' | b'[' => {
                values += 1;
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    (values, deepest)
}

fn shorten(text: &str) -> String {
    text.chars().take(REASON_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_shape_of_a_text_is_told_from_its_punctuation() {
        assert_eq!(shape("7"), (1, 0));
        assert_eq!(shape(r#"{"a":[1,2],"b":"[[[\"[["}"#), (5, 2));
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
            r#"{"$schema":"http://json-schema.org/draft-04/schema#","type":"object"}"#,
        ] {
            assert!(Schema::compile_for_object(schema).is_err(), "{schema}");
        }
        let long = format!("{{\"type\":\"object\",\"x\":\"{}\"}}", "y".repeat(SCHEMA_BYTES));
        assert!(Schema::compile_for_object(&long).is_err());
        Schema::compile_for_object(
            r##"{"type":"object","properties":{"a":{"$ref":"#/$defs/b"}},"$defs":{"b":{"type":"string"}}}"##,
        )
        .expect("references within the document are fine");
    }

    #[test]
    fn patterns_run_without_backtracking_and_only_small_ones() {
        let with = |pattern: &str| Schema::compile(&json!({ "pattern": pattern }).to_string());
        for honest in ["^[a-z0-9-]{1,64}$", r"^\w+@\w+\.[a-z]{2,}$", r"^\d{4}-\d{2}-\d{2}T", "^.{1,100}$"] {
            assert!(with(honest).is_ok(), "{honest}: {:?}", with(honest).err());
        }
        for refused in [r"(a)\1", "(?=a)b", r"^(([a-z]{1,100}-){1,100},)+$"] {
            assert!(with(refused).is_err(), "{refused}");
        }
        let slow = with("^(a+)+$").unwrap();
        slow.check(&format!("\"{}b\"", "a".repeat(10_000))).unwrap_err();
    }

    #[test]
    fn the_effort_follows_the_value() {
        let schema = Schema::compile(r#"{"type":"array","items":{"type":"integer"}}"#).unwrap();
        let numbers = |count: usize| serde_json::to_string(&vec![7; count]).unwrap();
        assert_eq!(schema.effort(&numbers(100)), Effort::Small);
        assert_eq!(schema.effort(&numbers(10_000)), Effort::Large);
        let branching = r##"{"properties":{"n":{"allOf":[{"$ref":"#"},{"$ref":"#"}]}}}"##;
        let branching = Schema::compile(branching).unwrap();
        let nested = |depth: usize| format!("{}{{}}{}", "{\"n\":".repeat(depth), "}".repeat(depth));
        assert_eq!(branching.effort(&nested(3)), Effort::Small);
        assert_eq!(branching.effort(&nested(12)), Effort::Large);
        assert_eq!(branching.effort(&nested(60)), Effort::TooLarge);
        let nullable = r##"{"type":"array","items":{"anyOf":[{"$ref":"#/$defs/a"},{"type":"null"}]},
            "$defs":{"a":{"type":"object","properties":{"n":{"type":"string","pattern":"^a"}}}}}"##;
        let nullable = Schema::compile(nullable).unwrap();
        let mebibyte = serde_json::to_string(&vec![json!({ "n": "abcdefgh" }); 62_000]).unwrap();
        assert!(mebibyte.len() > 1 << 20);
        assert_eq!(nullable.effort(&mebibyte), Effort::Large, "large and honest");
    }

    #[test]
    fn formats_are_notes() {
        Schema::compile(r#"{"format":"regex"}"#).unwrap().check(r#""(""#).unwrap();
    }

    #[test]
    fn the_longest_chain_of_references_fits_the_stack_of_a_thread() {
        // Each definition is three subschemas: itself, its member, and the reference.
        let mut definitions = serde_json::Map::new();
        for at in 0..500 {
            let next = json!({ "$ref": format!("#/$defs/a{}", at + 1) });
            definitions.insert(format!("a{at}"), json!({ "properties": { "x": next } }));
        }
        definitions.insert("a500".to_owned(), json!(true));
        let schema = json!({ "$ref": "#/$defs/a0", "$defs": definitions });
        let schema = Schema::compile(&schema.to_string()).unwrap();
        let value = format!("{}7{}", "{\"x\":".repeat(120), "}".repeat(120));
        assert_ne!(schema.effort(&value), Effort::TooLarge);
        schema.check(&value).unwrap();
    }
}
