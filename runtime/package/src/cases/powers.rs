//! The world a case plays in: settings, what buckets hold, which secrets have a value, and recorded answers over HTTP.
//!
//! Invariant: nothing is asked of the network. A request that was not recorded is a difference, and so is a recorded one
//! that was not sent; the value of a secret is its placeholder, here as in the skill.

use std::collections::{BTreeMap, BTreeSet};

use openclaw_domain::{CapabilityRequest, HttpRule, Origin, Powers};
use serde::Deserialize;
use serde_json::Value;

use super::{ToolCase, differs_as_json};

/// Buckets as a case writes them: by name, then by key. Text is kept as it is, anything else as JSON.
pub type Buckets = BTreeMap<String, BTreeMap<String, Value>>;

/// A request the skill sends, and what it gets.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// Method and URL with its query: `GET https://api.example.com/health?full=1`.
    pub request: String,
    /// What the request must carry, as far as it matters.
    #[serde(default)]
    pub with: Carried,
    /// What it gets.
    pub answer: Option<Answer>,
    /// Instead of an answer: nothing is there.
    #[serde(default)]
    pub unreachable: bool,
}

/// What a request carries.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Carried {
    /// Headers, names in lower case; a secret stands as `{{secret:NAME}}`.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body as text. Not together with `json`.
    pub body: Option<String>,
    /// The body as JSON. Not together with `body`.
    pub json: Option<Value>,
}

/// A recorded answer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The status; 200 without it.
    #[serde(default = "ok")]
    pub status: u16,
    /// Headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body as text. Not together with `json`.
    pub body: Option<String>,
    /// The body as JSON. Not together with `body`.
    pub json: Option<Value>,
}

const fn ok() -> u16 {
    200
}

/// An event the skill emits.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventExpectation {
    /// Its name.
    pub name: String,
    /// Its data, if it matters.
    pub data: Option<Value>,
}

/// A request as the runner saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// The URL with its query.
    pub url: String,
    /// Headers; a secret stands as its placeholder.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What a skill did besides answering.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// What its buckets hold now.
    pub kv: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    /// Events it emitted: name, and data as JSON text.
    pub events: Vec<(String, String)>,
}

/// The answers of a case while it runs.
#[derive(Clone, Debug)]
pub struct Recording {
    left: Vec<Exchange>,
    differences: Vec<String>,
}

/// What a request gets.
#[derive(Clone, Debug, PartialEq)]
pub enum Played {
    /// This.
    Answer(Answer),
    /// Nothing is there.
    Unreachable,
    /// The case has no answer to it.
    Unrecorded,
}

impl Answer {
    /// The body's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        match (&self.body, &self.json) {
            (Some(text), _) => text.clone().into_bytes(),
            (None, Some(value)) => value.to_string().into_bytes(),
            (None, None) => Vec::new(),
        }
    }
}

impl Exchange {
    /// Method, origin, and path with query.
    fn parts(&self) -> Result<(String, Origin, String), String> {
        let wrong = |reason: String| format!("`http`: `{}` {reason}", self.request);
        let (method, url) = self
            .request
            .split_once(' ')
            .ok_or_else(|| wrong("needs a method and a URL: write `GET https://host/path`".to_owned()))?;
        let (origin, rest) = Origin::split(url).map_err(|error| wrong(error.reason.to_owned()))?;
        let rest = rest.split('#').next().unwrap_or_default();
        let path = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
        Ok((method.to_ascii_uppercase(), origin, path))
    }

    fn is(&self, asked: &Asked) -> bool {
        let theirs = Self { request: format!("{} {}", asked.method, asked.url), ..self.clone() };
        self.parts().is_ok_and(|parts| theirs.parts().is_ok_and(|theirs| parts == theirs))
    }

    fn check(&self) -> Result<(), String> {
        self.parts()?;
        let both = |body: &Option<String>, json: &Option<Value>| body.is_some() && json.is_some();
        if self.answer.is_some() == self.unreachable {
            return Err(format!("`http`: `{}` takes either `answer` or `unreachable`", self.request));
        }
        if both(&self.with.body, &self.with.json)
            || self.answer.as_ref().is_some_and(|answer| both(&answer.body, &answer.json))
        {
            return Err(format!("`http`: `{}` has both `body` and `json`: use one", self.request));
        }
        Ok(())
    }
}

impl ToolCase {
    /// Checks what only a look at several keys can tell.
    pub(super) fn check_powers(&self) -> Result<(), String> {
        self.http.iter().try_for_each(Exchange::check)
    }

