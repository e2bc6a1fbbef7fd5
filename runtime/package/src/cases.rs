//! A skill's cases: `cases/*.json` beside its `skill.toml`, run by `openclaw skills test DIR`.
//!
//! A case says what goes in and what must come out. Judging is pure: whoever runs the guest hands in what it
//! observed, so the command line and the tests of this project judge alike.
//! Invariant: a case that expects nothing, or holds an unknown key, is an error and never a pass.

mod egress;
mod powers;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use openclaw_domain::{IngressOutcome, IngressRequest, Refusal, Timestamp, ToolOutput};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use egress::{DeliverExpectation, EgressCase, EgressExpectation, EventFile};
pub use powers::{Answer, Asked, Buckets, Carried, Effects, EventExpectation, Exchange, Played, Recording};

/// One case.
#[derive(Clone, Debug, PartialEq)]
pub enum Case {
    /// A call of a tool.
    Tool(Box<ToolCase>),
    /// A run of an ingress transform.
    Ingress(Box<IngressCase>),
    /// A run of an egress transform.
    Egress(Box<EgressCase>),
}

/// A call of a tool and what it must come to.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolCase {
    /// What the case shows, as a sentence.
    pub name: Option<String>,
    /// The tool; without it, the skill's only one.
    pub tool: Option<String>,
    /// The arguments; `{}` without it.
    #[serde(default)]
    pub arguments: Map<String, Value>,
    /// The settings the operator set, over those of `skill.toml`.
    #[serde(default)]
    pub settings: Map<String, Value>,
    /// What the skill's buckets hold when the case begins.
    #[serde(default)]
    pub kv: Buckets,
    /// Names of secrets that have a value.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// Requests the skill sends, each once, and what they get. Nothing goes over a network.
    #[serde(default)]
    pub http: Vec<Exchange>,
    /// Whether the skill is granted what it asks for; `true` without it.
    #[serde(default = "yes")]
    pub granted: bool,
    /// What must come out.
    pub expect: ToolExpectation,
}

const fn yes() -> bool {
    true
}

/// What a tool must return and do. Everything that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolExpectation {
    /// The text, exactly.
    pub text: Option<String>,
    /// What the text contains, in any order.
    #[serde(default)]
    pub contains: Vec<String>,
    /// The structured result; objects are equal whatever the order of their keys.
    pub structured: Option<Value>,
    /// The code the call fails with: a guest's (`invalid-arguments`) or the gateway's (`SKILL_TIMEOUT`).
    pub failure: Option<String>,
    /// What its buckets hold afterwards, key by key; `null` is a key that is not there.
    #[serde(default)]
    pub kv: Buckets,
    /// The events it emitted, all of them, in order.
    pub events: Option<Vec<EventExpectation>>,
}

/// A webhook request and what the transform must make of it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IngressCase {
    /// What the case shows, as a sentence.
    pub name: Option<String>,
    /// The request.
    pub request: RequestFile,
    /// What must come out.
    pub expect: IngressExpectation,
}

/// A webhook request as a case writes it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestFile {
    /// The endpoint's path; `/test` without it.
    pub path: Option<String>,
    /// The method; `POST` without it.
    pub method: Option<String>,
    /// Query parameters, in the order of their names.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// Headers, in the order of their names.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Media type of the body; `application/json` for `json`, none for `body` without it.
    pub content_type: Option<String>,
    /// The body as text. Not together with `json`.
    pub body: Option<String>,
    /// The body as JSON. Not together with `body`.
    pub json: Option<Value>,
    /// The transform's settings; `{}` without it.
    #[serde(default)]
    pub settings: Map<String, Value>,
}

/// What a transform must decide: exactly one of these.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IngressExpectation {
    /// A message with this text.
    pub message: Option<MessageExpectation>,
    /// A discard for this reason.
    pub discard: Option<TextExpectation>,
    /// An answer to the sender.
    pub respond: Option<ResponseExpectation>,
    /// A call of a skill.
    pub invoke: Option<InvocationExpectation>,
    /// A failure whose text begins with this code, for example `unsupported-body`, or the gateway's own code.
    pub failure: Option<String>,
}

/// A text: exactly this, or one that contains all of these.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum TextExpectation {
    /// `"exactly this"`
    Exactly(String),
    /// `{ "contains": ["this", "and this"] }`
    Contains(Contains),
}

/// Parts of a text.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contains {
    /// The parts, in any order.
    pub contains: Vec<String>,
}

