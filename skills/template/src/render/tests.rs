//! What `template` says, by example and by law.

use proptest::prelude::*;

use super::render;
use crate::output::Rendered;
use crate::refusal::{Kind, MAX_MESSAGE_BYTES};

const JSON: Option<&str> = Some("application/json");
const FORM: Option<&str> = Some("application/x-www-form-urlencoded");

fn settings(message: &str) -> String {
    serde_json::json!({ "message": message }).to_string()
}

/// Renders, and shows the missing placeholders behind the text.
fn say(message: &str, content_type: Option<&str>, body: &str) -> String {
    match render(&settings(message), content_type, body.as_bytes()) {
        Ok(Rendered { text, missing: 0 }) => text,
        Ok(Rendered { text, missing }) => format!("{text} | {missing} missing"),
        Err(refusal) => format!("{:?}: {refusal}", refusal.kind),
    }
}

#[test]
fn the_guides_deploy_alert_reads_as_printed() {
    let message = "Deployment completed: {{body.service}} is now {{body.status}} (commit {{body.commit}})";
    let body = r#"{"service":"api-v2","status":"success","commit":"abc123"}"#;
    assert_eq!(say(message, JSON, body), "Deployment completed: api-v2 is now success (commit abc123)");
}

#[test]
fn the_whole_body_is_its_exact_text() {
    let body = " {\"a\" : 1.0}\n";
    assert_eq!(say("[{{body}}|{{ payload }}]", JSON, body), format!("[{body}|{body}]"));
    assert_eq!(say("{{body}}", Some("text/plain"), body), body);
    assert_eq!(say("{{body}}", FORM, "a=%20b"), "a=%20b");
}