    /// What the skill is granted while the case runs: what its `skill.toml` wants. Where that leaves a capability open
    /// it is what the case itself names: the recorded requests, the buckets, the settings. Nothing if `granted` is false.
    pub fn powers(&self, requests: &[CapabilityRequest]) -> Powers {
        let mut powers = Powers::default();
        if !self.granted {
            return powers;
        }
        for request in requests {
            powers.extend(request.wants.clone());
        }
        let asks = |name: &str| requests.iter().any(|request| request.capability.as_str() == name);
        if asks("http") && powers.http.is_empty() {
            let parts = self.http.iter().filter_map(|exchange| exchange.parts().ok());
            powers.http = parts
                .map(|(method, origin, path)| {
                    HttpRule::exactly(&method, &origin, path.split('?').next().unwrap_or("/"))
                })
                .collect();
        }
        if asks("kv") && powers.kv.is_empty() {
            powers.kv = self.kv.keys().cloned().collect();
        }
        if asks("config") && powers.config.is_empty() {
            powers.config = BTreeSet::from(["*".to_owned()]);
        }
        powers
    }

    /// The settings an operator would have set: text as it is, anything else as JSON text.
    pub fn settings_set(&self) -> BTreeMap<String, String> {
        self.settings.iter().map(|(name, value)| (name.clone(), text_of(value))).collect()
    }

    /// What the buckets hold when the case begins.
    pub fn buckets(&self) -> BTreeMap<String, BTreeMap<String, Vec<u8>>> {
        let bucket = |keys: &BTreeMap<String, Value>| {
            keys.iter().map(|(key, value)| (key.clone(), text_of(value).into_bytes())).collect()
        };
        self.kv.iter().map(|(name, keys)| (name.clone(), bucket(keys))).collect()
    }

    /// The answers it has recorded.
    pub fn recording(&self) -> Recording {
        Recording { left: self.http.clone(), differences: Vec::new() }
    }