/// A message: its text, or its text and what goes with it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum MessageExpectation {
    /// Its text alone.
    Text(TextExpectation),
    /// Its text and the rest.
    Whole(WholeMessage),
}

/// A message with what goes with its text.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WholeMessage {
    /// The text.
    pub text: TextExpectation,
    /// The conversation within the endpoint.
    pub conversation: Option<String>,
    /// How many placeholders found no value.
    pub missing: Option<u32>,
}

/// An answer to the sender; what is left out may be anything.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResponseExpectation {
    /// The status.
    pub status: Option<u16>,
    /// The media type.
    pub content_type: Option<String>,
    /// The body as text.
    pub body: Option<TextExpectation>,
}

/// A call of a skill.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InvocationExpectation {
    /// `name` or `name/tool`.
    pub skill: String,
    /// The arguments, if they matter.
    pub arguments: Option<Value>,
}

/// Why a file is no case.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// It could not be read.
    #[error("cannot read `{}`: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not a case.
    #[error("`{}` is no case: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why, naming the key.
        reason: String,
    },
}

impl Case {
    /// Reads a case: one with `request` is for an ingress transform, one with `event` for an egress transform, any
    /// other for a tool.
    ///
    /// # Errors
    /// What is wrong, naming the key.
    pub fn parse(json: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
        if value.get("event").is_some() {
            let case: Box<EgressCase> = read(value)?;
            case.check()?;
            return Ok(Self::Egress(case));
        }
        if value.get("request").is_none() {
            let case: Box<ToolCase> = read(value)?;
            case.check_powers()?;
            let ToolExpectation { text, contains, structured, failure, kv, events } = &case.expect;
            let returns = text.is_some() || !contains.is_empty() || structured.is_some();
            let does = !kv.is_empty() || events.is_some();
            return match (returns, failure.is_some()) {
                (true, true) => Err("`expect.failure` excludes `text`, `contains` and `structured`".to_owned()),
                (false, false) if !does => {
                    Err("`expect` is empty: use `text`, `contains`, `structured`, `kv`, `events` or `failure`"
                        .to_owned())
                }
                _ => Ok(Self::Tool(case)),
            };
        }
        let case: Box<IngressCase> = read(value)?;
        if case.request.body.is_some() && case.request.json.is_some() {
            return Err("`request` has both `body` and `json`: use one".to_owned());
        }
        let IngressExpectation { message, discard, respond, invoke, failure } = &case.expect;
        let given = [message.is_some(), discard.is_some(), respond.is_some(), invoke.is_some(), failure.is_some()];
        if given.into_iter().filter(|given| *given).count() != 1 {
            return Err("`expect` takes exactly one of `message`, `discard`, `respond`, `invoke`, `failure`".to_owned());
        }
        Ok(Self::Ingress(case))
    }

    /// What the case shows, if it says so.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Tool(case) => case.name.as_deref(),
            Self::Ingress(case) => case.name.as_deref(),
            Self::Egress(case) => case.name.as_deref(),
        }
    }
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

/// The cases of a skill: `DIR/cases/*.json`, in the order of their names, each with its file.
/// A folder without `cases` has none.
///
/// # Errors
/// [`CaseError`] for the first file that cannot be read or is no case.
pub fn read_cases(dir: &Path) -> Result<Vec<(PathBuf, Case)>, CaseError> {
    let folder = dir.join("cases");
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let failed = |source| CaseError::File { path: folder.clone(), source };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
    }
    paths.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).map_err(|source| CaseError::File { path: path.clone(), source })?;
        match Case::parse(&text) {
            Ok(case) => Ok((path, case)),
            Err(reason) => Err(CaseError::Malformed { path, reason }),
        }
    };
    paths.into_iter().map(read).collect()
}

