//! `openclaw skills call NAME[/TOOL] '{json}' | key=value …`.

use std::io::Read;

use serde_json::{Map, Value};

use super::Context;
use super::session::Session;
use crate::console::{self, Format};
use crate::exit::Failed;
use crate::ops::{CallView, Request};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The skill, or `skill/tool`
    target: String,
    /// One JSON object, `-` to read it from standard input, or `key=value` pairs
    #[arg(value_name = "ARGUMENTS")]
    arguments: Vec<String>,
    /// Stop the call after this time, such as `500ms`
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    deadline: Option<std::time::Duration>,
    /// Whose skill
    #[arg(long, default_value = "default")]
    tenant: String,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<(), Failed> {
    let json = match &arguments.arguments[..] {
        [dash] if dash == "-" => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| Failed::because(format!("standard input cannot be read: {error}")))?;
            text
        }
        words => to_json(words)?,
    };
    let request = Request::Call {
        tenant: arguments.tenant,
        target: arguments.target,
        arguments: json,
        deadline_ms: arguments.deadline.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX)),
    };
    let reply: CallView = Session::open(context).await?.ask(request).await?;
    match context.format {
        Format::Json => console::json(&reply),
        Format::Text => {
            match &reply.input_required {
                Some(questions) => console::data(format!("{questions:#}")),
                None => console::data(console::printable(&reply.text)),
            }
            console::talk(format!(
                "{}/{} took {:.2} ms, trace {}",
                reply.skill, reply.tool, reply.duration_ms, reply.trace_id
            ));
        }
    }
    Ok(())
}

/// One JSON object as it is, or `key=value` pairs: a value that is JSON is taken as such, any other as text.
fn to_json(words: &[String]) -> Result<String, Failed> {
    if let [only] = words
        && only.trim_start().starts_with('{')
    {
        return Ok(only.clone());
    }
    let mut object = Map::new();
    for word in words {
        let Some((key, value)) = word.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            return Err(Failed::refused(format!("`{word}` is neither a JSON object nor `key=value`"))
                .hint("quote JSON for the shell: '{\"key\": \"value\"}'"));
        };
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        if object.insert(key.to_owned(), value).is_some() {
            return Err(Failed::refused(format!("`{key}` is given twice")));
        }
    }
    Ok(Value::Object(object).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(words: &[&str]) -> Result<String, String> {
        to_json(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).map_err(|failed| failed.message)
    }

    #[test]
    fn arguments_are_one_object_or_pairs() {
        assert_eq!(json(&[]).unwrap(), "{}");
        assert_eq!(json(&[r#" {"a": 1.0}"#]).unwrap(), r#" {"a": 1.0}"#);
        assert_eq!(
            json(&["n=3", "list=[1,2]", "text=hello world", "eq=a=b", "quoted=\"7\"", "empty="]).unwrap(),
            r#"{"empty":"","eq":"a=b","list":[1,2],"n":3,"quoted":"7","text":"hello world"}"#
        );
    }

    #[test]
    fn words_that_are_neither_are_refused() {
        assert_eq!(json(&["hello"]).unwrap_err(), "`hello` is neither a JSON object nor `key=value`");
        assert_eq!(json(&["a=1", "a=2"]).unwrap_err(), "`a` is given twice");
    }
}
