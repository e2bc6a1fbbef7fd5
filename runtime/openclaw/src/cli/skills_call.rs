//! `openclaw skills call NAME[/TOOL] '{json}' | key=value …`.

use std::io::Read;

use super::Context;
use super::session::Session;
use crate::console::{self, Format};
use crate::exit::Failed;
use crate::ops::{Arguments as Typed, CallView, Request};

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
    let typed = match &arguments.arguments[..] {
        [dash] if dash == "-" => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| Failed::because(format!("standard input cannot be read: {error}")))?;
            Typed::Json(text)
        }
        words => read(words)?,
    };
    let request = Request::Call {
        tenant: arguments.tenant,
        target: arguments.target,
        arguments: typed,
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

/// One JSON object as it is, or `key=value` pairs.
fn read(words: &[String]) -> Result<Typed, Failed> {
    if let [only] = words
        && only.trim_start().starts_with('{')
    {
        return Ok(Typed::Json(only.clone()));
    }
    let mut pairs: Vec<(String, String)> = Vec::new();
    for word in words {
        let Some((key, value)) = word.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            return Err(Failed::refused(format!("`{word}` is neither a JSON object nor `key=value`"))
                .hint("quote JSON for the shell: '{\"key\": \"value\"}'"));
        };
        if pairs.iter().any(|(known, _)| known == key) {
            return Err(Failed::refused(format!("`{key}` is given twice")));
        }
        pairs.push((key.to_owned(), value.to_owned()));
    }
    Ok(Typed::Pairs(pairs))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(words: &[&str]) -> Result<Typed, String> {
        read(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).map_err(|failed| failed.message)
    }

    #[test]
    fn arguments_are_one_object_or_pairs() {
        assert_eq!(typed(&[]).unwrap(), Typed::Pairs(Vec::new()));
        assert_eq!(typed(&[r#" {"a": 1.0}"#]).unwrap(), Typed::Json(r#" {"a": 1.0}"#.to_owned()));
        let pairs = [("n", "3"), ("eq", "a=b"), ("empty", "")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(typed(&["n=3", "eq=a=b", "empty="]).unwrap(), Typed::Pairs(pairs.to_vec()));
    }

    #[test]
    fn words_that_are_neither_are_refused() {
        assert_eq!(typed(&["hello"]).unwrap_err(), "`hello` is neither a JSON object nor `key=value`");
        assert_eq!(typed(&["a=1", "a=2"]).unwrap_err(), "`a` is given twice");
    }
}