impl ToolCase {
    /// What differs from what was expected, a sentence each; nothing if the case passes.
    pub fn judge(&self, observed: Result<&ToolOutput, &Refusal>) -> Vec<String> {
        let result = match (observed, &self.expect.failure) {
            (Err(refusal), Some(expected)) if tool_failure(refusal) == expected => return Vec::new(),
            (Err(refusal), Some(expected)) => {
                return vec![format!("expected failure `{expected}`, got `{}`: {refusal}", tool_failure(refusal))];
            }
            (Err(refusal), None) => return vec![format!("it failed with `{}`: {refusal}", tool_failure(refusal))],
            (Ok(output), Some(expected)) => return vec![format!("expected failure `{expected}`, got {output:?}")],
            (Ok(ToolOutput::InputRequired(needed)), None) => {
                let questions: Vec<&str> = needed.requests.iter().map(|request| request.message.as_str()).collect();
                return vec![format!("it asked instead of answering: {questions:?}")];
            }
            (Ok(ToolOutput::Complete(result)), None) => result,
        };
        let mut differences = Vec::new();
        let text = result.to_text();
        if let Some(expected) = &self.expect.text {
            differences.extend(differs("text", expected, &text));
        }
        differences.extend(lacks("text", &self.expect.contains, &text));
        if let Some(expected) = &self.expect.structured {
            let observed = result.structured.as_deref().unwrap_or("nothing");
            differences.extend(differs_as_json("structured", expected, observed));
        }
        differences
    }
}

/// The code a tool's refusal is known by in cases.
fn tool_failure(refusal: &Refusal) -> &str {
    match refusal {
        Refusal::SkillFailed { failure, .. } => failure.code.as_str(),
        // The host checks the schema, the guest the rest; to an author both are the same mistake.
        Refusal::InvalidArguments { .. } => "invalid-arguments",
        other => other.code().as_str(),
    }
}

impl IngressCase {
    /// The request as the transform gets it, accepted at the first moment of 2026.
    pub fn request(&self) -> IngressRequest {
        let RequestFile { path, method, query, headers, content_type, body, json, settings } = &self.request;
        let pairs = |map: &BTreeMap<String, String>| -> Vec<(String, String)> {
            map.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
        };
        let json_type = json.as_ref().map(|_| "application/json".to_owned());
        let body = match (body, json) {
            (Some(text), _) => text.clone(),
            (None, Some(value)) => value.to_string(),
            (None, None) => String::new(),
        };
        IngressRequest {
            path: path.as_deref().unwrap_or("/test").into(),
            method: method.clone().unwrap_or_else(|| "POST".to_owned()),
            query: pairs(query),
            headers: pairs(headers).into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect(),
            content_type: content_type.clone().or(json_type),
            body: body.into(),
            received_at: Timestamp::from_millis(1_767_225_600_000),
            settings: Value::Object(settings.clone()).to_string().into(),
        }
    }

    /// What differs from what was expected, a sentence each; nothing if the case passes.
    pub fn judge(&self, observed: Result<&IngressOutcome, &Refusal>) -> Vec<String> {
        let expect = &self.expect;
        match observed {
            Err(refusal) => match &expect.failure {
                Some(expected) if is_failure(refusal, expected) => Vec::new(),
                Some(expected) => vec![format!("expected failure `{expected}`, got: {refusal}")],
                None => vec![format!("it failed: {refusal}")],
            },
            Ok(outcome) => match (outcome, &expect.message, &expect.discard, &expect.respond, &expect.invoke) {
                (IngressOutcome::Message { text, conversation, missing }, Some(expected), ..) => {
                    expected.judge(text, conversation.as_deref(), *missing)
                }
                (IngressOutcome::Discard { reason }, _, Some(expected), ..) => expected.judge("discard", reason),
                (IngressOutcome::Respond { status, content_type, body }, _, _, Some(expected), _) => {
                    expected.judge(*status, content_type, body)
                }
                (IngressOutcome::Invoke { skill, arguments }, .., Some(expected)) => expected.judge(skill, arguments),
                _ => vec![format!("expected {}, got {outcome:?}", expect.kind())],
            },
        }
    }
}

fn is_failure(refusal: &Refusal, expected: &str) -> bool {
    match refusal {
        Refusal::TransformFailed { reason, .. } if reason.starts_with(expected) => true,
        other => other.code().as_str() == expected,
    }
}

impl IngressExpectation {
    const fn kind(&self) -> &'static str {
        match self {
            Self { message: Some(_), .. } => "a message",
            Self { discard: Some(_), .. } => "a discard",
            Self { respond: Some(_), .. } => "a response",
            Self { invoke: Some(_), .. } => "an invocation",
            _ => "a failure",
        }
    }
}

impl TextExpectation {
    fn judge(&self, what: &str, observed: &str) -> Vec<String> {
        match self {
            Self::Exactly(expected) => differs(what, expected, observed).into_iter().collect(),
            Self::Contains(Contains { contains }) => lacks(what, contains, observed).collect(),
        }
    }
}

