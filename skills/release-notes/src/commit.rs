//! One commit message, read as Conventional Commits 1.0.0: `type(scope)!: subject`, a body, footers.
//!
//! Invariant: every message that says something becomes an entry; what follows no convention is `other`.

use crate::Kind;

/// What a message says.
#[derive(Debug, PartialEq)]
pub(crate) struct Parsed {
    /// Its group.
    pub(crate) kind: Kind,
    /// What it concerns.
    pub(crate) scope: Option<String>,
    /// What changed.
    pub(crate) subject: String,
    /// What breaks, if a footer says so.
    pub(crate) breaking: Option<String>,
}

/// Reads a message; `None` for an empty one and for merges, which repeat what their commits say.
pub(crate) fn parse(message: &str) -> Option<Parsed> {
    let (first, rest) = message.trim().split_once('\n').unwrap_or((message.trim(), ""));
    let first = first.trim_end();
    if first.is_empty() || first.starts_with("Merge pull request ") || first.starts_with("Merge branch ") {
        return None;
    }
    let breaking = breaking_footer(rest);
    let Some(header) = parse_header(first) else {
        let kind = if breaking.is_some() { Kind::Breaking } else { Kind::Other };
        return Some(Parsed { kind, scope: None, subject: first.to_owned(), breaking });
    };
    let kind = match header.kind.to_ascii_lowercase().as_str() {
        _ if header.breaks || breaking.is_some() => Kind::Breaking,
        "feat" | "feature" => Kind::Feat,
        "fix" | "bugfix" => Kind::Fix,
        "perf" => Kind::Perf,
        "docs" | "doc" => Kind::Docs,
        _ => Kind::Other,
    };
    Some(Parsed { kind, scope: header.scope.map(str::to_owned), subject: header.subject.to_owned(), breaking })
}

struct Header<'a> {
    kind: &'a str,
    scope: Option<&'a str>,
    breaks: bool,
    subject: &'a str,
}

/// Reads `type(scope)!: subject`. The type is one word, so `Note to self: …` is no header.
fn parse_header(line: &str) -> Option<Header<'_>> {
    let (head, subject) = line.split_once(": ")?;
    let (head, breaks) = head.strip_suffix('!').map_or((head, false), |head| (head, true));
    let (kind, scope) = match head.split_once('(') {
        Some((kind, scope)) => (kind, Some(scope.strip_suffix(')')?.trim())),
        None => (head, None),
    };
    let subject = subject.trim();
    let is_word = !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-');
    (is_word && !subject.is_empty()).then_some(Header {
        kind,
        scope: scope.filter(|scope| !scope.is_empty()),
        breaks,
        subject,
    })
}

/// The text of a `BREAKING CHANGE:` footer, up to the next blank line, as one line.
fn breaking_footer(body: &str) -> Option<String> {
    let mut lines = body.lines();
    let first = lines
        .find_map(|line| line.strip_prefix("BREAKING CHANGE:").or_else(|| line.strip_prefix("BREAKING-CHANGE:")))?;
    let mut text = first.trim().to_owned();
    for line in lines.take_while(|line| !line.trim().is_empty()) {
        text.push(' ');
        text.push_str(line.trim());
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(message: &str, kind: Kind, scope: Option<&str>, subject: &str, breaking: Option<&str>) {
        let expected = Parsed {
            kind,
            scope: scope.map(str::to_owned),
            subject: subject.to_owned(),
            breaking: breaking.map(str::to_owned),
        };
        assert_eq!(parse(message), Some(expected), "{message}");
    }

    #[test]
    fn a_conventional_header_gives_type_scope_and_subject() {
        check("feat: a", Kind::Feat, None, "a", None);
        check("fix(api): b: c", Kind::Fix, Some("api"), "b: c", None);
        check("Feat(ui)!: d", Kind::Breaking, Some("ui"), "d", None);
        check("chore(): e", Kind::Other, None, "e", None);
        check("perf: f\r\n\r\nbody", Kind::Perf, None, "f", None);
    }

    #[test]
    fn a_breaking_footer_moves_any_commit_to_the_breaking_changes() {
        check(
            "fix: keys\n\nWhy.\n\nBREAKING CHANGE: keys are\nlower case\n\nRefs: #1",
            Kind::Breaking,
            None,
            "keys",
            Some("keys are lower case"),
        );
        check("Rename it\n\nBREAKING-CHANGE: all of it", Kind::Breaking, None, "Rename it", Some("all of it"));
    }

    #[test]
    fn what_follows_no_convention_is_listed_whole() {
        for message in ["Update README", "Note to self: rest", "fix(api: x", "https://example.test", ":", "fix:"] {
            check(message, Kind::Other, None, message, None);
        }
    }

    #[test]
    fn nothing_and_merges_say_nothing() {
        for message in ["", " \n ", "Merge branch 'main' into x", "Merge pull request #1 from a/b\n\nfeat: x"] {
            assert_eq!(parse(message), None, "{message}");
        }
    }
}
