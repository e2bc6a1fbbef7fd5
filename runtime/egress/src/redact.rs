//! Takes secrets out of what comes back, so that a server that echoes its request tells a guest nothing.
//!
//! Invariant: no run of bytes that equals one of the needles leaves, wherever the chunks were cut. Bytes are held back
//! only while they may be the beginning of a needle.

use bytes::Bytes;

/// What stands where a secret stood.
pub(crate) const PLACEHOLDER: &[u8] = b"[secret]";

/// The exact bytes to look for. There is no `Debug`.
#[derive(Clone, Default)]
pub(crate) struct Needles {
    /// Longest first, so that one needle inside another never leaves its rest behind. None is empty.
    needles: Vec<Box<[u8]>>,
}

impl Needles {
    pub(crate) fn new(mut needles: Vec<Box<[u8]>>) -> Self {
        needles.retain(|needle| !needle.is_empty());
        needles.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        needles.dedup();
        Self { needles }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.needles.is_empty()
    }

    /// A whole text with every needle replaced; `None` if it holds none.
    pub(crate) fn replace(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut found = false;
        let mut at = 0;
        while at < text.len() {
            match self.needles.iter().find(|needle| text[at..].starts_with(needle)) {
                Some(needle) => {
                    out.extend_from_slice(PLACEHOLDER);
                    at += needle.len();
                    found = true;
                }
                None => {
                    out.push(text[at]);
                    at += 1;
                }
            }
        }
        found.then_some(out)
    }

    /// Whether a header's name, which has no upper case, holds a needle in any case.
    pub(crate) fn are_in_name(&self, name: &str) -> bool {
        self.needles.iter().any(|needle| {
            name.len() >= needle.len()
                && name.as_bytes().windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle))
        })
    }
}

/// Replaces needles in a stream of chunks.
pub(crate) struct Redactor {
    needles: Needles,
    held: Vec<u8>,
}

impl Redactor {
    pub(crate) fn new(needles: Needles) -> Self {
        Self { needles, held: Vec::new() }
    }

    /// What may leave after this chunk; empty if all of it may still become a needle.
    pub(crate) fn push(&mut self, chunk: Bytes) -> Bytes {
        if self.needles.is_empty() {
            return chunk;
        }
        self.held.extend_from_slice(&chunk);
        self.take(false)
    }

    /// The rest, when nothing follows.
    pub(crate) fn finish(&mut self) -> Bytes {
        self.take(true)
    }

    fn take(&mut self, is_end: bool) -> Bytes {
        let text = &self.held;
        let mut out = Vec::with_capacity(text.len());
        let mut at = 0;
        'text: while at < text.len() {
            let rest = &text[at..];
            for needle in &self.needles.needles {
                if rest.starts_with(needle) {
                    out.extend_from_slice(PLACEHOLDER);
                    at += needle.len();
                    continue 'text;
                }
                // A longer needle may still come true: wait before a shorter one inside it is taken.
                if !is_end && needle.starts_with(rest) {
                    break 'text;
                }
            }
            out.push(text[at]);
            at += 1;
        }
        self.held.drain(..at);
        Bytes::from(out)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn needles(texts: &[&str]) -> Needles {
        Needles::new(texts.iter().map(|text| text.as_bytes().into()).collect())
    }

    fn stream(needles: &Needles, chunks: &[&[u8]]) -> Vec<u8> {
        let mut redactor = Redactor::new(needles.clone());
        let mut out = Vec::new();
        for chunk in chunks {
            out.extend_from_slice(&redactor.push(Bytes::copy_from_slice(chunk)));
        }
        out.extend_from_slice(&redactor.finish());
        out
    }

    #[test]
    fn a_secret_cut_by_chunks_is_found_and_its_beginning_alone_is_not() {
        let needles = needles(&["hunter2", "hunter"]);
        assert_eq!(stream(&needles, &[b"a hun", b"ter", b"2 b hunter hunt"]), b"a [secret] b [secret] hunt");
        assert_eq!(needles.replace(b"x-hunter2").unwrap(), b"x-[secret]");
        assert_eq!(needles.replace(b"x"), None);
        assert!(needles.are_in_name("x-hunter2"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn the_cuts_make_no_difference(text in "[ab]{0,40}", needle in "[ab]{1,5}", other in "[ab]{1,5}", cut in 1usize..7) {
            let needles = needles(&[&needle, &other]);
            let whole = needles.replace(text.as_bytes()).unwrap_or_else(|| text.clone().into_bytes());
            let chunks: Vec<&[u8]> = text.as_bytes().chunks(cut).collect();
            prop_assert_eq!(stream(&needles, &chunks), whole);
        }
    }
}