impl MessageExpectation {
    fn judge(&self, text: &str, conversation: Option<&str>, missing: u32) -> Vec<String> {
        let expected = match self {
            Self::Text(expected) => return expected.judge("message", text),
            Self::Whole(expected) => expected,
        };
        let mut differences = expected.text.judge("message", text);
        if let Some(expected) = &expected.conversation {
            differences.extend(differs("conversation", expected, conversation.unwrap_or("")));
        }
        if let Some(expected) = expected.missing
            && expected != missing
        {
            differences.push(format!("missing: expected {expected}, got {missing}"));
        }
        differences
    }
}

impl ResponseExpectation {
    fn judge(&self, status: u16, content_type: &str, body: &[u8]) -> Vec<String> {
        let mut differences = Vec::new();
        if let Some(expected) = self.status
            && expected != status
        {
            differences.push(format!("status: expected {expected}, got {status}"));
        }
        if let Some(expected) = &self.content_type {
            differences.extend(differs("content_type", expected, content_type));
        }
        if let Some(expected) = &self.body {
            differences.extend(expected.judge("body", &String::from_utf8_lossy(body)));
        }
        differences
    }
}

impl InvocationExpectation {
    fn judge(&self, skill: &str, arguments: &str) -> Vec<String> {
        let mut differences: Vec<String> = differs("skill", &self.skill, skill).into_iter().collect();
        if let Some(expected) = &self.arguments {
            differences.extend(differs_as_json("arguments", expected, arguments));
        }
        differences
    }
}

fn differs(what: &str, expected: &str, observed: &str) -> Option<String> {
    (expected != observed).then(|| format!("{what}: expected {expected:?}, got {observed:?}"))
}

fn differs_as_json(what: &str, expected: &Value, observed: &str) -> Option<String> {
    let same = serde_json::from_str::<Value>(observed).is_ok_and(|observed| observed == *expected);
    (!same).then(|| format!("{what}: expected {expected}, got {observed}"))
}

fn lacks<'a>(what: &'a str, parts: &'a [String], observed: &'a str) -> impl Iterator<Item = String> + 'a {
    let missing = parts.iter().filter(move |part| !observed.contains(part.as_str()));
    missing.map(move |part| format!("{what}: {part:?} is not in {observed:?}"))
}

#[cfg(test)]
mod tests {
    use openclaw_domain::{Code, Content, Failure, FailureCode, ToolResult};
    use serde_json::json;

    use super::*;

    fn tool_case(case: &Value) -> ToolCase {
        match Case::parse(&case.to_string()).unwrap() {
            Case::Tool(case) => *case,
            other => panic!("{other:?}"),
        }
    }

    fn ingress_case(case: &Value) -> IngressCase {
        match Case::parse(&case.to_string()).unwrap() {
            Case::Ingress(case) => *case,
            other => panic!("{other:?}"),
        }
    }

    fn output(text: &str, structured: &str) -> ToolOutput {
        ToolOutput::Complete(ToolResult {
            content: vec![Content::Text(text.to_owned())],
            structured: Some(structured.to_owned()),
        })
    }

    fn failed(code: FailureCode) -> Refusal {
        let failure = Failure { code, message: "no".to_owned(), retryable: false };
        Refusal::SkillFailed { skill: "a".parse().unwrap(), tool: "b".parse().unwrap(), failure }
    }

