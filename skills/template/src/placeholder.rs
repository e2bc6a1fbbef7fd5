//! Reads a text of the configuration: plain text and placeholders such as `{{ body.items[0].name }}`.
//!
//! Invariant: only configuration is ever read here. Text that came from a body or an event goes straight to the
//! output, so nothing a stranger writes becomes a placeholder.

use crate::refusal::Refusal;

/// What a text's placeholders read, and where the text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// An incoming body: the text is an endpoint's `message`.
    Body,
    /// An event that goes out: the text stands in an endpoint's `transform`.
    Event,
}

impl Root {
    /// Whether a placeholder that begins with this name is meant for it.
    fn is_called(self, name: &str) -> bool {
        match self {
            Self::Body => matches!(name, "body" | "payload"),
            Self::Event => name == "event",
        }
    }
}

/// One part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// Text that is said as it is.
    Text(&'a str),
    /// `{{body}}`, `{{payload}}` or `{{event}}`: all of it.
    Whole,
    /// A place in it, one step at a time; never empty.
    Path(Vec<&'a str>),
}

/// Splits a text into its parts.
///
/// A `{{` that is not closed, or is followed by another before its `}}`, is text. Anything closed must
/// be a placeholder this transform knows, or the settings are refused: said aloud it would be noise.
pub fn parse(root: Root, text: &str) -> Result<Vec<Part<'_>>, Refusal> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((start, end)) = next_placeholder(rest) {
        if start > 0 {
            parts.push(Part::Text(&rest[..start]));
        }
        let whole = &rest[start..end];
        parts.push(placeholder(root, whole, whole[2..whole.len() - 2].trim())?);
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
fn placeholder<'a>(root: Root, whole: &str, inside: &'a str) -> Result<Part<'a>, Refusal> {
    let name_end = inside.find(['.', '[']).unwrap_or(inside.len());
    let (name, path) = inside.split_at(name_end);
    let name = name.trim_end();
    if !root.is_called(name) {
        return Err(unknown(
            root,
            whole,
            match (root, name) {
                (Root::Body, "event") => "`event` exists only in egress transforms; an ingress one reads `body`",
                (Root::Body, _) => "begin with `body`, for example `{{body.user.name}}`",
                (Root::Event, "body" | "payload") => "`body` exists only in ingress; an egress transform reads `event`",
                (Root::Event, _) => "begin with `event`, for example `{{event.task_name}}`",
            },
        ));
    }
    let steps = steps(root, whole, path)?;
    Ok(if steps.is_empty() { Part::Whole } else { Part::Path(steps) })
}

/// Reads `.name`, `[0]` and `["any name"]`, any number of times.
fn steps<'a>(root: Root, whole: &str, path: &'a str) -> Result<Vec<&'a str>, Refusal> {
    let mut steps = Vec::new();
    let mut rest = path.trim();
    while !rest.is_empty() {
        let (step, after) = if let Some(name) = rest.strip_prefix('.') {
            name.split_at(name.find(['.', '[']).unwrap_or(name.len()))
        } else if let Some(name) = rest.strip_prefix("[\"") {
            name.split_once("\"]").ok_or_else(|| unknown(root, whole, "a `[\"` needs its `\"]`"))?
        } else if let Some(index) = rest.strip_prefix('[') {
            let (index, after) = index.split_once(']').ok_or_else(|| unknown(root, whole, "a `[` needs its `]`"))?;
            if !index.trim().bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(unknown(root, whole, "between `[` and `]` stands a number, or a name in double quotes"));
            }
            (index, after)
        } else {
            return Err(unknown(root, whole, "after `]` comes `.`, `[` or the end"));
        };
        let quoted = rest.starts_with("[\"");
        let step = if quoted { step } else { step.trim() };
        if step.is_empty() && !quoted {
            return Err(unknown(root, whole, "a name or index is missing"));
        }
        if !quoted && step.contains(']') {
            return Err(unknown(root, whole, "a `]` needs its `[`"));
        }
        steps.push(step);
        rest = after.trim_start();
    }
    Ok(steps)
}

fn unknown(root: Root, whole: &str, fix: &str) -> Refusal {
    let key = match root {
        Root::Body => "message",
        Root::Event => "transform",
    };
    Refusal::settings(format!("`{key}` holds `{whole}`, which is not a placeholder: {fix}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(message: &str) -> String {
        parse(Root::Body, message).unwrap_err().message
    }

    #[test]
    fn a_message_is_split_into_text_and_paths() {
        assert_eq!(
            parse(Root::Body, "a {{body}} b{{ payload . x .0}}{{body.items[ 0 ].first name}}").unwrap(),
            [
                Part::Text("a "),
                Part::Whole,
                Part::Text(" b"),
                Part::Path(vec!["x", "0"]),
                Part::Path(vec!["items", "0", "first name"]),
            ]
        );
        assert_eq!(parse(Root::Body, r#"{{body["a.b [x]"][""].c}}"#).unwrap(), [Part::Path(vec!["a.b [x]", "", "c"])]);
        assert_eq!(parse(Root::Body, "").unwrap(), []);
    }

    #[test]
    fn braces_that_do_not_close_stay_text() {
        for text in ["{{", "a {{ b", "}} {{body}", "{body.x}", "{\"a\":{\"b\":1}}"] {
            assert_eq!(parse(Root::Body, text).unwrap(), [Part::Text(text)], "{text}");
        }
        assert_eq!(parse(Root::Body, "{{{body}}}").unwrap(), [Part::Text("{"), Part::Whole, Part::Text("}")]);
        assert_eq!(parse(Root::Body, "{{ a {{body}}").unwrap(), [Part::Text("{{ a "), Part::Whole]);
    }

    #[test]
    fn an_unknown_placeholder_is_refused_by_name() {
        assert_eq!(
            refused("x {{foo}}"),
            "`message` holds `{{foo}}`, which is not a placeholder: begin with `body`, for example `{{body.user.name}}`"
        );
        assert!(refused("{{event.x}}").contains("only in egress"));
        let refused_in_egress = |text| parse(Root::Event, text).unwrap_err().message;
        assert!(refused_in_egress("{{body.x}}").contains("`transform` holds `{{body.x}}`"));
        assert!(refused_in_egress("{{body.x}}").contains("only in ingress"));
        assert!(refused_in_egress("{{x}}").contains("begin with `event`"));
        assert_eq!(parse(Root::Event, "{{event}}").unwrap(), [Part::Whole]);
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
