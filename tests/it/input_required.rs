//! A tool may ask first: its questions go out, and the answers come back to a fresh instance with the tool's own state.

use openclaw_domain::{Answer, Resumption, ToolOutput};
use openclaw_tests::TestRegistry;
use serde_json::json;

use crate::guests::HOSTILE;

#[tokio::test]
async fn a_tool_that_asks_is_called_again_with_the_answers_and_its_state() {
    let registry = TestRegistry::serving(&[HOSTILE]).await;
    let ToolOutput::InputRequired(needed) = registry.output("hostile/ask", json!({}), None).await.unwrap() else {
        panic!("it asks first");
    };
    assert_eq!(needed.requests.len(), 1);
    assert_eq!(needed.requests[0].id, "name");
    assert_eq!(needed.requests[0].message, "Who is there?");
    assert_eq!(&needed.state[..], b"asked once");

    let answers = vec![Answer { id: "name".to_owned(), value: "\"Ada\"".to_owned() }];
    let resumed = Resumption { state: needed.state.to_vec(), answers };
    let output = registry.output("hostile/ask", json!({}), Some(resumed)).await.unwrap();
    let ToolOutput::Complete(result) = output else { panic!("it has its answer") };
    assert_eq!(result.to_text(), "hello Ada (asked once)");
}
