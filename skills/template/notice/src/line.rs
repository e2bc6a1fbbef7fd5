//! Cuts texts to what a peer takes.
//!
//! Invariant: a cut text has at most as many characters as asked for, and shows that it was cut.

/// At most `max` characters; what is cut ends in `…`.
pub fn cut(text: &str, max: usize) -> String {
    take(text.chars(), max)
}

/// One line of at most `max` characters: white space and controls become single spaces.
pub fn one_line(text: &str, max: usize) -> String {
    let is_gap = |character: char| character.is_whitespace() || character.is_control();
    let words = text.split(is_gap).filter(|word| !word.is_empty());
    let spaced =
        words.enumerate().flat_map(|(position, word)| (position > 0).then_some(' ').into_iter().chain(word.chars()));
    take(spaced, max)
}

fn take(mut characters: impl Iterator<Item = char>, max: usize) -> String {
    let mut text: String = characters.by_ref().take(max).collect();
    if characters.next().is_some() {
        text.pop();
        text.truncate(text.trim_end().len());
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn long_text_is_cut_at_the_limit() {
        assert_eq!(cut("ab\ncd", 5), "ab\ncd");
        assert_eq!(cut("abcdef", 5), "abcd…");
        assert_eq!(cut("abc def", 5), "abc…");
        assert_eq!(one_line("  a\r\n\t b\u{0}c  ", 50), "a b c");
        assert_eq!(one_line("éé éé", 4), "éé…");
    }

    proptest! {
        #[test]
        fn a_line_is_bounded_single_and_stable(text in any::<String>(), max in 2_usize..40) {
            let line = one_line(&text, max);
            prop_assert!(line.chars().count() <= max && cut(&text, max).chars().count() <= max);
            prop_assert!(!line.chars().any(char::is_control));
            prop_assert_eq!(one_line(&line, max), line);
        }
    }
}
