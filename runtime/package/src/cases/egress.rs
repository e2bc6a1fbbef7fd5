//! Cases of egress transforms: an event with its endpoint's settings, and what must be sent.

use std::collections::BTreeMap;

use openclaw_domain::{EgressCall, EgressEvent, EgressOutcome, Refusal, SkillName, TenantId, Timestamp, TraceId};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{TextExpectation, differs, differs_as_json, is_failure};

/// The trace of every event in a case, so that a transform that sends it on sends the same.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// An event and what the transform must make of it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EgressCase {
    /// What the case shows, as a sentence.
    pub name: Option<String>,
    /// The event.
    pub event: EventFile,
    /// The transform's settings; `{}` without it. For `template`, the `transform` object.
    #[serde(default)]
    pub settings: Map<String, Value>,
    /// What must come out.
    pub expect: EgressExpectation,
}

/// An event as a case writes it. It happened at the first moment of 2026, to tenant `default`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventFile {
    /// Its id; `evt_` and 32 times `0` without it.
    pub id: Option<String>,
    /// What kind; `agent.task.completed` without it.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Its data; `{}` without it.
    #[serde(default)]
    pub data: Map<String, Value>,
    /// The endpoint's name; `test` without it.
    pub endpoint: Option<String>,
}

/// What a transform must decide: exactly one of these.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EgressExpectation {
    /// Something to send.
    pub deliver: Option<DeliverExpectation>,
    /// A skip for this reason.
    pub skip: Option<TextExpectation>,
    /// A failure whose text begins with this code, for example `unsupported-event`, or the gateway's own code.
    pub failure: Option<String>,
}

/// What is sent; what is left out may be anything.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliverExpectation {
    /// The body as JSON; objects are equal whatever the order of their keys.
    pub json: Option<Value>,
    /// The body as text.
    pub body: Option<TextExpectation>,
    /// Its media type.
    pub content_type: Option<String>,
    /// Its headers, each of them.
    pub headers: Option<BTreeMap<String, String>>,
    /// How many placeholders found no value.
    pub missing: Option<u32>,
}

impl EgressCase {
    /// What is wrong with the case itself, naming the key.
    pub(super) fn check(&self) -> Result<(), String> {
        let EgressExpectation { deliver, skip, failure } = &self.expect;
        let given = [deliver.is_some(), skip.is_some(), failure.is_some()];
        if given.into_iter().filter(|given| *given).count() != 1 {
            return Err("`expect` takes exactly one of `deliver`, `skip`, `failure`".to_owned());
        }
        let Some(DeliverExpectation { json, body, content_type, headers, missing }) = deliver else { return Ok(()) };
        if json.is_none() && body.is_none() && content_type.is_none() && headers.is_none() && missing.is_none() {
            let keys = "`json`, `body`, `content_type`, `headers` or `missing`";
            return Err(format!("`expect.deliver` is empty: use {keys}"));
        }
        Ok(())
    }

    /// The run of the transform that the case describes.
    pub fn call(&self, transform: SkillName) -> EgressCall {
        let EventFile { id, kind, data, endpoint } = &self.event;
        let or = |given: &Option<String>, default: &str| given.clone().unwrap_or_else(|| default.to_owned());
        EgressCall {
            tenant: TenantId::default(),
            transform,
            event: EgressEvent {
                id: or(id, "evt_00000000000000000000000000000000"),
                kind: or(kind, "agent.task.completed"),
                timestamp: Timestamp::from_millis(1_767_225_600_000),
                data: Value::Object(data.clone()).to_string().into(),
                endpoint: endpoint.as_deref().unwrap_or("test").into(),
                settings: Value::Object(self.settings.clone()).to_string().into(),
            },
            trace: TRACE.parse::<TraceId>().unwrap_or_default(),
        }
    }

    /// What differs from what was expected, a sentence each; nothing if the case passes.
    pub fn judge(&self, observed: Result<&EgressOutcome, &Refusal>) -> Vec<String> {
        let EgressExpectation { deliver, skip, failure } = &self.expect;
        match (observed, deliver, skip, failure) {
            (Err(refusal), .., Some(expected)) if is_failure(refusal, expected) => Vec::new(),
            (Err(refusal), .., Some(expected)) => vec![format!("expected failure `{expected}`, got: {refusal}")],
            (Err(refusal), ..) => vec![format!("it failed: {refusal}")],
            (Ok(EgressOutcome::Skip { reason }), _, Some(expected), _) => expected.judge("skip", reason),
            (Ok(EgressOutcome::Deliver { content_type, headers, body, missing }), Some(expected), ..) => {
                expected.judge(content_type, headers, &String::from_utf8_lossy(body), *missing)
            }
            (Ok(outcome), deliver, skip, _) => {
                let expected = match (deliver, skip) {
                    (Some(_), _) => "something to send",
                    (_, Some(_)) => "a skip",
                    _ => "a failure",
                };
                vec![format!("expected {expected}, got {outcome:?}")]
            }
        }
    }
}

