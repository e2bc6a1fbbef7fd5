//! Reads a `message`: plain text and placeholders such as `{{ body.items[0].name }}`.
//!
//! Invariant: only configuration is ever read here. Text that came from a body goes straight to the
//! output, so nothing a sender writes becomes a placeholder.

use crate::refusal::Refusal;

/// One part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// Text that is said as it is.
    Text(&'a str),
    /// `{{body}}` or `{{payload}}`: the exact body.
    Body,
    /// A place in the body, one step at a time; never empty.
    Path(Vec<&'a str>),
}

/// Splits a message into its parts.
///
/// A `{{` that is not closed, or is followed by another before its `}}`, is text. Anything closed must
/// be a placeholder this transform knows, or the settings are refused: said aloud it would be noise.
pub fn parse(message: &str) -> Result<Vec<Part<'_>>, Refusal> {
    let mut parts = Vec::new();
    let mut rest = message;
    while let Some((start, end)) = next_placeholder(rest) {
        if start > 0 {
            parts.push(Part::Text(&rest[..start]));
        }
        let whole = &rest[start..end];
        parts.push(placeholder(whole, whole[2..whole.len() - 2].trim())?);
        rest = &rest[end..];
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    Ok(parts)
}

/// Where the first placeholder begins and ends.
fn next_placeholder(text: &str) -> Option<(usize, usize)> {
    let open = text.find("{{")?;
    let close = open + 2 + text[open + 2..].find("}}")?;
    // The innermost opening: in `{{{body}}` the first brace is text.
    let open = text[..close].rfind("{{")?;
    Some((open, close + 2))
}

/// Reads what stands between the braces of `whole`.
fn placeholder<'a>(whole: &str, inside: &'a str) -> Result<Part<'a>, Refusal> {
    let root_end = inside.find(['.', '[']).unwrap_or(inside.len());
    let (root, path) = inside.split_at(root_end);
    match root.trim_end() {
        "body" | "payload" => {}
        "event" => return Err(unknown(whole, "`event` exists only in egress transforms; an ingress one reads `body`")),
        _ => return Err(unknown(whole, "begin with `body`, for example `{{body.user.name}}`")),
    }
    let steps = steps(whole, path)?;
    Ok(if steps.is_empty() { Part::Body } else { Part::Path(steps) })
}

/// Reads `.name`, `[0]` and `["any name"]`, any number of times.
fn steps<'a>(whole: &str, path: &'a str) -> Result<Vec<&'a str>, Refusal> {
    let mut steps = Vec::new();
    let mut rest = path.trim();
    while !rest.is_empty() {
        let (step, after) = if let Some(name) = rest.strip_prefix('.') {
            name.split_at(name.find(['.', '[']).unwrap_or(name.len()))
        } else if let Some(name) = rest.strip_prefix("[\"") {
            name.split_once("\"]").ok_or_else(|| unknown(whole, "a `[\"` needs its `\"]`"))?
        } else if let Some(index) = rest.strip_prefix('[') {
            let (index, after) = index.split_once(']').ok_or_else(|| unknown(whole, "a `[` needs its `]`"))?;
            if !index.trim().bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(unknown(whole, "between `[` and `]` stands a number, or a name in double quotes"));
            }
            (index, after)
        } else {
            return Err(unknown(whole, "after `]` comes `.`, `[` or the end"));
        };
        let quoted = rest.starts_with("[\"");
        let step = if quoted { step } else { step.trim() };
        if step.is_empty() && !quoted {
            return Err(unknown(whole, "a name or index is missing"));
        }
        if !quoted && step.contains(']') {
            return Err(unknown(whole, "a `]` needs its `[`"));
        }
        steps.push(step);
        rest = after.trim_start();
    }
    Ok(steps)
}

fn unknown(whole: &str, fix: &str) -> Refusal {
    Refusal::settings(format!("`message` holds `{whole}`, which is not a placeholder: {fix}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(message: &str) -> String {
        parse(message).unwrap_err().message
    }

    #[test]
    fn a_message_is_split_into_text_and_paths() {
        assert_eq!(
            parse("a {{body}} b{{ payload . x .0}}{{body.items[ 0 ].first name}}").unwrap(),
            [
                Part::Text("a "),
                Part::Body,
                Part::Text(" b"),
                Part::Path(vec!["x", "0"]),
                Part::Path(vec!["items", "0", "first name"]),
            ]
        );
        assert_eq!(parse(r#"{{body["a.b [x]"][""].c}}"#).unwrap(), [Part::Path(vec!["a.b [x]", "", "c"])]);
        assert_eq!(parse("").unwrap(), []);
    }

    #[test]
    fn braces_that_do_not_close_stay_text() {
        for text in ["{{", "a {{ b", "}} {{body}", "{body.x}", "{\"a\":{\"b\":1}}"] {
            assert_eq!(parse(text).unwrap(), [Part::Text(text)], "{text}");
        }
        assert_eq!(parse("{{{body}}}").unwrap(), [Part::Text("{"), Part::Body, Part::Text("}")]);
        assert_eq!(parse("{{ a {{body}}").unwrap(), [Part::Text("{{ a "), Part::Body]);
    }

    #[test]
    fn an_unknown_placeholder_is_refused_by_name() {
        assert_eq!(
            refused("x {{foo}}"),
            "`message` holds `{{foo}}`, which is not a placeholder: begin with `body`, for example `{{body.user.name}}`"
        );
        assert!(refused("{{event.x}}").contains("only in egress"));
        for wrong in [
            "{{}}",
            "{{bodyx}}",
            "{{body.}}",
            "{{body..x}}",
            "{{body[x]}}",
            "{{body[0}}",
            "{{body[0]x}}",
            "{{body[\"x]}}",
            "{{body.x]}}",
            "{{body[]}}",
            "{{.body}}",
            "{{BODY}}",
        ] {
            assert!(refused(wrong).contains(wrong), "{wrong}");
        }
    }
}