    /// What differs in what the skill did besides answering, a sentence each.
    pub fn judge_effects(&self, effects: &Effects) -> Vec<String> {
        let mut differences = Vec::new();
        for (bucket, keys) in &self.expect.kv {
            for (key, expected) in keys {
                let what = format!("kv.{bucket}.{key}");
                match (effects.kv.get(bucket).and_then(|keys| keys.get(key)), expected) {
                    (None, Value::Null) => {}
                    (Some(value), expected) if holds(value, expected) => {}
                    (None, expected) => differences.push(format!("{what}: expected {expected}, and it is not there")),
                    (Some(value), expected) => {
                        let value = String::from_utf8_lossy(value);
                        differences.push(format!("{what}: expected {expected}, got {value}"));
                    }
                }
            }
        }
        if let Some(expected) = &self.expect.events {
            let names: Vec<&str> = effects.events.iter().map(|(name, _)| name.as_str()).collect();
            let wanted: Vec<&str> = expected.iter().map(|event| event.name.as_str()).collect();
            if names == wanted {
                for (at, (expected, (_, data))) in expected.iter().zip(&effects.events).enumerate() {
                    if let Some(expected) = &expected.data {
                        differences.extend(differs_as_json(&format!("events[{at}].data"), expected, data));
                    }
                }
            } else {
                differences.push(format!("events: expected {wanted:?}, got {names:?}"));
            }
        }
        differences
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn holds(value: &[u8], expected: &Value) -> bool {
    serde_json::from_slice::<Value>(value).is_ok_and(|value| value == *expected)
        || expected.as_str().is_some_and(|text| text.as_bytes() == value)
}

impl Recording {
    /// Answers a request with the first recorded one that is the same and was not used yet.
    pub fn play(&mut self, asked: &Asked) -> Played {
        let Some(at) = self.left.iter().position(|exchange| exchange.is(asked)) else {
            self.differences
                .push(format!("`{} {}` was sent, and the case has no answer to it", asked.method, asked.url));
            return Played::Unrecorded;
        };
        let exchange = self.left.remove(at);
        let Carried { headers, body, json } = &exchange.with;
        for (name, expected) in headers {
            let given = asked.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            if given.is_none_or(|(_, value)| value != expected) {
                let given = given.map_or("nothing", |(_, value)| value);
                self.differences
                    .push(format!("`{}`: header `{name}`: expected {expected:?}, got {given:?}", exchange.request));
            }
        }
        let given = String::from_utf8_lossy(&asked.body);
        if let Some(expected) = body
            && *expected != given
        {
            self.differences.push(format!("`{}`: body: expected {expected:?}, got {given:?}", exchange.request));
        }
        if let Some(expected) = json {
            self.differences.extend(differs_as_json(&format!("`{}`: body", exchange.request), expected, &given));
        }
        exchange.answer.map_or(Played::Unreachable, Played::Answer)
    }

    /// What was different when the call is over, recorded requests that were not sent included.
    pub fn differences(self) -> Vec<String> {
        let unsent = self.left.iter().map(|exchange| format!("`{}` was not sent", exchange.request));
        self.differences.into_iter().chain(unsent).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cases::Case;

    fn tool(json: &Value) -> Result<ToolCase, String> {
        match Case::parse(&json.to_string())? {
            Case::Tool(case) => Ok(*case),
            other => Err(format!("{other:?}")),
        }
    }

    fn case(http: &Value) -> Result<ToolCase, String> {
        tool(&json!({ "http": http, "expect": { "text": "x" } }))
    }

    fn asked(method: &str, url: &str, body: &str) -> Asked {
        Asked { method: method.to_owned(), url: url.to_owned(), body: body.into(), ..Asked::default() }
    }

    #[test]
    fn recorded_answers_are_played_once_each_and_what_differs_is_said() {
        let case = case(&json!([
            { "request": "POST https://a.example/x?q=1", "with": { "json": { "a": 1 } }, "answer": { "status": 201 } },
            { "request": "GET https://a.example/", "unreachable": true },
            { "request": "GET https://a.example/never", "answer": {} },
        ]));
        let mut recording = case.unwrap().recording();
        let Played::Answer(answer) = recording.play(&asked("POST", "https://a.example/x?q=1", r#"{"a":2}"#)) else {
            panic!("it is recorded");
        };
        assert_eq!(answer.status, 201);
        assert_eq!(recording.play(&asked("GET", "https://a.example", "")), Played::Unreachable);
        assert_eq!(recording.play(&asked("GET", "https://a.example", "")), Played::Unrecorded);
        let differences = recording.differences();
        assert_eq!(differences.len(), 3, "{differences:?}");
        assert!(differences[2].contains("/never` was not sent"));
    }

    #[test]
    fn a_case_is_granted_what_the_skill_wants_and_where_that_is_open_what_it_names() {
        let case = tool(&json!({
            "http": [{ "request": "GET https://a.example/x?q=1", "answer": {} }],
            "expect": { "text": "x" },
        }))
        .unwrap();
        let request = |capability, wants| CapabilityRequest { capability, reason: "r".to_owned(), wants };
        let http = openclaw_domain::Capability::Http;
        let open = case.powers(&[request(http, Powers::default())]);
        assert_eq!(open.lines(), [("http", "GET https://a.example/x".to_owned())]);
        let wants = Powers { http: BTreeSet::from(["GET https://b.example/**".parse().unwrap()]), ..Powers::default() };
        assert_eq!(case.powers(&[request(http, wants.clone())]), wants);
        assert!(case.powers(&[]).is_empty());
        assert!(ToolCase { granted: false, ..case }.powers(&[request(http, wants)]).is_empty());
    }

    #[test]
    fn a_case_sees_what_was_kept_and_emitted() {
        let case = tool(&json!({
            "expect": {
                "kv": { "default": { "a": { "n": 1 }, "gone": null, "text": "x" } },
                "events": [{ "name": "changed", "data": { "to": "b" } }],
            },
        }))
        .unwrap();
        let keys = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect()
        };
        let kept = BTreeMap::from([("default".to_owned(), keys(&[("a", r#"{"n":1}"#), ("text", "x")]))]);
        let event = ("changed".to_owned(), r#"{"to":"b"}"#.to_owned());
        assert!(case.judge_effects(&Effects { kv: kept, events: vec![event] }).is_empty());
        let differences = case.judge_effects(&Effects {
            kv: BTreeMap::from([("default".to_owned(), keys(&[("a", "2"), ("gone", "1"), ("text", "x")]))]),
            events: Vec::new(),
        });
        assert_eq!(differences.len(), 3, "{differences:?}");
    }

    #[test]
    fn a_recording_that_cannot_be_played_is_no_case() {
        for (exchange, part) in [
            (json!({ "request": "https://a.example", "answer": {} }), "method and a URL"),
            (json!({ "request": "GET a.example", "answer": {} }), "https://host"),
            (json!({ "request": "GET https://a.example" }), "`answer` or `unreachable`"),
            (json!({ "request": "GET https://a.example", "answer": {}, "unreachable": true }), "`answer` or"),
            (json!({ "request": "GET https://a.example", "answer": { "body": "", "json": 1 } }), "use one"),
            (json!({ "request": "GET https://a.example", "anser": {} }), "unknown field"),
        ] {
            let error = case(&json!([exchange])).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