impl DeliverExpectation {
    fn judge(&self, content_type: &str, headers: &[(String, String)], body: &str, missing: u32) -> Vec<String> {
        let mut differences = Vec::new();
        if let Some(expected) = &self.json {
            differences.extend(differs_as_json("body", expected, body));
        }
        if let Some(expected) = &self.body {
            differences.extend(expected.judge("body", body));
        }
        if let Some(expected) = &self.content_type {
            differences.extend(differs("content_type", expected, content_type));
        }
        if let Some(expected) = &self.headers {
            let observed: BTreeMap<String, String> = headers.iter().cloned().collect();
            if *expected != observed || observed.len() != headers.len() {
                differences.push(format!("headers: expected {expected:?}, got {headers:?}"));
            }
        }
        if let Some(expected) = self.missing
            && expected != missing
        {
            differences.push(format!("missing: expected {expected}, got {missing}"));
        }
        differences
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Case;
    use super::*;

    fn case(case: &Value) -> EgressCase {
        match Case::parse(&case.to_string()).unwrap() {
            Case::Egress(case) => *case,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_case_makes_the_event_the_host_would() {
        let call = case(&json!({
            "event": { "type": "agent.error", "data": { "message": "no" }, "endpoint": "pager" },
            "settings": { "routing_key": "${KEY}" },
            "expect": { "skip": "x" }
        }))
        .call("pagerduty".parse().unwrap());
        assert_eq!((call.event.kind.as_str(), &*call.event.data), ("agent.error", r#"{"message":"no"}"#));
        assert_eq!((&*call.event.endpoint, &*call.event.settings), ("pager", r#"{"routing_key":"${KEY}"}"#));
        assert_eq!((call.trace.to_string().as_str(), call.tenant.as_str()), (TRACE, "default"));
        assert_eq!(call.event.timestamp.to_string(), "2026-01-01T00:00:00.000Z");
    }

    #[test]
    fn each_outcome_is_judged_by_its_own_expectation() {
        let expects = |expect: Value| case(&json!({ "event": {}, "expect": expect }));
        let skip = EgressOutcome::Skip { reason: "not for me".into() };
        let deliver = EgressOutcome::Deliver {
            content_type: "application/json".into(),
            headers: vec![("x-a".into(), "1".into())],
            body: r#"{"b":1,"a":2}"#.into(),
            missing: 1,
        };
        for (expect, outcome) in [
            (json!({ "skip": { "contains": ["for"] } }), &skip),
            (json!({ "deliver": { "json": { "a": 2, "b": 1 } } }), &deliver),
            (json!({ "deliver": { "body": "{\"b\":1,\"a\":2}", "content_type": "application/json" } }), &deliver),
            (json!({ "deliver": { "headers": { "x-a": "1" }, "missing": 1 } }), &deliver),
        ] {
            assert_eq!(expects(expect).judge(Ok(outcome)), Vec::<String>::new());
        }
        for (expect, outcome) in [
            (json!({ "skip": "x" }), &deliver),
            (json!({ "failure": "failed" }), &skip),
            (json!({ "deliver": { "json": { "a": 1 } } }), &deliver),
            (json!({ "deliver": { "headers": {} } }), &deliver),
            (json!({ "deliver": { "missing": 0 } }), &deliver),
        ] {
            assert_ne!(expects(expect).judge(Ok(outcome)), Vec::<String>::new());
        }
        let refusal = Refusal::TransformFailed { transform: "t".into(), reason: "bad-settings: no".into() };
        assert!(expects(json!({ "failure": "bad-settings" })).judge(Err(&refusal)).is_empty());
        assert!(!expects(json!({ "skip": "no" })).judge(Err(&refusal)).is_empty());
    }

    #[test]
    fn a_case_that_could_only_pass_is_an_error() {
        for case in [
            json!({ "event": {}, "expect": {} }),
            json!({ "event": {}, "expect": { "deliver": {} } }),
            json!({ "event": {}, "expect": { "skip": "a", "failure": "b" } }),
            json!({ "event": { "kind": "x" }, "expect": { "skip": "a" } }),
            json!({ "event": {}, "request": {}, "expect": { "skip": "a" } }),
        ] {
            assert!(Case::parse(&case.to_string()).is_err(), "{case}");
        }
    }
}
