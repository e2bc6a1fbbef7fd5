//! One webhook of GitHub: its name and its payload, read by path.
//!
//! Invariant: reading never fails. A path that is not there is an empty text, so a payload that GitHub
//! changes makes a poorer sentence and no error.

use std::borrow::Cow;

use webhook_body::{Kind, Value};

use crate::text;

/// An event with its payload.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    name: &'a str,
    // The top-level members, found once: each is an object of several KiB that later paths begin with.
    members: Vec<(Cow<'a, str>, Value<'a>)>,
}

impl<'a> Event<'a> {
    /// The event of this name; `None` when its payload is not an object.
    pub fn new(name: &'a str, payload: Value<'a>) -> Option<Self> {
        let members = payload.members().map(|(name, value)| (name.text(), value)).collect();
        (payload.kind() == Kind::Object).then_some(Self { name, members })
    }

    /// Its name, as in `x-github-event`.
    pub fn kind(&self) -> &'a str {
        self.name
    }

    /// The top-level members in order.
    pub fn members(&self) -> impl Iterator<Item = (&str, Value<'a>)> {
        self.members.iter().map(|(name, value)| (name.as_ref(), *value))
    }

    /// The value at a path such as `pull_request.head.ref`; a `null` counts as nothing.
    pub fn at(&self, path: &str) -> Option<Value<'a>> {
        let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
        let found = self.members.iter().rfind(|(name, _)| name == first).map(|(_, value)| *value)?;
        let found = rest.into_iter().flat_map(|rest| rest.split('.')).try_fold(found, Value::get)?;
        (found.kind() != Kind::Null).then_some(found)
    }

    /// Whether something other than `null` is there.
    pub fn has(&self, path: &str) -> bool {
        self.at(path).is_some()
    }

    /// Whether a flag is set.
    pub fn is(&self, path: &str) -> bool {
        self.at(path).is_some_and(|value| value.source() == "true")
    }

    /// A name or number, bare; empty when it is not there.
    pub fn name(&self, path: &str) -> String {
        text::name(self.at(path))
    }

    /// The first of several names that is there.
    pub fn first_name(&self, paths: &[&str]) -> String {
        paths.iter().map(|path| self.name(path)).find(|name| !name.is_empty()).unwrap_or_default()
    }

    /// A title in double quotes.
    pub fn title(&self, path: &str) -> String {
        text::quote(self.at(path), text::MAX_TITLE)
    }

    /// A branch or tag by its short name.
    pub fn branch(&self, path: &str) -> String {
        text::branch(self.at(path))
    }

    /// A commit by its short name.
    pub fn commit(&self, path: &str) -> String {
        text::short(self.at(path))
    }

    /// A link, if it is one.
    pub fn link(&self, path: &str) -> Option<String> {
        text::link(self.at(path))
    }

    /// `, saying "…"` with the beginning of a comment; empty when the comment is.
    pub fn saying(&self, path: &str) -> String {
        let excerpt = text::quote(self.at(path), text::MAX_EXCERPT);
        if excerpt.is_empty() { excerpt } else { format!(", saying {excerpt}") }
    }

    /// `issue #1 "title"`: what it is called, its number and its title.
    pub fn numbered(&self, noun: &str, path: &str) -> String {
        let title = self.title(&format!("{path}.title"));
        let space = if title.is_empty() { "" } else { " " };
        format!("{noun} #{}{space}{title}", self.name(&format!("{path}.number")))
    }

    /// The payload's `action`, with spaces.
    pub fn action(&self) -> String {
        self.name("action").replace('_', " ")
    }

    /// Who did it.
    pub fn actor(&self) -> String {
        let actor = self.first_name(&["sender.login", "pusher.name"]);
        if actor.is_empty() { "GitHub".to_owned() } else { actor }
    }

    /// The full name of the repository, if the event has one.
    pub fn repository(&self) -> Option<String> {
        Some(self.name("repository.full_name")).filter(|name| !name.is_empty())
    }

    /// Where it happened: the repository, else the organization or account.
    pub fn place(&self) -> String {
        let place = self.first_name(&[
            "repository.full_name",
            "organization.login",
            "installation.account.login",
            "enterprise.slug",
        ]);
        if place.is_empty() { "GitHub".to_owned() } else { place }
    }
}
