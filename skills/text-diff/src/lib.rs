//! Skill `text-diff`: two texts in, a unified diff and its numbers out.
//!
//! Invariant: pure and bounded. Texts and lines are capped, since comparing costs lines times differences.

use openclaw_guest::{Failure, Report, skill, tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use similar::{ChangeTag, TextDiff};

/// Most bytes of one text.
const MAX_BYTES: usize = 512 << 10;
/// Most lines of one text: two that share no line take a second or so at this size.
const MAX_LINES: usize = 10_000;
/// Most lines of context: more than this is the text itself.
const MAX_CONTEXT: usize = 100;

/// What the tool takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// The text before, at most 512 KiB and 10,000 lines.
    pub before: String,
    /// The text after, at most 512 KiB and 10,000 lines.
    pub after: String,
    /// What the texts are called in the diff's header; `before` and `after` without it.
    pub name: Option<String>,
    /// Unchanged lines shown around a change; 3 without it, at most 100.
    #[schemars(range(max = 100))]
    pub context: Option<usize>,
}

/// What changed, in numbers.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub struct Changes {
    /// Whether the texts are the same, byte for byte.
    pub equal: bool,
    /// Lines only in the text after.
    pub added: usize,
    /// Lines only in the text before.
    pub removed: usize,
    /// Lines in both.
    pub unchanged: usize,
    /// The unified diff; empty for equal texts.
    pub diff: String,
}

/// Compares two texts line by line and returns a unified diff, as `diff -u` prints it, with the number of lines
/// added, removed and unchanged.
#[tool(title = "Text diff", read_only, idempotent)]
pub fn text_diff(arguments: &Arguments) -> Result<Report<Changes>, Failure> {
    check_size("before", &arguments.before)?;
    check_size("after", &arguments.after)?;
    let context = arguments.context.unwrap_or(3);
    if context > MAX_CONTEXT {
        return Err(Failure::invalid_arguments(format!("`context` is {context}: use at most {MAX_CONTEXT}")));
    }
    let value = compare(arguments, context);
    let text = if value.equal { "The texts are equal.".to_owned() } else { value.diff.clone() };
    Ok(Report { text, value })
}

fn check_size(name: &str, text: &str) -> Result<(), Failure> {
    let lines = text.lines().count();
    if text.len() > MAX_BYTES {
        return Err(Failure::invalid_arguments(format!("`{name}` has {} bytes: use at most {MAX_BYTES}", text.len())));
    }
    if lines > MAX_LINES {
        return Err(Failure::invalid_arguments(format!("`{name}` has {lines} lines: use at most {MAX_LINES}")));
    }
    Ok(())
}

fn compare(arguments: &Arguments, context: usize) -> Changes {
    let diff = TextDiff::from_lines(&arguments.before, &arguments.after);
    let (mut added, mut removed, mut unchanged) = (0, 0, 0);
    for change in diff.iter_all_changes() {
        match change.tag() {
            ChangeTag::Insert => added += 1,
            ChangeTag::Delete => removed += 1,
            ChangeTag::Equal => unchanged += 1,
        }
    }
    // A name with a line feed would end the header early and let its rest pass for part of the diff.
    let name = arguments.name.as_deref().map(|name| name.replace(['\n', '\r'], " "));
    let (old, new) = match &name {
        Some(name) => (format!("a/{name}"), format!("b/{name}")),
        None => ("before".to_owned(), "after".to_owned()),
    };
    let equal = arguments.before == arguments.after;
    let diff =
        if equal { String::new() } else { diff.unified_diff().context_radius(context).header(&old, &new).to_string() };
    Changes { equal, added, removed, unchanged, diff }
}

skill!(text_diff);

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(before: &str, after: &str) -> Arguments {
        Arguments { before: before.to_owned(), after: after.to_owned(), name: None, context: None }
    }

    #[test]
    fn a_changed_line_is_one_removed_and_one_added() {
        let report = text_diff(&arguments("a\nb\nc\n", "a\nB\nc\n")).unwrap();
        assert_eq!(report.text, "--- before\n+++ after\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n");
        assert_eq!((report.value.added, report.value.removed, report.value.unchanged), (1, 1, 2));
    }

    #[test]
    fn a_missing_line_feed_at_the_end_is_a_difference() {
        let report = text_diff(&arguments("a\n", "a")).unwrap();
        assert!(!report.value.equal);
        assert!(report.text.contains("\\ No newline at end of file"), "{}", report.text);
    }

    #[test]
    fn equal_texts_have_no_diff() {
        let report = text_diff(&arguments("a\n", "a\n")).unwrap();
        assert_eq!((report.text.as_str(), report.value.diff.as_str()), ("The texts are equal.", ""));
    }

    #[test]
    fn a_name_cannot_forge_lines_of_the_diff() {
        let named = Arguments { name: Some("x\n+++ y".to_owned()), ..arguments("a", "b") };
        let report = text_diff(&named).unwrap();
        assert!(report.text.starts_with("--- a/x +++ y\n+++ b/x +++ y\n@@ "), "{}", report.text);
    }

    #[test]
    fn what_is_too_large_is_refused_with_its_limit() {
        let long = "x".repeat(MAX_BYTES + 1);
        let failure = text_diff(&arguments(&long, "")).unwrap_err();
        assert_eq!(failure.message, "`before` has 524289 bytes: use at most 524288");
        let lines = "\n".repeat(MAX_LINES + 1);
        assert_eq!(
            text_diff(&arguments("", &lines)).unwrap_err().message,
            "`after` has 10001 lines: use at most 10000"
        );
    }
}