#[test]
fn paths_reach_members_elements_and_odd_names() {
    let body = r#"{"a":{"b":"x"},"items":[{"name":"one"},{"name":"two"}],"first name":"Ada","a.b":1,"0":"zero"}"#;
    assert_eq!(say("{{body.a.b}} {{payload.a.b}} {{ body . a . b }}", JSON, body), "x x x");
    assert_eq!(say("{{body.items.0.name}} {{body.items[1].name}}", JSON, body), "one two");
    assert_eq!(say(r#"{{body.first name}} {{body["a.b"]}} {{body.0}} {{body[0]}}"#, JSON, body), "Ada 1 zero zero");
    assert_eq!(say("{{body.1}}", JSON, "[1, 2]"), "2");
}

#[test]
fn values_keep_their_source() {
    let body = r#"{"n":[1.0,9007199254740993,1e400,-0],"b":true,"z":null,"s":"a\"\u00e9\n\ud83e\udd80","o":{ "y" : [ ] , "x" : " 1 " }}"#;
    assert_eq!(say("{{body.n.0}} {{body.n.1}} {{body.n.2}} {{body.n.3}}", JSON, body), "1.0 9007199254740993 1e400 -0");
    assert_eq!(say("{{body.b}} <{{body.z}}>", JSON, body), "true <>");
    assert_eq!(say("{{body.s}}", JSON, body), "a\"é\n🦀");
    assert_eq!(say("{{body.o}} {{body.n}}", JSON, body), r#"{"y":[],"x":" 1 "} [1.0,9007199254740993,1e400,-0]"#);
}

#[test]
fn what_is_missing_is_empty_and_counted_and_null_is_neither_missing_nor_said() {
    let body = r#"{"a":null,"l":[1],"s":"text"}"#;
    assert_eq!(
        say("<{{body.x}}{{body.l.1}}{{body.l.01}}{{body.l.x}}{{body.s.0}}{{body.a.b}}>", JSON, body),
        "<> | 6 missing"
    );
    assert_eq!(say("<{{body.a}}>", JSON, body), "<>");
    assert_eq!(say("<{{body.x}}>", Some("text/plain"), "x"), "<> | 1 missing");
}

#[test]
fn the_last_of_two_equal_names_counts() {
    assert_eq!(say("{{body.a}}", JSON, r#"{"a":1,"a":2}"#), "2");
}

#[test]
fn forms_are_read_by_field() {
    let form = "user_name=Ada+L&text=a%26b&tag=x&tag=%22y%22%0A&user%5Bid%5D=7";
    assert_eq!(say("{{body.user_name}} says: {{body.text}}", FORM, form), "Ada L says: a&b");
    assert_eq!(say("{{body.tag}} {{body.tag.1}}", FORM, form), "[\"x\",\"\\\"y\\\"\\n\"] \"y\"\n");
    assert_eq!(say(r#"{{body["user[id]"]}}"#, FORM, form), "7");
    assert_eq!(say("{{body.tag.2}}{{body.text.0}}{{body.none}}", FORM, form), " | 3 missing");
}

#[test]
fn a_payload_form_is_the_json_it_carries() {
    assert_eq!(
        say("{{body.a.b}} {{body}}", FORM, "payload=%7B%22a%22%3A%7B%22b%22%3A1.0%7D%7D"),
        "1.0 {\"a\":{\"b\":1.0}}"
    );
    assert_eq!(say("{{body.payload}} {{body.x}}", FORM, "payload=%7B%7D&x=1"), "{} 1");
}

#[test]
fn without_a_media_type_json_is_tried_before_text() {
    assert_eq!(say("{{body.a}}", None, r#"{"a":1}"#), "1");
    assert_eq!(say("{{body}}{{body.a}}", None, "a=1"), "a=1 | 1 missing");
}

#[test]
fn text_from_a_body_is_never_a_placeholder() {
    let body = r#"{"a":"{{body.secret}}","b":"{{","c":"body.secret}}","secret":"s3cret"}"#;
    assert_eq!(say("{{body.a}} {{body.b}}{{body.c}}", JSON, body), "{{body.secret}} {{body.secret}}");
}

#[test]
fn wrong_settings_name_the_placeholder_or_the_key() {
    let refusal = |settings: &str| {
        let refusal = render(settings, JSON, b"{}").unwrap_err();
        assert_eq!(refusal.kind, Kind::BadSettings);
        refusal.message
    };
    assert!(refusal(&settings("{{foo}}")).contains("`{{foo}}`"));
    assert!(refusal(&settings("{{event.x}}")).contains("egress"));
    assert!(refusal("{}").contains("no `message`"));
    assert!(refusal(r#"{"message":7}"#).contains("not a string"));
    assert!(refusal("{").contains("line 1"));
    assert!(refusal("[]").contains("no `message`"));
}

#[test]
fn a_body_that_is_not_what_it_says_is_refused() {
    assert_eq!(
        say("x", JSON, "{\"a\":\n}"),
        "UnsupportedBody: the body is sent as `application/json` and is not JSON: expected a value at line 2, column 1"
    );
    let refusal = render(&settings("x"), None, b"\xff").unwrap_err();
    assert_eq!(refusal.kind, Kind::UnsupportedBody);
}

#[test]
fn a_message_may_be_exactly_as_long_as_the_limit() {
    let full = "x".repeat(MAX_MESSAGE_BYTES);
    assert_eq!(say("{{body}}", Some("text/plain"), &full).len(), MAX_MESSAGE_BYTES);
    let refusal = render(&settings("{{body}}."), None, full.as_bytes()).unwrap_err();
    assert_eq!(refusal.kind, Kind::TooLong);
    assert!(refusal.message.contains("262144 bytes"));
}

/// A message made of text and good placeholders.
fn any_message() -> impl Strategy<Value = String> {
    let placeholder = prop::sample::select(vec!["{{body}}", "{{ body.a }}", "{{payload.a.0}}", "{{body.b[1]}}"]);
    prop::collection::vec(prop_oneof![placeholder.prop_map(str::to_owned), "[a-z {}]{0,6}"], 0..6)
        .prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn data_comes_out_as_it_went_in(text in ".{0,8}(\\{\\{|\\}\\}|body\\.b|\\[0\\]){0,6}.{0,8}") {
        let body = serde_json::json!({ "a": text, "b": "never said" }).to_string();
        prop_assert_eq!(say("<{{body.a}}>", JSON, &body), format!("<{text}>"));
        let form: String = format!("a={}", text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>());
        prop_assert_eq!(say("<{{body.a}}>", FORM, &form), format!("<{text}>"));
    }

    #[test]
    fn the_same_request_renders_the_same_message(message in any_message(), body in any::<Vec<u8>>()) {
        let settings = settings(&message);
        for content_type in [JSON, FORM, None] {
            prop_assert_eq!(render(&settings, content_type, &body), render(&settings, content_type, &body));
        }
    }

    #[test]
    fn no_settings_and_no_body_panic(settings in any::<String>(), message in "[{}a-z.\\[\\]\" ]{0,24}", body in any::<Vec<u8>>()) {
        let _ = render(&settings, JSON, &body);
        let _ = render(&self::settings(&message), FORM, &body);
        let _ = render(&self::settings(&message), None, &body);
    }

    #[test]
    fn a_message_is_never_longer_than_the_limit(times in 1_usize..80, length in 0_usize..9000) {
        let message = "{{body}}".repeat(times);
        let rendered = render(&settings(&message), Some("text/plain"), "y".repeat(length).as_bytes());
        match rendered {
            Ok(rendered) => prop_assert_eq!(rendered.text.len(), times * length),
            Err(refusal) => prop_assert!(refusal.kind == Kind::TooLong && times * length > MAX_MESSAGE_BYTES),
        }
    }
}