    #[test]
    fn a_tool_case_passes_when_everything_it_expects_holds() {
        let case = tool_case(&json!({
            "arguments": { "x": 1 },
            "expect": { "text": "one two", "contains": ["one", "two"], "structured": { "a": 1, "b": [2] } }
        }));
        assert_eq!(case.judge(Ok(&output("one two", r#"{"b":[2],"a":1}"#))), Vec::<String>::new());
        assert_eq!(
            case.judge(Ok(&output("one", "{}"))),
            [
                r#"text: expected "one two", got "one""#,
                r#"text: "two" is not in "one""#,
                r#"structured: expected {"a":1,"b":[2]}, got {}"#,
            ]
        );
        assert_eq!(case.judge(Err(&failed(FailureCode::NotFound))), ["it failed with `not-found`: `a/b` failed: no"]);
    }

    #[test]
    fn a_failure_is_expected_by_the_guest_s_code_or_the_gateway_s() {
        let expects = |code: &str| tool_case(&json!({ "expect": { "failure": code } }));
        assert!(expects("denied").judge(Err(&failed(FailureCode::Denied))).is_empty());
        assert!(!expects("denied").judge(Err(&failed(FailureCode::Failed))).is_empty());
        assert!(!expects("denied").judge(Ok(&output("x", "1"))).is_empty());
        let schema = Refusal::InvalidArguments {
            skill: "a".parse().unwrap(),
            tool: "b".parse().unwrap(),
            path: "/x".to_owned(),
            reason: "no".to_owned(),
        };
        assert!(expects("invalid-arguments").judge(Err(&schema)).is_empty());
        assert!(expects(Code::QueueFull.as_str()).judge(Err(&Refusal::QueueFull("inbox"))).is_empty());
    }

    #[test]
    fn a_transform_case_makes_the_request_the_host_would() {
        let case = ingress_case(&json!({
            "request": { "headers": { "X-GitHub-Event": "push" }, "json": { "a": 1 }, "settings": { "message": "m" } },
            "expect": { "message": "m" }
        }));
        let request = case.request();
        assert_eq!((&*request.path, request.method.as_str()), ("/test", "POST"));
        assert_eq!(request.headers, [("x-github-event".to_owned(), "push".to_owned())]);
        assert_eq!(request.content_type.as_deref(), Some("application/json"));
        assert_eq!((&request.body[..], &*request.settings), (br#"{"a":1}"#.as_slice(), r#"{"message":"m"}"#));
        assert_eq!(request.received_at.to_string(), "2026-01-01T00:00:00.000Z");
    }

    #[test]
    fn each_outcome_is_judged_by_its_own_expectation() {
        let expects = |expect: Value| ingress_case(&json!({ "request": {}, "expect": expect }));
        let message = IngressOutcome::Message { text: "a b".into(), conversation: Some("c".into()), missing: 1 };
        let discard = IngressOutcome::Discard { reason: "a ping".into() };
        let invoke = IngressOutcome::Invoke { skill: "s/t".into(), arguments: r#"{"x":1}"#.into() };
        let respond = IngressOutcome::Respond {
            status: 200,
            content_type: "text/plain".into(),
            body: "hi".as_bytes().to_vec().into(),
        };
        for (expect, outcome) in [
            (json!({ "message": "a b" }), &message),
            (json!({ "message": { "contains": ["b", "a"] } }), &message),
            (json!({ "message": { "text": "a b", "conversation": "c", "missing": 1 } }), &message),
            (json!({ "discard": "a ping" }), &discard),
            (json!({ "invoke": { "skill": "s/t", "arguments": { "x": 1 } } }), &invoke),
            (json!({ "respond": { "status": 200, "body": "hi" } }), &respond),
        ] {
            assert_eq!(expects(expect).judge(Ok(outcome)), Vec::<String>::new());
        }
        for (expect, outcome) in [
            (json!({ "message": "a" }), &message),
            (json!({ "message": { "text": "a b", "missing": 0 } }), &message),
            (json!({ "discard": "a b" }), &message),
            (json!({ "failure": "failed" }), &discard),
            (json!({ "invoke": { "skill": "s", "arguments": { "x": 2 } } }), &invoke),
            (json!({ "respond": { "status": 201 } }), &respond),
        ] {
            assert_ne!(expects(expect).judge(Ok(outcome)), Vec::<String>::new());
        }
        let refusal = Refusal::TransformFailed { transform: "t".into(), reason: "unsupported-body: not JSON".into() };
        assert!(expects(json!({ "failure": "unsupported-body" })).judge(Err(&refusal)).is_empty());
        assert!(expects(json!({ "failure": "TRANSFORM_FAILED" })).judge(Err(&refusal)).is_empty());
        assert!(!expects(json!({ "failure": "bad-settings" })).judge(Err(&refusal)).is_empty());
    }

    #[test]
    fn a_case_that_could_only_pass_is_an_error() {
        for case in [
            json!({ "arguments": {}, "expect": {} }),
            json!({ "arguments": {} }),
            json!({ "expect": { "txt": "a" } }),
            json!({ "expect": { "text": "a", "failure": "failed" } }),
            json!({ "request": {}, "expect": {} }),
            json!({ "request": {}, "expect": { "message": "a", "discard": "b" } }),
            json!({ "request": { "body": "", "json": 1 }, "expect": { "message": "a" } }),
            json!({ "request": {}, "expect": { "message": { "contain": ["a"] } } }),
        ] {
            assert!(Case::parse(&case.to_string()).is_err(), "{case}");
        }
    }
}
