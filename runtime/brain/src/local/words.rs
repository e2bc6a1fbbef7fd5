//! Words, as far as matching a message with a name needs them.

/// Words that say nothing of what is meant.
const STOP: [&str; 34] = [
    "a", "an", "and", "are", "at", "be", "can", "could", "do", "does", "for", "from", "how", "i", "in", "is", "it",
    "me", "my", "of", "on", "or", "our", "please", "s", "that", "the", "this", "to", "was", "with", "would", "you",
    "your",
];
/// Letters from which one word may be the beginning of another: `deploy` and `deployment`.
const STEM: usize = 4;

/// The words of a text, in lower case.
pub(super) fn of(text: &str) -> Vec<String> {
    text.split(|letter: char| !letter.is_alphanumeric())
        .map(str::to_lowercase)
        .filter(|word| !word.is_empty() && !STOP.contains(&word.as_str()))
        .collect()
}

/// Whether two words are the same, or one begins with the other.
pub(super) fn same(one: &str, other: &str) -> bool {
    one == other
        || (one.chars().count() >= STEM && other.starts_with(one))
        || (other.chars().count() >= STEM && one.starts_with(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_compared_by_their_beginning_and_small_ones_left_out() {
        assert_eq!(of("What's the status of our Deployment?"), ["what", "status", "deployment"]);
        assert!(same("deploy", "deployment") && same("alerts", "alert") && !same("do", "document"));
    }
}
