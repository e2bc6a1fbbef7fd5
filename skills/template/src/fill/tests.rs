//! What `template` sends, by example and by law.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Envelope, fill};
use crate::output::Rendered;
use crate::refusal::{Kind, MAX_BODY_BYTES};

const ENVELOPE: Envelope<'static> = Envelope {
    id: "evt_1",
    kind: "agent.error",
    timestamp: "2026-01-01T00:00:00.000Z",
    tenant: "default",
    trace_id: "0af7",
    endpoint: "pager",
    data: "{}",
};

fn filled(transform: &str, data: &str) -> Result<Rendered, crate::refusal::Refusal> {
    fill(transform, Envelope { data, ..ENVELOPE })
}

/// Fills, and shows the missing placeholders behind the body.
fn send(transform: &str, data: &str) -> String {
    match filled(transform, data) {
        Ok(Rendered { text, missing: 0 }) => text,
        Ok(Rendered { text, missing }) => format!("{text} | {missing} missing"),
        Err(refusal) => format!("{:?}: {refusal}", refusal.kind),
    }
}

#[test]
fn the_guides_slack_and_pagerduty_bodies_read_as_printed() {
    assert_eq!(
        send(
            r#"{ "text": "OpenClaw completed: {{event.task_name}} — {{event.result}}" }"#,
            r#"{"task_name":"deploy/run","result":"3 \"hosts\"\nok","duration_ms":12.5}"#
        ),
        r#"{"text":"OpenClaw completed: deploy/run — 3 \"hosts\"\nok"}"#
    );
    let pager = r#"{
        "routing_key": "${PAGERDUTY_ROUTING_KEY}",
        "event_action": "trigger",
        "payload": {
            "summary": "OpenClaw error: {{event.message}}",
            "severity": "error",
            "source": "openclaw-agent"
        }
    }"#;
    assert_eq!(
        send(pager, r#"{"message":"`a/b` trapped","stack":"","context":{}}"#),
        r#"{"routing_key":"${PAGERDUTY_ROUTING_KEY}","event_action":"trigger","payload":{"summary":"OpenClaw error: `a/b` trapped","severity":"error","source":"openclaw-agent"}}"#
    );
}

