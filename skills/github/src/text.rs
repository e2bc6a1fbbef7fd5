//! Makes a stranger's text safe to stand inside a sentence.
//!
//! Titles, branch names and comments are written by whoever can open an issue, and are read by a
//! model. Invariant: what comes out of here is one line, bounded, without characters a reader cannot
//! see, and a quotation cannot close its own quotes.

use webhook_body::{Kind, Value};

/// Most characters of a sentence.
pub const MAX_SENTENCE: usize = 500;
/// Most characters of a title.
pub const MAX_TITLE: usize = 200;
/// Most characters of a name: a login, a repository, a branch, a label.
pub const MAX_NAME: usize = 140;
/// Most characters of a comment that are quoted.
pub const MAX_EXCERPT: usize = 160;
/// Most characters of a link; a longer one is left out, since a cut one leads nowhere.
const MAX_LINK: usize = 250;

/// A name or number; empty when there is none.
///
/// One word stands bare. Several are quoted, or a workflow called `tests passed, now` would go on as
/// part of the sentence.
pub fn name(value: Option<Value<'_>>) -> String {
    let name = plain(value, MAX_NAME);
    if name.contains([' ', '"']) { in_quotes(&name) } else { name }
}

/// A title or an excerpt in double quotes; empty when there is nothing to quote.
pub fn quote(value: Option<Value<'_>>, max: usize) -> String {
    let inside = plain(value, max);
    if inside.is_empty() { inside } else { in_quotes(&inside) }
}

fn in_quotes(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "'"))
}

/// The first line of a text in double quotes: of a commit's message, its title.
pub fn first_line(value: Option<Value<'_>>, max: usize) -> String {
    let chars = value.and_then(Value::chars).into_iter().flatten();
    let line = clean(chars.skip_while(|character| character.is_whitespace()).take_while(|&c| c != '\n'), max);
    in_quotes(&line)
}

/// A link, if the value is one that can be shown whole.
pub fn link(value: Option<Value<'_>>) -> Option<String> {
    let url = value?.as_str()?;
    let whole = url.len() <= MAX_LINK && url.bytes().all(|byte| byte.is_ascii_graphic());
    let web = url.starts_with("https://") || url.starts_with("http://");
    (whole && web).then(|| url.into_owned())
}

/// The first seven digits of a commit's name.
pub fn short(value: Option<Value<'_>>) -> String {
    name(value).chars().take(7).collect()
}

/// A branch or tag without `refs/heads/` or `refs/tags/`.
pub fn branch(value: Option<Value<'_>>) -> String {
    let full = name(value);
    full.strip_prefix("refs/heads/").or_else(|| full.strip_prefix("refs/tags/")).unwrap_or(&full).to_owned()
}

/// A scalar as one line of at most `max` characters.
fn plain(value: Option<Value<'_>>, max: usize) -> String {
    let Some(value) = value else { return String::new() };
    match value.kind() {
        Kind::String => value.chars().map_or_else(String::new, |chars| clean(chars, max)),
        Kind::Number | Kind::Bool => clean(value.source().chars(), max),
        Kind::Null | Kind::Array | Kind::Object => String::new(),
    }
}

/// One line of at most `max` characters: white space and controls become single spaces, invisible
/// characters vanish, and what is cut ends in `…`.
pub fn clean(characters: impl Iterator<Item = char>, max: usize) -> String {
    let mut line = String::new();
    let mut length = 0;
    let mut space = false;
    for character in characters.filter(|&character| !is_invisible(character)) {
        if character.is_whitespace() || character.is_control() {
            space = length > 0;
            continue;
        }
        if length + usize::from(space) >= max {
            // One place is the ellipsis'.
            while length >= max {
                line.pop();
                length -= 1;
            }
            line.truncate(line.trim_end().len());
            line.push('…');
            return line;
        }
        if space {
            line.push(' ');
            length += 1;
            space = false;
        }
        line.push(character);
        length += 1;
    }
    line
}

/// Characters that show nothing but change what is read: direction overrides that reorder a line, and
/// zero-width and tag characters that carry text only a machine sees.
///
/// The joiners U+200C and U+200D and the emoji selectors stay: ordinary words and emoji need them.
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// A sentence and where to read more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    text: String,
    link: Option<String>,
}

impl Sentence {
    /// A sentence without a link.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), link: None }
    }

    /// Adds a link, if there is one.
    #[must_use]
    pub fn link(self, link: Option<String>) -> Self {
        Self { link, ..self }
    }

    /// The whole, at most [`MAX_SENTENCE`] characters. Words are cut before the link is.
    pub fn finish(self) -> String {
        let tail = self.link.map_or_else(String::new, |link| format!(": {link}"));
        let mut line = clean(self.text.chars(), MAX_SENTENCE - tail.len());
        line.push_str(&tail);
        line
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tidy(text: &str, max: usize) -> String {
        clean(text.chars(), max)
    }

    #[test]
    fn text_becomes_one_visible_line() {
        assert_eq!(tidy("  a\r\n\t b\u{0}c\u{1b}[31m \u{2028}d  ", 50), "a b c [31m d");
        assert_eq!(tidy("ad\u{202e}min\u{200b}\u{e0041}", 50), "admin");
        assert_eq!(tidy("👩\u{200d}🚀 ❤\u{fe0f}", 50), "👩\u{200d}🚀 ❤\u{fe0f}");
    }

    #[test]
    fn long_text_is_cut_at_the_limit() {
        assert_eq!(tidy("abcdef", 6), "abcdef");
        assert_eq!(tidy("abcdefg", 6), "abcde…");
        assert_eq!(tidy("abcde fg", 6), "abcde…");
        assert_eq!(tidy("abcd efgh", 6), "abcd…");
        assert_eq!(tidy("ééééééé", 3), "éé…");
    }

    #[test]
    fn a_quotation_cannot_close_its_own_quotes() {
        let value = Value::parse(r#""a\" (abc1234) \u0022b""#).ok();
        assert_eq!(quote(value, 50), "\"a' (abc1234) 'b\"");
        assert_eq!(quote(None, 50), "");
    }

    #[test]
    fn only_whole_web_links_are_shown() {
        let show = |url: &str| link(Value::parse(&serde_json::to_string(url).unwrap()).ok());
        assert_eq!(show("https://github.com/a/b"), Some("https://github.com/a/b".to_owned()));
        assert_eq!(show("javascript:alert(1)"), None);
        assert_eq!(show("https://a b"), None);
        assert_eq!(show("https://a\u{202e}b"), None);
        assert_eq!(show(&format!("https://{}", "a".repeat(300))), None);
    }

    #[test]
    fn a_long_sentence_keeps_its_link() {
        let link = "https://github.com/".to_owned();
        let line = Sentence::new("word ".repeat(200)).link(Some(link)).finish();
        assert!(line.ends_with("…: https://github.com/"), "{line}");
        assert!(line.chars().count() <= MAX_SENTENCE);
    }

    proptest! {
        #[test]
        fn a_line_is_bounded_single_and_stable(text in any::<String>(), max in 1_usize..60) {
            let line = tidy(&text, max);
            prop_assert!(line.chars().count() <= max);
            prop_assert!(!line.chars().any(|character| character.is_control() || is_invisible(character)));
            prop_assert_eq!(line.trim(), line.as_str());
            prop_assert_eq!(tidy(&line, max), line);
        }
    }
}
