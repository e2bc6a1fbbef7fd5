//! The SDK as a skill author meets it, on the author's own machine.

use openclaw_guest::bindings::skill::exports::openclaw::gateway::tools as wit;
use openclaw_guest::tools::Tool;
use openclaw_guest::{
    Answer, Content, Context, Failure, FailureCode, InputRequired, Json, Output, Reply, Report, tool,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Greeting {
    /// Whom to greet.
    name: String,
    /// How often; once without it.
    times: Option<u32>,
}

#[derive(Serialize, JsonSchema)]
struct Greeted {
    words: Vec<String>,
}

/// Greets somebody.
///
/// As often as you like.
#[tool(title = "Say hello", read_only, idempotent)]
fn say_hello(greeting: &Greeting) -> Result<Report<Greeted>, Failure> {
    if greeting.name.is_empty() {
        return Err(Failure::invalid_arguments("`name` is empty: give a name"));
    }
    let words = vec![format!("Hello {}", greeting.name); greeting.times.unwrap_or(1) as usize];
    Ok(Report { text: words.join("\n"), value: Greeted { words } })
}

/// Says who calls.
#[tool(name = "who")]
fn caller(context: &Context) -> String {
    context.tenant.clone()
}

/// Asks before it acts.
#[tool(destructive)]
fn drop_table(_greeting: Greeting, context: &Context) -> Result<Reply, Failure> {
    match context.answer::<bool>("sure")? {
        Some(true) => Ok(Reply::Done(Output::new().with_text("dropped"))),
        Some(false) => Err(Failure::denied("you said no")),
        None => Ok(Reply::Ask(InputRequired::new(*b"state").ask::<bool>("sure", "Really?"))),
    }
}

/// Returns what programs read.
#[tool]
fn numbers() -> Json<Vec<u8>> {
    Json(vec![1, 2])
}

fn complete(output: wit::Output) -> wit::ToolResult {
    match output {
        wit::Output::Complete(result) => result,
        wit::Output::InputRequired(needed) => panic!("asked: {needed:?}"),
    }
}

#[test]
fn name_description_hints_and_schemas_come_from_the_code() {
    let declared = <say_hello as Tool>::declare();
    assert_eq!(declared.name, "say-hello");
    assert_eq!(declared.title.as_deref(), Some("Say hello"));
    assert_eq!(declared.description, "Greets somebody.\n\nAs often as you like.");
    assert_eq!(declared.hints, wit::ToolHints::READ_ONLY | wit::ToolHints::IDEMPOTENT);
    let input: Value = serde_json::from_str(&declared.input_schema).unwrap();
    assert_eq!(
        input,
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "name": { "type": "string", "description": "Whom to greet." },
                "times": {
                    "type": ["integer", "null"], "format": "uint32", "minimum": 0,
                    "description": "How often; once without it."
                },
            },
            "required": ["name"],
            "additionalProperties": false,
        })
    );
    let output: Value = serde_json::from_str(&declared.output_schema.unwrap()).unwrap();
    assert_eq!(output["properties"]["words"]["type"], "array");
    assert_eq!(<caller as Tool>::NAME, "who");
    assert_eq!(<caller as Tool>::declare().input_schema, r#"{"type":"object","additionalProperties":false}"#);
    assert_eq!(<numbers as Tool>::declare().output_schema, None, "an array is no structured result for MCP clients");
}

#[test]
fn a_tool_returns_text_for_people_and_a_value_for_programs() {
    let result = complete(<say_hello as Tool>::call(r#"{"name":"Ada","times":2}"#, &Context::default()).unwrap());
    assert_eq!(result.content, [Content::Text("Hello Ada\nHello Ada".to_owned())]);
    assert_eq!(result.structured.as_deref(), Some(r#"{"words":["Hello Ada","Hello Ada"]}"#));
    let result = complete(<numbers as Tool>::call("{}", &Context::default()).unwrap());
    assert_eq!(
        (result.content, result.structured),
        (vec![Content::Text("[1,2]".to_owned())], Some("[1,2]".to_owned()))
    );
    assert_eq!(
        complete(<caller as Tool>::call("{}", &Context::default()).unwrap()).content,
        [Content::Text("default".to_owned())]
    );
}

#[test]
fn arguments_that_do_not_fit_are_refused_with_their_path() {
    for (arguments, expected) in [
        (r#"{"name":1}"#, "`name`: invalid type: integer `1`, expected a string"),
        (r#"{}"#, "missing field `name`"),
        (r#"{"name":"a","tims":1}"#, "unknown field `tims`, expected `name` or `times`"),
        (r#"{"name":"#, "EOF while parsing"),
    ] {
        let failure = <say_hello as Tool>::call(arguments, &Context::default()).unwrap_err();
        assert_eq!(failure.code, FailureCode::InvalidArguments);
        assert!(failure.message.contains(expected), "{arguments}: {}", failure.message);
    }
}

#[test]
fn a_tool_that_asks_is_called_again_with_the_answers() {
    let first = <drop_table as Tool>::call(r#"{"name":"users"}"#, &Context::default()).unwrap();
    let wit::Output::InputRequired(needed) = first else { panic!("it did not ask") };
    assert_eq!(needed.state, b"state");
    assert_eq!((needed.requests[0].id.as_str(), needed.requests[0].message.as_str()), ("sure", "Really?"));

    let answers = vec![Answer { id: "sure".to_owned(), value: "true".to_owned() }];
    let resumed = Some(wit::Resumption { state: needed.state, answers });
    let context = Context { resumed, ..Context::default() };
    assert_eq!(context.state(), Some(b"state".as_slice()));
    let result = complete(<drop_table as Tool>::call(r#"{"name":"users"}"#, &context).unwrap());
    assert_eq!(result.content, [Content::Text("dropped".to_owned())]);
}
