//! Egress transforms, good and bad: what is sent is what they made, and each refusal names the transform and why.

use std::path::Path;
use std::time::Duration;

use insta::assert_snapshot;
use openclaw_domain::ports::Guests as _;
use openclaw_domain::{EgressCall, EgressEvent, EgressOutcome, IngressCall, TenantId, Timestamp, TraceId};
use openclaw_package::cases::{Case, read_cases};
use openclaw_tests::raw::importing;
use openclaw_tests::{Opening, TestRegistry, told};
use serde_json::{Value, json};

use crate::guests::{EGRESS_HOSTILE, INGRESS_HOSTILE, TRANSFORMS};

/// What the transform makes of an event, or how it is refused.
async fn sent(registry: &TestRegistry, transform: &str, settings: Value) -> String {
    let call = EgressCall {
        tenant: TenantId::default(),
        transform: transform.parse().unwrap(),
        event: EgressEvent {
            id: "evt_1".to_owned(),
            kind: "agent.error".to_owned(),
            timestamp: Timestamp::from_millis(1_780_920_000_000),
            data: r#"{"message":"${HOME} {{event.id}}"}"#.into(),
            endpoint: "pager".into(),
            settings: settings.to_string().into(),
        },
        trace: "0af7651916cd43dd8448eb211c80319c".parse().unwrap(),
    };
    match registry.registry.transform_egress(call).await.map(|reply| reply.outcome) {
        Ok(EgressOutcome::Deliver { content_type, headers, body, missing }) => {
            format!("{content_type} {headers:?} {missing} missing\n{}", String::from_utf8_lossy(&body))
        }
        Ok(EgressOutcome::Skip { reason }) => format!("skip: {reason}"),
        Err(refusal) => told(Err(refusal)),
    }
}

async fn behaving(registry: &TestRegistry, how: &str) -> String {
    sent(registry, "egress-hostile", json!({ "behave": how })).await
}

async fn still_serves(registry: &TestRegistry) {
    assert_eq!(behaving(registry, "skip").await, "skip: nothing to say");
    assert_eq!(registry.places_in_use(), 0);
}

