//! Every host call tried across tenants: the same skill, the same names, and nothing of one is ever seen by the other.

use openclaw_domain::ports::Journal as _;
use openclaw_domain::{EventKind, TenantId};
use openclaw_tests::{Loopback, TestRegistry, tenant, told};
use serde_json::json;

use crate::capability_http::powers;
use crate::guests::POWERS;

/// Both tenants with the skill, and grants that name the same things.
async fn both(server: &Loopback) -> (TestRegistry, TenantId, TenantId) {
    let registry = TestRegistry::serving(&[]).await;
    let (a, b) = (tenant("acme"), tenant("bolt"));
    for owner in [&a, &b] {
        let bytes = std::fs::read(POWERS).unwrap();
        registry.registry.install(owner, bytes.into(), None, false).await.unwrap();
        let lines = [
            "kv notes".to_owned(),
            "config *".to_owned(),
            "event changed".to_owned(),
            "secret token for hmac".to_owned(),
            format!("secret token for {}", server.origin()),
            format!("http GET {}/**", server.origin()),
            format!("private {}", server.origin()),
        ];
        let powers = powers(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        registry.grant_to(owner, "powers", powers, |_| {}).await;
    }
    (registry, a, b)
}

#[tokio::test]
async fn nothing_that_one_tenant_has_is_seen_by_another() {
    let server = Loopback::start().await;
    let (registry, a, b) = both(&server).await;
    let note = json!({ "bucket": "notes", "key": "n", "value": "of acme" });
    assert_eq!(told(registry.call_as(&a, "powers/set", note.clone()).await), "it went well: kept");
    for (tool, said) in [
        ("get", "nothing (false)"),
        ("get-old", "nothing"),
        ("keys", "0 keys on 1 pages"),
        ("keys-old", "0 keys on 1 pages"),
        ("count", "0"),
    ] {
        let told = told(registry.call_as(&b, &format!("powers/{tool}"), note.clone()).await);
        assert_eq!(told, format!("it went well: {said}"), "{tool}");
    }
    assert_eq!(told(registry.call_as(&a, "powers/get", note).await), "it went well: of acme (true)");

    registry.secrets.set(&a, "token", "of-acme-alone");
    let wanted = json!({ "name": "token", "text": "x" });
    assert_eq!(told(registry.call_as(&a, "powers/exists", wanted.clone()).await), "it went well: true");
    assert_eq!(told(registry.call_as(&b, "powers/exists", wanted.clone()).await), "it went well: false");
    assert!(told(registry.call_as(&b, "powers/sign", wanted).await).starts_with("SKILL_FAILED"));
    let fetch = json!({ "host": server.address(), "path": "/", "headers": [["x-token", "{{secret:token}}"]] });
    assert_eq!(told(registry.call_as(&a, "powers/fetch", fetch.clone()).await), "it went well: 200 hello");
    assert!(told(registry.call_as(&b, "powers/fetch", fetch).await).starts_with("SKILL_FAILED"));
    assert_eq!(server.seen().len(), 1, "the request of the other was not sent");

    registry.policy.set(&a, "powers", "colour", "of acme");
    let colour = json!({ "name": "colour" });
    assert_eq!(told(registry.call_as(&a, "powers/config", colour.clone()).await), "it went well: of acme");
    assert_eq!(told(registry.call_as(&b, "powers/config", colour).await), "it went well: nothing");
    assert_eq!(told(registry.call_as(&b, "powers/config-all", json!({})).await), "it went well: ");

    let event = json!({ "name": "changed", "text": "of acme" });
    assert_eq!(told(registry.call_as(&a, "powers/emit", event).await), "it went well: emitted");
    registry.storage.flush().await.unwrap();
    let of = |events: Vec<openclaw_domain::Event>| {
        events.iter().filter(|event| event.fact.kind == EventKind::SkillEvent).count()
    };
    assert_eq!(of(registry.storage.events_since(&a, 0, 100).await.unwrap()), 1);
    assert_eq!(of(registry.storage.events_since(&b, 0, 100).await.unwrap()), 0);
}

#[tokio::test]
async fn a_grant_of_one_tenant_is_none_of_another() {
    let server = Loopback::start().await;
    let (registry, a, b) = both(&server).await;
    openclaw_domain::ports::Grants::remove(&*registry.grants, &b, &"powers".parse().unwrap()).await.unwrap();
    let fetch = json!({ "host": server.address(), "path": "/" });
    assert_eq!(told(registry.call_as(&a, "powers/fetch", fetch.clone()).await), "it went well: 200 hello");
    let refused = told(registry.call_as(&b, "powers/fetch", fetch).await);
    assert!(refused.starts_with("CAPABILITY_DENIED"), "{refused}");
    assert_eq!(registry.registry.stop_calls(&b, None, "revoked"), 0);
}
