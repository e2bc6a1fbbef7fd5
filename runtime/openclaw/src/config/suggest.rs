//! The nearest known word to one that is not known.

/// At most this share of a word's letters may differ; past it a suggestion is a guess that misleads.
const LEAST_LIKENESS: f64 = 0.7;

/// The known word that `given` most likely stands for, if any is near.
///
/// `max_connections` and `maxConnections` are the same word in two spellings, so case, `_` and `-` do not count.
pub(crate) fn nearest<'a>(given: &str, known: &[&'a str]) -> Option<&'a str> {
    let wanted = plain(given);
    known
        .iter()
        .map(|word| (strsim::normalized_damerau_levenshtein(&wanted, &plain(word)), *word))
        .filter(|(likeness, _)| *likeness >= LEAST_LIKENESS)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, word)| word)
}

fn plain(word: &str) -> String {
    word.chars().filter(|letter| !matches!(letter, '_' | '-')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_key_finds_the_one_it_stands_for_and_a_strange_one_none() {
        let known = ["host", "port", "auth", "trustedProxies", "max_connections", "maxConnections"];
        for (given, nearest_key) in [
            ("prot", Some("port")),
            ("trusted_proxies", Some("trustedProxies")),
            ("trustedproxy", Some("trustedProxies")),
            ("max-connections", Some("maxConnections")),
            ("auht", Some("auth")),
            ("banana", None),
        ] {
            assert_eq!(nearest(given, &known), nearest_key, "{given}");
        }
    }
}
