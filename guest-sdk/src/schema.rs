//! JSON Schemas (dialect 2020-12) from Rust types, as tools declare them.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

/// The schema of a tool that takes no arguments.
pub(crate) const NO_ARGUMENTS: &str = r#"{"type":"object","additionalProperties":false}"#;

/// The schema of a tool's arguments. Its root describes an object, as the contract demands.
///
/// # Panics
/// If `T` is not read from a JSON object. Schemas are asked for once, at install, so this is seen there.
pub(crate) fn of_arguments<T: JsonSchema>() -> String {
    let mut schema =
        root(SchemaSettings::draft2020_12().for_deserialize().into_generator().into_root_schema_for::<T>());
    match schema.get("type") {
        Some(Value::String(kind)) if kind == "object" => {}
        // An enum with a tag inside is an object, and its schema does not say so.
        None => {
            schema.insert("type".to_owned(), "object".into());
        }
        Some(other) => panic!("the arguments of a tool are a struct, not {other}: wrap the value in one"),
    }
    schema.to_value().to_string()
}

/// The schema of a structured result; `None` for what is not always an object, which clients do not accept.
pub(crate) fn of_result<T: JsonSchema>() -> Option<String> {
    let schema = root(SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>());
    (schema.get("type")? == "object").then(|| schema.to_value().to_string())
}

/// The schema of an answer.
pub(crate) fn of_answer<T: JsonSchema>() -> String {
    root(SchemaSettings::draft2020_12().for_deserialize().into_generator().into_root_schema_for::<T>())
        .to_value()
        .to_string()
}

/// Without the name of the Rust type: it means nothing to a caller, and models read every word.
fn root(mut schema: Schema) -> Schema {
    schema.remove("title");
    schema
}
