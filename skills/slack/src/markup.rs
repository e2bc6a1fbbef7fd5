//! Slack's markup, both ways (`docs.slack.dev`, "Formatting message text").
//!
//! Invariant: what is escaped holds no `<`, `>` or bare `&`, so that it can name nobody and link nowhere; what is read
//! holds none of Slack's own forms.

/// Escapes `&`, `<` and `>`, which is all that Slack asks for; at most `max` characters once escaped.
///
/// What is cut ends in `…`, and an entity is never cut in two.
pub(crate) fn escape(text: &str, max: usize) -> String {
    let mut escaped = String::with_capacity(text.len().min(max));
    let mut length = 0;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let mut one = [0; 4];
        let piece: &str = match character {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            // No message needs it, and some clients stop reading at it.
            '\0' => "",
            other => other.encode_utf8(&mut one),
        };
        let needed = piece.chars().count();
        // One place is the ellipsis', unless this is the end.
        let room = max - usize::from(characters.peek().is_some());
        if length + needed > room {
            escaped.push('…');
            return escaped;
        }
        escaped.push_str(piece);
        length += needed;
    }
    escaped
}

/// Text from Slack as a person reads it: `<@U1|ada>` is `@ada`, `<https://a.b|here>` is `here (https://a.b)`, and
/// `&lt;` is `<`.
pub(crate) fn read(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        let Some(close) = rest[open..].find('>') else { break };
        unescape(&rest[..open], &mut plain);
        form(&rest[open + 1..open + close], &mut plain);
        rest = &rest[open + close + 1..];
    }
    unescape(rest, &mut plain);
    plain
}

/// What stands between `<` and `>`.
fn form(inside: &str, plain: &mut String) {
    let (target, label) = match inside.split_once('|') {
        Some((target, label)) => (target, Some(label).filter(|label| !label.is_empty())),
        None => (inside, None),
    };
    match target.chars().next() {
        Some(sign @ ('@' | '#')) => {
            plain.push(sign);
            unescape(label.unwrap_or(&target[1..]), plain);
        }
        // `<!here>`, `<!subteam^S1|@team>`, `<!date^…|yesterday>`.
        Some('!') => match label {
            Some(label) => unescape(label, plain),
            None => {
                plain.push('@');
                unescape(&target[1..], plain);
            }
        },
        _ => match label {
            Some(label) if label != target => {
                unescape(label, plain);
                plain.push_str(" (");
                unescape(target, plain);
                plain.push(')');
            }
            _ => unescape(target, plain),
        },
    }
}

/// Undoes the three entities, each once.
fn unescape(text: &str, plain: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let known = [("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>')];
        let found = known.into_iter().find_map(|(entity, meant)| Some((rest.strip_prefix(entity)?, meant)));
        let (after, meant) = found.unwrap_or((&rest[1..], '&'));
        plain.push(meant);
        rest = after;
    }
    plain.push_str(rest);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn strangers_text_can_name_nobody_and_link_nowhere() {
        assert_eq!(escape("<!channel> & <@U1> &lt;", 99), "&lt;!channel&gt; &amp; &lt;@U1&gt; &amp;lt;");
        assert_eq!(escape("a\0b", 99), "ab");
    }

    #[test]
    fn an_entity_is_never_cut_in_two() {
        assert_eq!(escape("ab<", 6), "ab&lt;");
        assert_eq!(escape("ab<", 5), "ab…");
        assert_eq!(escape("ab<c", 6), "ab…");
        assert_eq!(escape("abc", 3), "abc");
    }

    #[test]
    fn slack_s_forms_are_read_as_people_read_them() {
        for (text, expected) in [
            ("hi <@U1|ada> in <#C1|general>", "hi @ada in #general"),
            ("<@U1> <!here> <!subteam^S1|@ops>", "@U1 @here @ops"),
            ("<https://a.b/?x=1&amp;y=2|here> <https://a.b>", "here (https://a.b/?x=1&y=2) https://a.b"),
            ("<mailto:a@b.c|a@b.c>", "a@b.c (mailto:a@b.c)"),
            ("1 &lt; 2 &amp;&amp; 3 &gt; 2 &amp;lt; &x", "1 < 2 && 3 > 2 &lt; &x"),
            ("a < b", "a < b"),
            ("<>", ""),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_escaped_is_bounded_harmless_and_comes_back(text in "[a-z&<>;@!é…]{0,40}", max in 6_usize..60) {
            let escaped = escape(&text, max);
            prop_assert!(escaped.chars().count() <= max && !escaped.contains(['<', '>']));
            if !escaped.ends_with('…') {
                prop_assert_eq!(read(&escaped), text);
            }
        }

        #[test]
        fn no_text_panics(text in any::<String>(), markup in "[<>|@#!&a;]{0,24}") {
            let _ = (read(&text), read(&markup), escape(&text, 1));
        }
    }
}
