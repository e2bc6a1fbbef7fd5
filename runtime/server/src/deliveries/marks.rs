//! Marks that tell the configuration's `${VAR}` from a text in an event that looks like one.
//!
//! A component is shown each `${VAR}` with a mark in it that nobody could know when the event was written. A string of
//! its body that has the mark is the configuration's, and a slot of the body; then the marks are taken out again, so
//! that the body is the same as without them.
//!
//! Invariant: what an event says is never a slot, wherever a component puts it.

use bytes::Bytes;
use openclaw_domain::{BodySlot, TraceId};

use super::fill::Slot;

/// The mark of one call.
pub(super) struct Marks(String);

impl Marks {
    /// A new one: random, so that no event can have it.
    pub(super) fn new() -> Self {
        Self(TraceId::new().to_string())
    }

    /// A text of the configuration, each `${VAR}` marked. JSON stays JSON.
    pub(super) fn put(&self, text: &str) -> String {
        text.replace("${", &format!("${{{}", self.0))
    }

    /// A text of the component without them.
    pub(super) fn take_out(&self, text: &str) -> String {
        text.replace(&self.0, "")
    }

    /// The slots of a body, and the body without marks. One that is no text has no slots.
    pub(super) fn read(&self, slots: &[Slot], body: Bytes) -> (Vec<BodySlot>, Bytes) {
        let Ok(text) = std::str::from_utf8(&body) else { return (Vec::new(), body) };
        let found = slots.iter().filter_map(|slot| slot.in_body(text, |written| self.put(written))).collect();
        (found, Bytes::from(self.take_out(text)))
    }
}
