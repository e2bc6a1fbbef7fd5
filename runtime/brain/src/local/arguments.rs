//! Arguments out of text: `key=value` pairs or a JSON object, read by what the tool's schema says of each.

use serde_json::{Map, Value};

/// The properties of a schema with their types, and which are required.
pub(super) struct Shape {
    /// Name, type and allowed values of each property.
    pub(super) properties: Vec<(String, String, Vec<Value>)>,
    /// Names of those that must be there.
    pub(super) required: Vec<String>,
}

/// What a schema says at its top. A schema that says nothing has no properties.
pub(super) fn shape(schema: &str) -> Shape {
    let schema: Value = serde_json::from_str(schema).unwrap_or_default();
    let properties =
        schema.get("properties").and_then(Value::as_object).into_iter().flatten().map(|(name, property)| {
            let kind = property.get("type").and_then(Value::as_str).unwrap_or("string").to_owned();
            let allowed = property.get("enum").and_then(Value::as_array).cloned().unwrap_or_default();
            (name.clone(), kind, allowed)
        });
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    Shape {
        properties: properties.collect(),
        required: required.filter_map(Value::as_str).map(str::to_owned).collect(),
    }
}

/// How a tool is called, as a usage line shows it.
pub(super) fn signature(schema: &str) -> String {
    let Shape { properties, required } = shape(schema);
    let one = |(name, _, _): &(String, String, Vec<Value>)| match required.contains(name) {
        true => format!(" {name}=…"),
        false => format!(" [{name}=…]"),
    };
    properties.iter().map(one).collect()
}

/// Reads what follows a command's name.
pub(super) fn read(schema: &str, text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Ok("{}".to_owned());
    }
    if text.starts_with('{') {
        return match serde_json::from_str::<Map<String, Value>>(text) {
            Ok(_) => Ok(text.to_owned()),
            Err(error) => Err(format!("that is no JSON object: {error}")),
        };
    }
    let shape = shape(schema);
    let words = split(text)?;
    if !words.first().is_some_and(|(word, _)| word.contains('='))
        && let Some(name) = only_text(&shape)
    {
        return Ok(Value::Object(Map::from_iter([(name.to_owned(), text.into())])).to_string());
    }
    let mut arguments = Map::new();
    for (word, equals) in words {
        let Some((key, value)) = equals.map(|at| word.split_at(at)) else {
            return Err(format!("`{word}` is no `key=value`"));
        };
        let value = value.strip_prefix('=').unwrap_or(value);
        arguments.insert(key.to_owned(), typed(&shape, key, value));
    }
    Ok(Value::Object(arguments).to_string())
}

/// The one property that takes all of a text that names none.
fn only_text(shape: &Shape) -> Option<&str> {
    let is_text = |name: &str| shape.properties.iter().any(|(known, kind, _)| known == name && kind == "string");
    match (shape.required.as_slice(), shape.properties.as_slice()) {
        ([name], _) | ([], [(name, ..)]) if is_text(name) => Some(name),
        _ => None,
    }
}

/// A value as the schema wants it. What does not fit stays text: the tool's own check names the path.
pub(super) fn typed(shape: &Shape, key: &str, value: &str) -> Value {
    let kind = shape.properties.iter().find(|(name, ..)| name == key).map(|(_, kind, _)| kind.as_str());
    match kind {
        None | Some("string") => value.into(),
        Some(_) => serde_json::from_str(value).unwrap_or_else(|_| value.into()),
    }
}

/// Words at spaces outside double quotes, each with the place of its first `=` outside them.
fn split(text: &str) -> Result<Vec<(String, Option<usize>)>, String> {
    let (mut words, mut word, mut equals) = (Vec::new(), String::new(), None);
    let (mut is_quoted, mut has_word) = (false, false);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => (is_quoted, has_word) = (!is_quoted, true),
            '\\' if is_quoted => word.extend(letters.next()),
            letter if letter.is_whitespace() && !is_quoted => {
                if std::mem::take(&mut has_word) {
                    words.push((std::mem::take(&mut word), equals.take()));
                }
            }
            letter => {
                if letter == '=' && !is_quoted && equals.is_none() {
                    equals = Some(word.len());
                }
                word.push(letter);
                has_word = true;
            }
        }
    }
    if is_quoted {
        return Err("a quote is not closed".to_owned());
    }
    if has_word {
        words.push((word, equals));
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{"type":"object","required":["service"],"properties":{
        "service":{"type":"string"},"count":{"type":"integer"},"dry":{"type":"boolean"},"tags":{"type":"array"}}}"#;

    #[test]
    fn pairs_are_read_by_the_schemas_types() {
        let read = |text| read(SCHEMA, text);
        assert_eq!(
            read(r#"service="api v2" count=3 dry=true tags=[1]"#).unwrap(),
            r#"{"count":3,"dry":true,"service":"api v2","tags":[1]}"#
        );
        assert_eq!(read("service=3 count=many").unwrap(), r#"{"count":"many","service":"3"}"#);
        assert_eq!(read("service=a=b").unwrap(), r#"{"service":"a=b"}"#);
        assert_eq!(read("api v2").unwrap(), r#"{"service":"api v2"}"#, "the one required text takes all of it");
        assert_eq!(read(r#"{"service": 1.10}"#).unwrap(), r#"{"service": 1.10}"#);
        assert_eq!(read("").unwrap(), "{}");
        assert!(read("{no").unwrap_err().starts_with("that is no JSON object"));
        assert!(read("count=1 x").unwrap_err().contains("`x` is no `key=value`"));
        assert!(read("service=\"x").is_err());
    }

    #[test]
    fn a_signature_shows_what_is_required() {
        assert_eq!(signature(SCHEMA), " [count=…] [dry=…] service=… [tags=…]");
        assert_eq!(signature("no schema"), "");
    }
}
