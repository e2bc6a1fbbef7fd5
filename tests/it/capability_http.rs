//! Capability `http`: stock `wasi:http`, as far as the grant goes and no further.

use openclaw_domain::{EventKind, Powers};
use openclaw_tests::{Loopback, TestRegistry, told, until};
use serde_json::{Value, json};

use crate::guests::POWERS;

/// Powers from lines such as `http GET https://…`, as `openclaw skills grant` takes them.
pub(crate) fn powers(lines: &[&str]) -> Powers {
    let mut powers = Powers::default();
    for line in lines {
        let (option, value) = line.split_once(' ').unwrap();
        match option {
            "http" => drop(powers.http.insert(value.parse().unwrap())),
            "private" => drop(powers.private.insert(value.parse().unwrap())),
            "kv" => drop(powers.kv.insert(value.to_owned())),
            "secret" => drop(powers.secrets.insert(value.parse().unwrap())),
            "config" => drop(powers.config.insert(value.to_owned())),
            "event" => drop(powers.events.insert(value.to_owned())),
            other => panic!("no option `{other}`"),
        }
    }
    powers
}

fn request(server: &Loopback, path: &str) -> Value {
    json!({ "host": server.address(), "path": path })
}

/// A registry with `powers` installed, which may reach this server.
pub(crate) async fn reaching(server: &Loopback) -> TestRegistry {
    let registry = TestRegistry::serving(&[POWERS]).await;
    let (rule, key) = (format!("http GET,POST {}/**", server.origin()), format!("private {}", server.origin()));
    registry.grant("powers", powers(&[&rule, &key])).await;
    registry
}