#[tokio::test]
async fn a_transform_delivers_or_skips_and_sees_everything_an_event_has() {
    let registry = TestRegistry::serving(&[EGRESS_HOSTILE]).await;
    assert_snapshot!(behaving(&registry, "deliver").await, @r#"
    text/plain [("x-kind", "agent.error")] 0 missing
    hello
    "#);
    assert_snapshot!(behaving(&registry, "echo").await, @r#"
    text/plain [] 0 missing
    evt_1
    agent.error
    2026-06-08T12:00:00.000Z
    default
    {"message":"${HOME} {{event.id}}"}
    0af7651916cd43dd8448eb211c80319c
    pager
    {"behave":"echo"}
    "#);
    still_serves(&registry).await;
}

#[tokio::test]
async fn a_nan_has_the_same_bits_on_every_machine() {
    let registry = TestRegistry::serving(&[EGRESS_HOSTILE]).await;
    // On x86 the division alone gives a negative NaN; negating flips a sign that canonicalising does not touch.
    assert_snapshot!(behaving(&registry, "nan").await, @r"
    text/plain [] 0 missing
    [7ff8000000000000, fff8000000000000, 7fc00000]
    ");
}

#[tokio::test]
async fn a_transform_that_spins_grows_or_traps_ends_alone() {
    let opening = Opening::default().with(|settings| settings.limits.deadline = Duration::from_secs(1));
    let registry = opening.open().await;
    registry.install(EGRESS_HOSTILE).await;
    assert_snapshot!(behaving(&registry, "spin").await, @"TRANSFORM_FAILED: the transform `egress-hostile` failed: `egress-hostile` was stopped after its deadline of 1000 ms");
    assert_snapshot!(behaving(&registry, "allocate").await, @"TRANSFORM_FAILED: the transform `egress-hostile` failed: `egress-hostile` ran out of its 16777216 bytes of memory");
    assert_snapshot!(behaving(&registry, "trap").await, @"TRANSFORM_FAILED: the transform `egress-hostile` failed: `egress-hostile` trapped: wasm `unreachable` instruction executed");
    still_serves(&registry).await;
}

#[tokio::test]
async fn what_http_cannot_carry_or_the_host_says_itself_is_refused() {
    let registry = TestRegistry::serving(&[EGRESS_HOSTILE]).await;
    assert_snapshot!(behaving(&registry, "huge-body").await, @"TRANSFORM_FAILED: the transform `egress-hostile` failed: `egress-hostile` returned more than 1048576 bytes at once");
    assert_snapshot!(behaving(&registry, "split-header").await, @"TRANSFORM_FAILED: the transform `egress-hostile` failed: the value of header `x-a` is not printable ASCII");
    assert_snapshot!(behaving(&registry, "reserved-header").await, @"TRANSFORM_FAILED: the transform `egress-hostile` failed: header `webhook-signature` is not a transform's to set; the endpoint's `headers` may");
    assert_snapshot!(behaving(&registry, "many-headers").await, @"TRANSFORM_FAILED: the transform `egress-hostile` failed: 33 headers; the limit is 32");
    assert_snapshot!(behaving(&registry, "bad-type").await, @r"TRANSFORM_FAILED: the transform `egress-hostile` failed: `text/plain\r\nx-a: 1` is no content type");
    still_serves(&registry).await;
}

#[tokio::test]
async fn a_transform_that_says_no_is_heard_and_one_of_another_world_is_not_asked() {
    let registry = TestRegistry::serving(&[EGRESS_HOSTILE, INGRESS_HOSTILE]).await;
    assert_snapshot!(behaving(&registry, "fail").await, @"TRANSFORM_FAILED: the transform `egress-hostile` failed: unsupported-event: this event has no legs");
    assert_snapshot!(sent(&registry, "egress-hostile", json!([])).await, @"TRANSFORM_FAILED: the transform `egress-hostile` failed: bad-settings: the transform's settings are wrong: invalid length 0, expected struct Settings with 1 element at line 1 column 2");
    for other in ["nobody", "ingress-hostile"] {
        let refused = sent(&registry, other, json!({})).await;
        assert!(refused.ends_with("no egress transform of that name is installed and enabled"), "{refused}");
    }
    assert_snapshot!(registry.decided("egress-hostile", json!({})).await, @"TRANSFORM_FAILED: the transform `egress-hostile` failed: no ingress transform of that name is installed and enabled");
    assert_snapshot!(registry.refused("egress-hostile").await, @"SKILL_NOT_FOUND: name a tool of skill `egress-hostile`; it has none: its world is `egress-transform`");
}

#[tokio::test]
async fn one_component_of_the_world_transform_serves_both_directions() {
    let registry = TestRegistry::serving(TRANSFORMS).await;
    assert_snapshot!(registry.decided("template", json!({ "message": "got {{body}}" })).await, @r#"Message { text: "got {}", conversation: None, missing: 0 }"#);
    let settings = json!({ "key": "${KEY}", "text": "{{event.message}}", "none": "{{event.x}}", "id": "{{event.id}}" });
    assert_snapshot!(sent(&registry, "template", settings).await, @r#"
    application/json [] 1 missing
    {"id":"evt_1","key":"${KEY}","none":null,"text":"${HOME} {{event.id}}"}
    "#);
}

#[tokio::test]
async fn an_egress_transform_that_imports_anything_is_not_installed() {
    let registry = TestRegistry::serving(&[]).await;
    let inner = std::fs::read(EGRESS_HOSTILE).unwrap();
    for import in ["openclaw:gateway/log@0.1.0", "wasi:clocks/wall-clock@0.2.12", "wasi:random/random@0.2.12"] {
        let refused = registry.refusal_to_install(importing(&[import], &inner, "openclaw:gateway/egress@0.1.0")).await;
        let expected = format!("{import}: a transform imports nothing at all");
        assert!(refused.contains(&expected), "{refused}");
    }
}

#[tokio::test]
async fn every_case_of_the_bundled_transforms_passes_in_the_sandbox() {
    let registry = TestRegistry::serving(TRANSFORMS).await;
    let skills = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../skills"));
    let (mut ran, mut failed) = (0, Vec::new());
    for transform in ["datadog", "github", "home-assistant", "pagerduty", "slack", "template"] {
        for (file, case) in read_cases(&skills.join(transform)).unwrap() {
            let name = transform.parse().unwrap();
            let differences = match &case {
                Case::Egress(case) => {
                    let observed = registry.registry.transform_egress(case.call(name)).await;
                    case.judge(observed.as_ref().map(|reply| &reply.outcome))
                }
                Case::Ingress(case) => {
                    let (tenant, trace) = (TenantId::default(), TraceId::new());
                    let call = IngressCall { tenant, transform: name, request: case.request(), trace };
                    let observed = registry.registry.transform_ingress(call).await;
                    case.judge(observed.as_ref().map(|reply| &reply.outcome))
                }
                Case::Tool(_) => panic!("{} is no case of a transform", file.display()),
            };
            ran += 1;
            failed.extend(differences.into_iter().map(|difference| format!("{}: {difference}", file.display())));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(ran >= 50, "{ran} cases");
}