#[test]
fn a_string_that_is_only_a_placeholder_keeps_the_values_type() {
    let data = r#"{"n":1.50,"big":9007199254740993,"b":true,"z":null,"s":"a\"\u00e9","l":[1, {"x" : [ ]}]}"#;
    assert_eq!(
        send(r#"{"n":"{{event.n}}","g":"{{ event.big }}","b":"{{event.b}}","z":"{{event.z}}"}"#, data),
        r#"{"n":1.50,"g":9007199254740993,"b":true,"z":null}"#
    );
    assert_eq!(
        send(r#"["x"]"#, data),
        "BadSettings: `transform` is not a JSON object; write the body to send between `{` and `}`"
    );
    assert_eq!(
        send(r#"{"s":"{{event.s}}","l":["{{event.l}}","{{event.l.1.x}}","{{event.l[0]}}"]}"#, data),
        r#"{"s":"a\"\u00e9","l":[[1,{"x":[]}],[],1]}"#
    );
    // With anything around it, even a space, it is text.
    assert_eq!(
        send(r#"{"n":" {{event.n}}","z":"{{event.z}}.","l":"{{event.l}}{{event.b}}"}"#, data),
        r#"{"n":" 1.50","z":".","l":"[1,{\"x\":[]}]true"}"#
    );
}

#[test]
fn what_is_missing_is_null_or_empty_and_counted() {
    assert_eq!(send(r#"{"a":"{{event.x}}","b":"<{{event.x.y}}>"}"#, "{}"), r#"{"a":null,"b":"<>"} | 2 missing"#);
    assert_eq!(send(r#"{"a":"{{event.id.x}}"}"#, "{}"), r#"{"a":null} | 1 missing"#);
}

#[test]
fn data_hides_what_surrounds_it_and_the_rest_is_there_by_name() {
    let all = r#"{"a":"{{event.id}} {{event.type}} {{event.timestamp}} {{event.tenant}} {{event.trace_id}} {{event.endpoint}}"}"#;
    assert_eq!(send(all, "{}"), r#"{"a":"evt_1 agent.error 2026-01-01T00:00:00.000Z default 0af7 pager"}"#);
    let alert = r#"{"type":"denied","severity":"high","id":{"a":1}}"#;
    assert_eq!(send(r#"{"a":"{{event.type}}","b":"{{event.id.a}}"}"#, alert), r#"{"a":"denied","b":1}"#);
    assert_eq!(
        send(r#"{"d":"{{event.data}}","e":"{{event}}","t":"{{event.data.type}}"}"#, alert),
        format!(r#"{{"d":{alert},"e":{alert},"t":"denied"}}"#)
    );
}

#[test]
fn what_an_event_says_is_never_a_placeholder_nor_a_variable() {
    let data = r#"{"a":"{{event.secret}} ${PAGERDUTY_ROUTING_KEY}","secret":"s3cret"}"#;
    assert_eq!(
        send(r#"{"a":"{{event.a}}","b":"x {{event.a}}","k":"${KEY}"}"#, data),
        r#"{"a":"{{event.secret}} ${PAGERDUTY_ROUTING_KEY}","b":"x {{event.secret}} ${PAGERDUTY_ROUTING_KEY}","k":"${KEY}"}"#
    );
}

#[test]
fn names_numbers_and_escapes_of_the_configuration_stay_as_written() {
    let transform = r#"{ "{{event.x}}" : 1.0, "b" : [ null , true ], "c": "\u0041\u007b{", "d": "{{" }"#;
    assert_eq!(send(transform, "{}"), r#"{"{{event.x}}":1.0,"b":[null,true],"c":"\u0041\u007b{","d":"{{"}"#);
    // A brace that is spelled as an escape is a brace.
    assert_eq!(send(r#"{"a":"\u007b{event.x}}"}"#, r#"{"x":1}"#), r#"{"a":1}"#);
}

#[test]
fn a_wrong_object_is_refused_by_placeholder_whatever_the_event() {
    for (transform, expected) in [
        (r#"{"a":"{{body.x}}"}"#, "`body` exists only in ingress"),
        (r#"{"a":["{{x}}"]}"#, "`transform` holds `{{x}}`"),
        ("{", "line 1"),
        ("\"{{event}}\"", "not a JSON object"),
    ] {
        let refusal = filled(transform, "{}").unwrap_err();
        assert!(refusal.kind == Kind::BadSettings && refusal.message.contains(expected), "{refusal}");
    }
    for data in ["", "[]", "7"] {
        assert_eq!(filled("{}", data).unwrap_err().kind, Kind::UnsupportedEvent, "{data}");
    }
}

#[test]
fn a_body_may_be_exactly_as_long_as_the_limit() {
    let frame = r#"{"a":""}"#.len();
    let data = |length: usize| json!({ "x": "y".repeat(length) }).to_string();
    let transform = r#"{"a":"{{event.x}}"}"#;
    assert_eq!(filled(transform, &data(MAX_BODY_BYTES - frame)).unwrap().text.len(), MAX_BODY_BYTES);
    let refusal = filled(transform, &data(MAX_BODY_BYTES - frame + 1)).unwrap_err();
    assert!(refusal.kind == Kind::TooLong && refusal.message.contains("1044480 bytes"), "{refusal}");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|flag| json!(flag)),
        any::<i64>().prop_map(|number| json!(number)),
        "[^{}]{0,8}".prop_map(|text| json!(text)),
        Just(json!("{{event.a}}")),
        Just(json!("${VAR}")),
        Just(json!("b {{event.a.b}} ${VAR}")),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|list| json!(list)),
            prop::collection::btree_map("[a-c{}$]{0,3}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

/// The law of the fill, in another library's words.
fn expected(template: &Value, a: &Value) -> Value {
    match template {
        Value::String(text) if text == "{{event.a}}" => a.clone(),
        Value::String(text) if text.starts_with("b {{") => {
            let inner = match &a["b"] {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            json!(format!("b {inner} ${{VAR}}"))
        }
        Value::Array(list) => list.iter().map(|value| expected(value, a)).collect(),
        Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), expected(value, a))).collect(),
        other => other.clone(),
    }
}

proptest! {
    #[test]
    fn the_body_is_the_object_with_its_strings_filled(
        template in prop::collection::btree_map("[a-z]{0,3}", any_json(), 0..5),
        a in any_json(),
        spaced in any::<bool>(),
    ) {
        let template = json!(template);
        let text = if spaced { serde_json::to_string_pretty(&template).unwrap() } else { template.to_string() };
        let data = json!({ "a": a }).to_string();
        let body: Value = serde_json::from_str(&filled(&text, &data).unwrap().text).unwrap();
        prop_assert_eq!(body, expected(&template, &a));
    }

    #[test]
    fn no_object_and_no_event_panic(transform in any::<String>(), data in any::<String>(), text in "[{}a-z.\\[\\]\" ]{0,24}") {
        let _ = filled(&transform, "{}");
        let _ = filled("{\"a\":\"{{event.a}}\"}", &data);
        let _ = filled(&json!({ "a": text }).to_string(), "{}");
    }
}