#[tokio::test]
async fn a_request_passes_under_a_grant_and_is_denied_without_one() {
    let server = Loopback::start().await;
    let registry = TestRegistry::serving(&[POWERS]).await;
    let refused = registry.refused_with("powers/fetch", request(&server, "/hello")).await;
    assert!(refused.starts_with("CAPABILITY_DENIED: `powers` was denied `what it imports: http, kv"), "{refused}");

    let rule = format!("http GET {}/hello", server.origin());
    registry.grant("powers", powers(&[&rule])).await;
    let refused = registry.refused_with("powers/fetch", request(&server, "/hello")).await;
    let hint = format!("hint: openclaw skills grant powers --private '{}'", server.origin());
    assert!(refused.contains("which is loopback: that needs a second key"), "{refused}");
    assert!(refused.ends_with(&hint), "{refused}");
    assert!(server.seen().is_empty());

    registry.grant("powers", powers(&[&rule, &format!("private {}", server.origin())])).await;
    assert_eq!(told(registry.call("powers/fetch", request(&server, "/hello")).await), "it went well: 200 hello");
    let seen = server.seen();
    assert!(seen[0].starts_with("GET /hello HTTP/1.1\r\n"), "{seen:?}");

    let refused = registry.refused_with("powers/fetch", request(&server, "/other?key=1")).await;
    let hint = format!("hint: openclaw skills grant powers --http 'GET {}/other'", server.origin());
    assert!(refused.ends_with(&hint), "{refused}");
    assert!(refused.contains("the skill said:"), "{refused}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_guest_that_copes_with_a_denial_goes_on_and_the_operator_hears_of_it_once() {
    let server = Loopback::start().await;
    let registry = reaching(&server).await;
    let elsewhere = json!({ "host": "example.com", "path": "/", "scheme": "https" });
    for _ in 0..20 {
        let told = told(registry.call("powers/fetch-anyway", elsewhere.clone()).await);
        assert!(told.starts_with("it went well: refused:") && told.contains("HttpRequestDenied"), "{told}");
    }
    let events = registry.events().await;
    let alerts: Vec<_> = events.iter().filter(|event| event.fact.kind == EventKind::SecurityAlert).collect();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    let data: Value = serde_json::from_str(&alerts[0].fact.data).unwrap();
    assert_eq!(data["type"], "capability_denied");
    assert_eq!(data["details"]["wanted"], "GET https://example.com/");
    assert_eq!(data["details"]["command"], "openclaw skills grant powers --http 'GET https://example.com/'");
}

#[tokio::test]
async fn a_body_is_sent_and_a_large_answer_streams() {
    let server = Loopback::start().await;
    let registry = reaching(&server).await;
    let body = "y".repeat(300_000);
    let post = json!({ "method": "POST", "host": server.address(), "path": "/hello", "body": body });
    assert_eq!(told(registry.call("powers/fetch", post).await), "it went well: 200 hello");
    let bytes = server.seen()[0].matches('y').count();
    assert_eq!(bytes, 300_000);
    let large = registry.call("powers/fetch", request(&server, "/large/1000000")).await;
    assert_eq!(told(large), "it went well: 200 and 1000000 bytes");
}

#[tokio::test]
async fn a_guest_that_has_moved_to_the_guest_threads_still_does_io() {
    let server = Loopback::start().await;
    let registry = TestRegistry::serving(&[POWERS]).await;
    let (rule, key) = (format!("http GET {}/**", server.origin()), format!("private {}", server.origin()));
    registry.grant("powers", powers(&[&rule, &key, "kv notes"])).await;
    let both = json!({ "request": request(&server, "/large/500000"), "bucket": "notes" });
    let late = registry.call("powers/fetch-late", both).await;
    assert_eq!(told(late), "it went well: 200 and 500000 bytes (1)");
}

#[tokio::test]
async fn a_long_name_is_cut_in_what_operators_read() {
    let server = Loopback::start().await;
    let registry = reaching(&server).await;
    let path = format!("/{}", "a".repeat(5000));
    let refused = registry.refused_with("powers/fetch", json!({ "host": "example.com", "path": path })).await;
    assert!(refused.starts_with("CAPABILITY_DENIED") && refused.len() < 1000, "{refused}");
    let events = registry.events().await;
    assert!(events.iter().all(|event| event.fact.data.len() < 2000), "{events:?}");
}

#[tokio::test]
async fn bytes_over_the_limit_of_a_call_do_not_arrive() {
    let server = Loopback::start().await;
    let registry = reaching(&server).await;
    registry.policy.limit(|limits| limits.egress_bytes = 100_000);
    let small = registry.call("powers/fetch", request(&server, "/large/50000")).await;
    assert_eq!(told(small), "it went well: 200 and 50000 bytes");
    let refused = told(registry.call("powers/fetch", request(&server, "/large/1000000")).await);
    assert!(refused.starts_with("SKILL_FAILED"), "{refused}");
    let body = "y".repeat(300_000);
    let post = json!({ "method": "POST", "host": server.address(), "path": "/hello", "body": body });
    let refused = told(registry.call("powers/fetch", post).await);
    assert!(refused.starts_with("SKILL_FAILED"), "{refused}");
    let used = registry.registry.used(&openclaw_domain::TenantId::default()).await.unwrap();
    assert!((50_000..1_000_000).contains(&used.egress_bytes), "{used:?}");
}

#[tokio::test]
async fn headers_without_end_end_the_call_and_nothing_else() {
    let server = Loopback::start().await;
    let registry = reaching(&server).await;
    let refused = told(registry.call("powers/headers", json!({})).await);
    assert!(refused.contains("SKILL_TRAPPED") || refused.contains("after "), "{refused}");
    assert_eq!(told(registry.call("powers/fetch", request(&server, "/hello")).await), "it went well: 200 hello");
}

#[tokio::test]
async fn a_call_with_many_requests_waits_for_itself_and_its_tenant_does_not() {
    let server = Loopback::start().await;
    let registry = reaching(&server).await;
    let tenant = openclaw_domain::TenantId::default();
    let many = |path: &str| json!({ "host": server.address(), "path": path, "times": 100 });
    let crowd = registry.begin(&tenant, "powers/crowd", &many("/hang"));
    until(|| server.seen().len() == 16).await;
    assert_eq!(told(registry.call("powers/fetch", request(&server, "/hello")).await), "it went well: 200 hello");
    assert_eq!(server.seen().len(), 17);
    crowd.drop_it().await;
    // A request that is over makes room for the next.
    assert_eq!(told(registry.call("powers/crowd", many("/hello")).await), "it went well: 100 answers");
}

#[tokio::test]
async fn the_texts_of_a_request_are_short_before_they_are_kept() {
    let server = Loopback::start().await;
    let registry = reaching(&server).await;
    let told = told(registry.call("powers/long-texts", json!({})).await);
    assert_eq!(told, "it went well: short [true, true, true], long [false, false, false]");
}

#[tokio::test]
async fn a_request_that_no_rule_can_mean_is_denied_without_a_command() {
    let server = Loopback::start().await;
    let registry = reaching(&server).await;
    for path in ["/../hello", "/a%2fb", "/%2e%2e/x"] {
        let refused = registry.refused_with("powers/fetch", request(&server, path)).await;
        assert!(refused.starts_with("CAPABILITY_DENIED") && !refused.contains("hint:"), "{path}: {refused}");
    }
    let any = json!({ "method": "*", "host": server.address(), "path": "/hello" });
    let refused = registry.refused_with("powers/fetch", any).await;
    assert!(refused.starts_with("CAPABILITY_DENIED") && !refused.contains("hint:"), "{refused}");
    // As a rule it would be wider than what was asked for, so its stars are written as text.
    let starred = json!({ "method": "DELETE", "host": server.address(), "path": "/**" });
    let refused = registry.refused_with("powers/fetch", starred).await;
    let hint = format!("hint: openclaw skills grant powers --http 'DELETE {}/%2A%2A'", server.origin());
    assert!(refused.ends_with(&hint), "{refused}");
    assert!(server.seen().is_empty());
}
