//! Which tool a message means, if it means one.
//!
//! Invariant: a tool is called only if the message has a word of its name, no other fits as well, everything it requires
//! is there, and its author does not call it destructive.

use openclaw_domain::ports::ModelTool;
use serde_json::{Map, Value};

use super::arguments::{self, Shape};
use super::words;

/// What a word in a tool's name counts; one in its title or description counts 1.
const NAME_WEIGHT: usize = 3;

/// What a message asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// This tool, with these arguments.
    Call { name: String, arguments: String },
    /// A tool that lacks something, or must be named: what to tell whoever asked.
    Ask(String),
    /// No tool.
    None,
}

/// Chooses a tool for free text.
pub(super) fn choose(tools: &[ModelTool], text: &str, given: &[String]) -> Choice {
    let mut ranked: Vec<(usize, &ModelTool)> =
        tools.iter().map(|tool| (score(tool, given), tool)).filter(|(score, _)| *score > 0).collect();
    ranked.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.name.cmp(&other.1.name)));
    let (best, tool) = match ranked.as_slice() {
        [] => return Choice::None,
        [(best, tool), rest @ ..] => {
            let equal: Vec<_> = rest.iter().take_while(|(score, _)| score == best).collect();
            if !equal.is_empty() {
                let names = std::iter::once(tool).chain(equal.into_iter().map(|(_, other)| other));
                let names: Vec<_> = names.take(5).map(|tool| usage(tool)).collect();
                return Choice::Ask(format!("Several skills fit; name one:\n{}", names.join("\n")));
            }
            (*best, *tool)
        }
    };
    debug_assert!(best >= NAME_WEIGHT);
    let shape = arguments::shape(&tool.schema);
    let found = found(&shape, text);
    let missing: Vec<_> = shape.required.iter().filter(|name| !found.contains_key(*name)).cloned().collect();
    if !missing.is_empty() {
        return Choice::Ask(format!("`{}` needs `{}`: {}", tool.name, missing.join("`, `"), usage(tool)));
    }
    if tool.hints.destructive {
        return Choice::Ask(format!("`{}` may destroy something, so name it: {}", tool.name, usage(tool)));
    }
    Choice::Call { name: tool.name.clone(), arguments: Value::Object(found).to_string() }
}

fn usage(tool: &ModelTool) -> String {
    format!("/{}{}", tool.name, arguments::signature(&tool.schema))
}

/// How well a tool fits; 0 if no word of its name was given.
fn score(tool: &ModelTool, given: &[String]) -> usize {
    let hits =
        |text: &str| words::of(text).iter().filter(|word| given.iter().any(|given| words::same(given, word))).count();
    let in_name = hits(&tool.name);
    match in_name {
        0 => 0,
        in_name => in_name * NAME_WEIGHT + hits(&tool.description) + tool.title.as_deref().map_or(0, hits),
    }
}

/// The arguments a text brings: `key=value`, `key: value`, `key value` for a number, or one of a property's own values.
fn found(shape: &Shape, text: &str) -> Map<String, Value> {
    let tokens: Vec<&str> = text.split_whitespace().collect();
    let mut found = Map::new();
    for (name, kind, allowed) in &shape.properties {
        if let Some(value) = assigned(&tokens, name, kind) {
            found.insert(name.clone(), arguments::typed(shape, name, value));
        } else if let Some(value) = allowed.iter().find(|value| {
            value.as_str().is_some_and(|value| tokens.iter().any(|token| bare(token).eq_ignore_ascii_case(value)))
        }) {
            found.insert(name.clone(), value.clone());
        }
    }
    found
}

fn assigned<'a>(tokens: &[&'a str], name: &str, kind: &str) -> Option<&'a str> {
    for (place, token) in tokens.iter().enumerate() {
        let rest = match token.get(..name.len()) {
            Some(start) if start.eq_ignore_ascii_case(name) => token.get(name.len()..).unwrap_or_default(),
            _ => continue,
        };
        let next = tokens.get(place + 1).map(|next| bare(next));
        match rest {
            ":" => return next,
            "" if matches!(kind, "integer" | "number") => {
                if let Some(number) = next.filter(|next| next.parse::<f64>().is_ok()) {
                    return Some(number);
                }
            }
            rest => {
                if let Some(value) = rest.strip_prefix(['=', ':']).filter(|value| !value.is_empty()) {
                    return Some(bare(value));
                }
            }
        }
    }
    None
}

/// A word without what only ends a sentence or quotes.
fn bare(token: &str) -> &str {
    token.trim_matches(['"', '\'', '`', ',', ';', '?', '!']).trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use openclaw_domain::ToolHints;

    use super::*;

    fn tool(name: &str, schema: &str) -> ModelTool {
        ModelTool {
            name: name.to_owned(),
            target: name.parse().unwrap(),
            title: None,
            description: "Looks at something".to_owned(),
            schema: schema.to_owned(),
            hints: ToolHints::default(),
        }
    }

    fn ask(tools: &[ModelTool], text: &str) -> Choice {
        choose(tools, text, &words::of(text))
    }

    const CHECK: &str = r#"{"type":"object","required":["service"],"properties":{
        "service":{"type":"string"},"environment":{"enum":["staging","production"]}}}"#;

    #[test]
    fn a_tool_is_called_only_with_everything_it_requires() {
        let tools = [tool("deploy-check", CHECK), tool("release-notes", "{}")];
        assert_eq!(
            ask(&tools, "check the deployment of service=api-v2 in production, please"),
            Choice::Call {
                name: "deploy-check".to_owned(),
                arguments: r#"{"environment":"production","service":"api-v2"}"#.to_owned()
            }
        );
        assert_eq!(
            ask(&tools, "What's the status of our deployment?"),
            Choice::Ask("`deploy-check` needs `service`: /deploy-check [environment=…] service=…".to_owned())
        );
        assert_eq!(ask(&tools, "hi"), Choice::None);
        assert_eq!(ask(&tools, "look at something"), Choice::None, "a description alone names no tool");
        assert_eq!(
            ask(&tools, "write the release notes"),
            Choice::Call { name: "release-notes".to_owned(), arguments: "{}".to_owned() }
        );
    }

    #[test]
    fn what_is_destructive_or_ambiguous_is_asked_for_and_not_called() {
        let mut wipe = tool("wipe-cache", "{}");
        wipe.hints.destructive = true;
        assert!(matches!(ask(&[wipe], "wipe the cache"), Choice::Ask(text) if text.contains("may destroy")));
        let two = [tool("notes-a", "{}"), tool("notes-b", "{}")];
        assert!(matches!(ask(&two, "notes!"), Choice::Ask(text) if text.contains("/notes-a\n/notes-b")));
    }
}
