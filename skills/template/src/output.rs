//! The text that is being rendered, within its limit.
//!
//! Invariant: it never grows past the limit of its kind, whatever is pushed.

use std::borrow::Cow;

use crate::refusal::{Limit, Refusal};

/// A rendered text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendered {
    /// The text.
    pub text: String,
    /// How many placeholders found no value.
    pub missing: u32,
}

/// The text so far.
pub(crate) struct Output {
    rendered: Rendered,
    limit: Limit,
}

impl Output {
    /// An empty text, to be rendered from `template` bytes of configuration.
    pub(crate) fn new(limit: Limit, template: usize) -> Self {
        // Twice the template holds most texts, and saves growing in an arena that frees nothing.
        let capacity = template.saturating_mul(2).min(limit.bytes());
        Self { rendered: Rendered { text: String::with_capacity(capacity), missing: 0 }, limit }
    }

    pub(crate) fn finish(self) -> Rendered {
        self.rendered
    }

    /// Pushes `text` as it is.
    pub(crate) fn push(&mut self, text: &str) -> Result<(), Refusal> {
        if text.len() > self.limit.bytes() - self.rendered.text.len() {
            return Err(Refusal::too_long(self.limit));
        }
        self.rendered.text.push_str(text);
        Ok(())
    }

    /// Counts a placeholder that found no value.
    pub(crate) fn missing(&mut self) -> Result<(), Refusal> {
        self.rendered.missing = self.rendered.missing.saturating_add(1);
        Ok(())
    }

    /// Pushes `text` as a JSON string.
    pub(crate) fn quoted(&mut self, text: &str) -> Result<(), Refusal> {
        self.push("\"")?;
        self.escaped(text)?;
        self.push("\"")
    }

    /// Pushes `text` as it stands between the quotes of a JSON string.
    pub(crate) fn escaped(&mut self, text: &str) -> Result<(), Refusal> {
        let mut plain = 0;
        for (at, byte) in text.bytes().enumerate() {
            let escape = match byte {
                b'"' => Cow::Borrowed("\\\""),
                b'\\' => Cow::Borrowed("\\\\"),
                b'\n' => Cow::Borrowed("\\n"),
                b'\r' => Cow::Borrowed("\\r"),
                b'\t' => Cow::Borrowed("\\t"),
                0..0x20 => Cow::Owned(format!("\\u{byte:04x}")),
                _ => continue,
            };
            self.push(&text[plain..at])?;
            self.push(&escape)?;
            plain = at + 1;
        }
        self.push(&text[plain..])
    }
}
