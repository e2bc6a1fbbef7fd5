//! The pages of `docs/integrations`, read as what they promise: configurations, requests, bodies and sentences.
//!
//! In a page, `json5` is a configuration (or the keys of one endpoint), `json` is what goes over the wire with `…` where
//! it differs from time to time, and `text` is what the agent is told. Invariant: a test of an integration takes all of
//! these from its page, so a page cannot show what does not work.

use std::fmt::Write as _;
use std::path::PathBuf;

use openclaw_tests::TestGateway;
use openclaw_tests::gateway::cli;
use serde_json::Value;
use tempfile::TempDir;

use crate::deliveries_sink::Sink;
use crate::guests::HOSTILE;

/// One page.
pub(crate) struct Page {
    /// Its file's name.
    pub(crate) name: String,
    text: String,
}

impl Page {
    /// The page of this name.
    pub(crate) fn read(name: &str) -> Self {
        let text = std::fs::read_to_string(folder().join(name)).unwrap();
        Self { name: name.to_owned(), text }
    }

    /// All of them.
    pub(crate) fn all() -> Vec<Self> {
        let files = std::fs::read_dir(folder()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        files.filter(|name| name.ends_with(".md")).map(|name| Self::read(&name)).collect()
    }

    /// Its blocks in a language, in order.
    pub(crate) fn blocks(&self, language: &str) -> Vec<&str> {
        let mut found = Vec::new();
        let mut rest = self.text.as_str();
        // Fences are taken in pairs, or what closes one would open the next.
        while let Some((_, opened)) = rest.split_once("```") {
            let (block, after) = opened.split_once("```").expect("a fence is closed");
            if let Some((first, body)) = block.split_once('\n')
                && first == language
            {
                found.push(body.trim_end());
            }
            rest = after;
        }
        found
    }

    /// One of its configurations, from 0.
    pub(crate) fn config(&self, index: usize) -> &str {
        self.blocks("json5")[index]
    }

    /// One of its bodies, as printed.
    pub(crate) fn body(&self, index: usize) -> &str {
        self.blocks("json")[index]
    }

    /// One of its bodies, read.
    pub(crate) fn json(&self, index: usize) -> Value {
        serde_json::from_str(self.body(index)).unwrap()
    }

    /// One of its sentences.
    pub(crate) fn sentence(&self, index: usize) -> &str {
        self.blocks("text")[index]
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/integrations")
}

/// The variables a configuration needs: those it names, and the token it leaves to the environment.
pub(crate) fn variables(config: &str) -> Vec<&str> {
    let mut names: Vec<&str> =
        config.split("${").skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).collect();
    if config.contains(r#"mode: "token""#) {
        names.push("OPENCLAW_AUTH_TOKEN");
    }
    names.sort_unstable();
    names.dedup();
    names
}

/// What a variable is set to: long enough for a secret.
pub(crate) fn value_of(variable: &str) -> String {
    format!("a-value-of-the-tests-for-{variable}")
}

/// The configuration with receivers of this machine: another origin, and leave to go there.
fn towards(config: &str, sink: &Sink) -> String {
    let leave = if config.contains("allowPrivate") { "" } else { "allowPrivate: true, " };
    let mut parts = config.split("url: \"");
    let mut written = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (_, after_scheme) = part.split_once("://").expect("a URL has a scheme");
        let (_, path) = after_scheme.split_once('/').expect("a URL of the pages has a path");
        // Writing to a `String` cannot fail.
        let _ = write!(written, "{leave}url: \"{}{path}", sink.url("/"));
    }
    written
}

/// A gateway with a page's configuration, its variables set and its receivers here. The skill `deploy` has a tool that
/// works, `echo`, and one that fails, `trap`.
pub(crate) async fn gateway(config: &str, sink: Option<&Sink>) -> TestGateway {
    let home = TempDir::new().unwrap();
    cli(home.path(), &["skills", "install", HOSTILE, "--name", "deploy"]).await.unwrap();
    let set: Vec<String> = variables(config).iter().map(|name| format!("{name}={}", value_of(name))).collect();
    let wrapper: Vec<&str> = ["env"].into_iter().chain(set.iter().map(String::as_str)).collect();
    let config = sink.map_or_else(|| config.to_owned(), |sink| towards(config, sink));
    TestGateway::start_under(&wrapper, home, &config).await
}

/// Asserts that a body is the printed one, `…` standing for anything, alone or within a text.
pub(crate) fn assert_shown(printed: &Value, sent: &Value) {
    if let Some(difference) = difference(printed, sent, "$") {
        panic!("{difference}\nprinted: {printed:#}\nsent: {sent:#}");
    }
}

fn difference(printed: &Value, sent: &Value, at: &str) -> Option<String> {
    match (printed, sent) {
        (Value::String(any), _) if any == "…" => None,
        (Value::String(pattern), Value::String(text)) if is_like(pattern, text) => None,
        (Value::Array(printed), Value::Array(sent)) if printed.len() == sent.len() => printed
            .iter()
            .zip(sent)
            .enumerate()
            .find_map(|(index, (printed, sent))| difference(printed, sent, &format!("{at}[{index}]"))),
        (Value::Object(printed), Value::Object(sent)) if printed.len() == sent.len() => printed
            .iter()
            .find_map(|(key, value)| difference(value, sent.get(key).unwrap_or(&Value::Null), &format!("{at}.{key}"))),
        _ => (printed != sent).then(|| format!("{at} differs")),
    }
}

fn is_like(pattern: &str, text: &str) -> bool {
    let Some((begin, rest)) = pattern.split_once('…') else { return pattern == text };
    let Some(mut left) = text.strip_prefix(begin) else { return false };
    let mut parts: Vec<&str> = rest.split('…').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, after)) = left.split_once(part) else { return false };
        left = after;
    }
    left.ends_with(end)
}

#[test]
fn three_dots_stand_for_anything_and_nothing_else_does() {
    let is_shown = |printed: &str, sent: &str| {
        let [printed, sent] = [printed, sent].map(|text| serde_json::from_str(text).unwrap());
        difference(&printed, &sent, "$").is_none()
    };
    assert!(is_shown(r#"{"a":"…","b":["x…z",1]}"#, r#"{"b":["xyz",1],"a":{"c":2}}"#));
    for sent in [r#"{"a":1}"#, r#"{"a":1,"b":["xyz",2]}"#, r#"{"a":1,"b":["yz",1]}"#, r#"{"a":1,"b":["xyz",1],"c":1}"#]
    {
        assert!(!is_shown(r#"{"a":"…","b":["x…z",1]}"#, sent), "{sent}");
    }
}
