//! Learning what a call needs: what it says is enough, and no line of it can be left out.

use openclaw_domain::{Powers, TenantId};
use openclaw_tests::{Loopback, TestRegistry, told};
use serde_json::json;

use crate::capability_http::powers;
use crate::guests::POWERS;

#[tokio::test]
async fn what_was_learned_is_enough_and_minimal() {
    let server = Loopback::start().await;
    let registry = TestRegistry::serving(&[POWERS]).await;
    let both = json!({ "request": { "host": server.address(), "path": "/a/b?c" }, "bucket": "notes" });
    let (said, learned) = registry.learn("powers/fetch-then-get", both.clone(), true).await;
    assert_eq!(said, "it went well: 200 hello (1)");
    let lines =
        [format!("http GET {}/a/b", server.origin()), format!("private {}", server.origin()), "kv notes".to_owned()];
    assert_eq!(learned, powers(&lines.each_ref().map(String::as_str)));
    registry.grant("powers", learned.clone()).await;
    assert_eq!(told(registry.call("powers/fetch-then-get", both.clone()).await), "it went well: 200 hello (2)");
    for left_out in &lines {
        let kept: Vec<&str> = lines.iter().filter(|line| *line != left_out).map(String::as_str).collect();
        registry.grant("powers", powers(&kept)).await;
        let refused = told(registry.call("powers/fetch-then-get", both.clone()).await);
        assert!(refused.starts_with("CAPABILITY_DENIED"), "without {left_out}: {refused}");
    }
}

#[tokio::test]
async fn learning_reaches_no_private_address_unless_it_is_told_to() {
    let server = Loopback::start().await;
    let registry = TestRegistry::serving(&[POWERS]).await;
    let (said, learned) = registry.learn("powers/fetch", json!({ "host": server.address(), "path": "/" }), false).await;
    assert!(said.starts_with("CAPABILITY_DENIED"), "{said}");
    assert!(learned.private.contains(&server.origin().parse().unwrap()), "{learned:?}");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn learning_sends_no_secret_that_is_not_granted_and_signs_with_none() {
    let server = Loopback::start().await;
    let registry = TestRegistry::serving(&[POWERS]).await;
    registry.secrets.set(&TenantId::default(), "token", "correct-horse-battery");
    let headers = json!([["authorization", "Bearer {{secret:token}}"], ["x-other", "stays"]]);
    let wanted = json!({ "host": server.address(), "path": "/", "headers": headers });
    let (said, learned) = registry.learn("powers/fetch", wanted, true).await;
    assert_eq!(said, "it went well: 200 hello");
    let seen = server.seen().remove(0);
    assert!(!seen.contains("correct-horse") && !seen.to_lowercase().contains("authorization"), "{seen}");
    assert!(seen.contains("stays"), "{seen}");
    let use_of_it = format!("token for {}", server.origin());
    assert_eq!(learned.secrets.iter().map(ToString::to_string).collect::<Vec<_>>(), [use_of_it]);

    let (said, learned) = registry.learn("powers/sign", json!({ "name": "token", "text": "x" }), false).await;
    assert_eq!(said, format!("it went well: {}", "0".repeat(64)));
    assert_eq!(learned, powers(&["secret token for hmac"]));
}

#[tokio::test]
async fn what_is_granted_already_is_not_learned_again() {
    let registry = TestRegistry::serving(&[POWERS]).await;
    registry.grant("powers", powers(&["kv notes"])).await;
    let note = json!({ "bucket": "notes", "key": "a" });
    let (said, learned) = registry.learn("powers/get", note, false).await;
    assert_eq!((said.as_str(), learned), ("it went well: nothing (false)", Powers::default()));
    let (_, learned) = registry.learn("powers/emit", json!({ "name": "changed", "text": "" }), false).await;
    assert_eq!(learned, powers(&["event changed"]));
}
