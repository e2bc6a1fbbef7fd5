//! Capability `secrets`: used where it is granted, seen nowhere.

use openclaw_domain::TenantId;
use openclaw_tests::{Loopback, TestRegistry, lines_of, listen, told};
use serde_json::json;

use crate::capability_http::{powers, reaching};
use crate::guests::POWERS;

const VALUE: &str = "correct-horse-battery";

#[tokio::test]
async fn a_secret_is_a_key_to_sign_with_where_that_is_granted() {
    let registry = TestRegistry::serving(&[POWERS]).await;
    let wanted = json!({ "name": "signing", "text": "what do ya want for nothing?" });
    registry.grant("powers", powers(&["secret other for hmac"])).await;
    let refused = registry.refused_with("powers/sign", wanted.clone()).await;
    assert!(refused.ends_with("hint: openclaw skills grant powers --secret 'signing for hmac'"), "{refused}");

    registry.grant("powers", powers(&["secret signing for hmac"])).await;
    let missing = told(registry.call("powers/sign", wanted.clone()).await);
    assert!(missing.contains("openclaw secrets set signing"), "{missing}");
    assert_eq!(told(registry.call("powers/exists", wanted.clone()).await), "it went well: false");

    registry.secrets.set(&TenantId::default(), "signing", "Jefe");
    assert_eq!(told(registry.call("powers/exists", wanted.clone()).await), "it went well: true");
    // RFC 4231, test case 2.
    let code = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    assert_eq!(told(registry.call("powers/sign", wanted).await), format!("it went well: {code}"));
}

#[tokio::test]
async fn a_placeholder_becomes_the_secret_on_its_way_to_where_that_is_granted() {
    let server = Loopback::start().await;
    let registry = reaching(&server).await;
    registry.secrets.set(&TenantId::default(), "token", VALUE);
    let headers = json!([["authorization", "Bearer {{secret:token}}"], ["x-basic", "{{secret-basic:me:token}}"]]);
    let wanted = json!({ "host": server.address(), "path": "/?q={{secret:token}}", "headers": headers });
    let refused = registry.refused_with("powers/fetch", wanted.clone()).await;
    assert!(refused.starts_with("CAPABILITY_DENIED"), "{refused}");
    assert!(server.seen().is_empty(), "nothing is sent without its secret");

    let lines = [
        format!("http GET,POST {}/**", server.origin()),
        format!("private {}", server.origin()),
        format!("secret token for {}", server.origin()),
    ];
    registry.grant("powers", powers(&lines.each_ref().map(String::as_str))).await;
    let wanted = json!({ "host": server.address(), "path": "/", "headers": headers, "method": "POST",
        "body": "{{secret:token}}" });
    assert_eq!(told(registry.call("powers/fetch", wanted).await), "it went well: 200 hello");
    let seen = server.seen().remove(0).replace("Authorization", "authorization");
    assert!(seen.contains(&format!("authorization: Bearer {VALUE}")), "{seen}");
    assert!(seen.contains("bWU6Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5"), "{seen}");
    assert!(seen.ends_with("{{secret:token}}") || seen.contains("{{secret:token}}\r\n0"), "a body is text: {seen}");
}

#[tokio::test]
async fn a_value_is_found_in_no_event_and_in_no_log_line() {
    listen();
    let server = Loopback::start().await;
    let registry = reaching(&server).await;
    registry.secrets.set(&TenantId::default(), "token", VALUE);
    let headers = json!([["authorization", "Bearer {{secret:token}}"]]);
    let wanted = json!({ "host": server.address(), "path": "/", "headers": headers });
    let lines = [
        format!("http GET {}/**", server.origin()),
        format!("private {}", server.origin()),
        format!("secret token for {}", server.origin()),
        "secret token for hmac".to_owned(),
    ];
    registry.grant("powers", powers(&lines.each_ref().map(String::as_str))).await;
    let trace = openclaw_domain::TraceId::new();
    let mut said = told(registry.call_in(trace, "powers/fetch", wanted.clone()).await);
    said += &told(registry.call_in(trace, "powers/sign", json!({ "name": "token", "text": "x" })).await);
    let elsewhere = json!({ "host": "example.com", "path": "/", "headers": headers });
    said += &told(registry.call_in(trace, "powers/fetch", elsewhere).await);
    for event in registry.events().await {
        said += &event.fact.data;
    }
    said += &lines_of(trace).join("\n");
    said += &format!("{:?}", registry.grants.path(&TenantId::default(), &"powers".parse().unwrap()));
    assert!(server.seen()[0].contains(VALUE), "it was used");
    assert!(!said.contains(VALUE), "{said}");
}
