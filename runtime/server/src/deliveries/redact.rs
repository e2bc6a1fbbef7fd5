//! Cuts our own credentials out of what a receiver or an error says, before it is kept.
//!
//! Invariant: no value of `${VAR}`, no header's value, and no path or query of ours stays, nor eight bytes in a row of
//! one, whether echoed as it is, escaped for JSON or encoded for a URL.

use std::collections::HashSet;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::settings::OutgoingEndpoint;

/// Credentials shorter than this are not looked for: they would be found everywhere.
const TELLING: usize = 4;
/// So much of one is enough to be cut out: receivers quote a token without its scheme, or the last part of a path.
const PART: usize = 8;

/// What must not be kept, in every form it is looked for.
pub(super) struct Credentials(Vec<String>);

impl Credentials {
    /// Those of an endpoint.
    pub(super) fn of(endpoint: &OutgoingEndpoint) -> Self {
        // Exposed to be compared with, and nowhere else.
        let headers = endpoint.headers.expose().values().filter_map(|value| value.to_str().ok());
        // Behind a scheme such as `Bearer`.
        let headers =
            headers.flat_map(|value| [Some(value), value.split_once(' ').map(|(_, behind)| behind)]).flatten();
        let path = endpoint.path_and_query.expose().as_str();
        let parts = path.split(['/', '?', '&']).filter(|part| part.len() >= PART);
        let query = path.split(['?', '&']).filter_map(|pair| pair.split_once('=')).map(|(_, value)| value);
        let query = query.filter(|value| value.len() >= PART);
        let variables = endpoint.transform.slots().iter().flat_map(super::fill::Slot::values);
        let mut forms = HashSet::new();
        for text in headers.chain([path]).chain(parts).chain(query).chain(variables) {
            let printed = serde_json::Value::from(text).to_string();
            forms.insert(printed[1..printed.len() - 1].to_owned());
            forms.insert(utf8_percent_encode(text, NON_ALPHANUMERIC).to_string());
            forms.insert(percent_decode_str(text).decode_utf8_lossy().into_owned());
            forms.insert(text.to_owned());
        }
        Self(forms.into_iter().filter(|form| form.len() >= TELLING).collect())
    }

    /// Bytes of the longest: what is read beyond what is kept, so that none is cut in two before it is looked for.
    pub(super) fn longest(&self) -> usize {
        self.0.iter().map(String::len).max().unwrap_or_default()
    }

    /// The beginning of a text, as far as `bytes` of it go, with `…` for each credential.
    pub(super) fn cut_out(&self, text: &str, bytes: usize) -> String {
        let mut hidden = vec![false; text.len()];
        for form in &self.0 {
            for (at, _) in text.match_indices(form.as_str()) {
                hidden[at..at + form.len()].fill(true);
            }
        }
        let parts: HashSet<&[u8]> = self.0.iter().flat_map(|form| form.as_bytes().windows(PART)).collect();
        for (at, part) in text.as_bytes().windows(PART).enumerate() {
            if parts.contains(part) {
                hidden[at..at + PART].fill(true);
            }
        }
        let (mut kept, mut was_hidden) = (String::new(), false);
        for (at, letter) in text.char_indices() {
            let end = at + letter.len_utf8();
            if end > bytes {
                break;
            }
            let is_hidden = hidden[at..end].contains(&true);
            match (is_hidden, was_hidden) {
                (false, _) => kept.push(letter),
                (true, false) => kept.push('…'),
                (true, true) => {}
            }
            was_hidden = is_hidden;
        }
        kept
    }
}
