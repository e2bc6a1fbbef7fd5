//! The life of a grant, a step a test: denied, granted, a widening upgrade held, a narrowing one let through, expired,
//! revoked in the middle of a call.

use std::sync::Arc;
use std::time::Duration;

use openclaw_domain::ports::{Grants as _, Paused};
use openclaw_domain::{ManualClock, TenantId, Timestamp};
use openclaw_tests::{Loopback, Opening, TestRegistry, told, until, with_manifest};
use openclaw_wasm::Installation;
use serde_json::{Value, json};

use crate::capability_http::{powers, reaching};
use crate::guests::POWERS;

const MANIFEST: &str =
    "name = \"powers\"\nversion = \"0.1.0\"\ndescription = \"Uses every capability\"\nworld = \"skill\"\n";

/// One that asks for `http` without saying of what, as a skill does whose URL is a setting.
fn asking_openly(buckets: &str) -> Vec<u8> {
    let manifest =
        format!("{MANIFEST}[[capabilities]]\nname = \"http\"\nreason = \"asks a URL that you set\"\n{buckets}");
    with_manifest(&std::fs::read(POWERS).unwrap(), &manifest)
}

fn asking(buckets: &[&str]) -> Vec<u8> {
    let mut manifest = String::from(MANIFEST);
    if !buckets.is_empty() {
        let wants = buckets.iter().map(|bucket| format!("\"{bucket}\"")).collect::<Vec<_>>().join(", ");
        manifest += &format!("[[capabilities]]\nname = \"kv\"\nreason = \"to remember\"\nkv = [{wants}]\n");
    }
    with_manifest(&std::fs::read(POWERS).unwrap(), &manifest)
}

fn note() -> Value {
    json!({ "bucket": "notes", "key": "a" })
}

async fn install(registry: &TestRegistry, bytes: Vec<u8>) -> Installation {
    registry.registry.install(&TenantId::default(), bytes.into(), None, false).await.unwrap()
}

#[tokio::test]
async fn without_a_grant_a_call_is_refused_with_the_command_its_author_asks_for() {
    let registry = TestRegistry::serving(&[]).await;
    install(&registry, asking(&["notes"])).await;
    let refused = registry.refused_with("powers/get", note()).await;
    assert!(refused.starts_with("CAPABILITY_DENIED"), "{refused}");
    assert!(refused.ends_with("hint: openclaw skills grant powers --kv 'notes'"), "{refused}");
    registry.grant("powers", powers(&["kv notes"])).await;
    assert_eq!(told(registry.call("powers/get", note()).await), "it went well: nothing (false)");
}

#[tokio::test]
async fn pasting_the_command_of_each_denial_leads_to_a_call_that_passes() {
    let server = Loopback::start().await;
    let registry = TestRegistry::serving(&[]).await;
    let buckets = "[[capabilities]]\nname = \"kv\"\nreason = \"to remember\"\nkv = [\"notes\"]\n";
    install(&registry, asking_openly(buckets)).await;
    let both = json!({ "request": { "host": server.address(), "path": "/health/api-v2" }, "bucket": "notes" });
    let first = registry.refused_with("powers/fetch-then-get", both.clone()).await;
    assert!(first.contains("its author asks for `http` without saying of what, so that is still open"), "{first}");
    assert!(first.ends_with("hint: openclaw skills grant powers --kv 'notes'"), "{first}");

    registry.grant("powers", powers(&["kv notes"])).await;
    let second = registry.refused_with("powers/fetch-then-get", both.clone()).await;
    let (rule, key) = (format!("GET {}/health/api-v2", server.origin()), server.origin());
    let hint = format!("hint: openclaw skills grant powers --http '{rule}' --private '{key}'");
    assert!(second.starts_with("CAPABILITY_DENIED") && second.ends_with(&hint), "{second}");
    // What nobody asked for and nobody granted is not there at all.
    let unasked = registry.refused_with("powers/config-all", json!({})).await;
    assert!(unasked.contains("nothing of `config` is granted"), "{unasked}");

    let (rule, key) = (format!("http {rule}"), format!("private {key}"));
    registry.grant("powers", powers(&["kv notes", &rule, &key])).await;
    assert_eq!(told(registry.call("powers/fetch-then-get", both).await), "it went well: 200 hello (1)");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn where_nothing_is_said_of_what_is_asked_for_the_denial_names_the_run_that_finds_it_out() {
    let registry = TestRegistry::serving(&[]).await;
    install(&registry, asking_openly("")).await;
    let refused = registry.refused_with("powers/fetch", json!({ "host": "a.example", "path": "/" })).await;
    assert!(refused.ends_with("still open: `openclaw skills grant powers --learn -` finds it out"), "{refused}");
}

#[tokio::test]
async fn what_is_removed_or_disabled_ends_where_it_is() {
    let server = Loopback::start().await;
    let registry = reaching(&server).await;
    let (tenant, name) = (TenantId::default(), "powers".parse().unwrap());
    let hang = json!({ "host": server.address(), "path": "/hang" });
    let call = registry.begin(&tenant, "powers/fetch", &hang);
    until(|| server.seen().len() == 1).await;
    registry.registry.set_enabled(&tenant, &name, false).await.unwrap();
    let ended = call.ended().await;
    assert_eq!(ended, "CAPABILITY_DENIED: `powers` was denied `to go on` (http): the skill was disabled");
    registry.registry.set_enabled(&tenant, &name, true).await.unwrap();
    let call = registry.begin(&tenant, "powers/fetch", &hang);
    until(|| server.seen().len() == 2).await;
    assert!(registry.registry.remove(&tenant, &name).await.unwrap());
    let ended = call.ended().await;
    assert_eq!(ended, "CAPABILITY_DENIED: `powers` was denied `to go on` (http): the skill was removed");
}

#[tokio::test]
async fn an_upgrade_that_asks_for_more_waits_and_one_that_asks_for_less_does_not() {
    let registry = TestRegistry::serving(&[]).await;
    let first = install(&registry, asking(&["notes"])).await.skill().clone();
    registry.grant("powers", powers(&["kv notes"])).await;
    let Installation::Held(held) = install(&registry, asking(&["notes", "diary"])).await else {
        panic!("it must wait")
    };
    assert_eq!((held.new_requests, held.new_imports), (vec!["kv diary".to_owned()], Vec::<String>::new()));
    assert_eq!(told(registry.call("powers/get", note()).await), "it went well: nothing (false)", "the old one serves");
    let name = "powers".parse().unwrap();
    assert_eq!(registry.grants.grant(&TenantId::default(), &name).unwrap().component, first.digest);

    let Installation::Installed(narrower) = install(&registry, asking(&[])).await else { panic!("it need not wait") };
    let grant = registry.grants.grant(&TenantId::default(), &name).unwrap();
    assert_eq!((grant.component, &grant.powers), (narrower.digest, &powers(&["kv notes"])));
    assert_eq!(told(registry.call("powers/get", note()).await), "it went well: nothing (false)");
    let refusal = registry.registry.approve(&TenantId::default(), &name).await.unwrap_err();
    assert!(refusal.to_string().contains("no upgrade of that name waits"), "{refusal}");
}

#[tokio::test]
async fn an_upgrade_that_waits_serves_once_it_is_approved_under_the_grant_as_it_was() {
    let registry = TestRegistry::serving(&[]).await;
    install(&registry, asking(&["notes"])).await;
    registry.grant("powers", powers(&["kv notes"])).await;
    let wider = install(&registry, asking(&["notes", "diary"])).await.skill().digest;
    assert_eq!(registry.registry.held().await.unwrap().len(), 1);
    let name = "powers".parse().unwrap();
    let approved = registry.registry.approve(&TenantId::default(), &name).await.unwrap();
    assert_eq!(approved.digest, wider);
    assert!(registry.registry.held().await.unwrap().is_empty());
    let grant = registry.grants.grant(&TenantId::default(), &name).unwrap();
    assert_eq!((grant.component, &grant.powers), (wider, &powers(&["kv notes"])));
    assert_eq!(told(registry.call("powers/get", note()).await), "it went well: nothing (false)");
    let diary = registry.refused_with("powers/get", json!({ "bucket": "diary", "key": "a" })).await;
    assert!(diary.starts_with("CAPABILITY_DENIED"), "approving grants nothing: {diary}");
}

#[tokio::test]
async fn a_grant_for_other_bytes_or_other_imports_holds_for_nobody() {
    let registry = TestRegistry::serving(&[POWERS]).await;
    let tenant = TenantId::default();
    let other = openclaw_domain::Digest::from_bytes([7; 32]);
    registry.grant_to(&tenant, "powers", powers(&["kv notes"]), |grant| grant.component = other).await;
    let refused = registry.refused_with("powers/get", note()).await;
    assert!(refused.contains(&format!("the grant is for another component: {other}")), "{refused}");
    assert!(!refused.contains("hint:"), "what others of this name held is offered to nobody: {refused}");
    registry.grant_to(&tenant, "powers", powers(&["kv notes"]), |grant| drop(grant.imports.pop())).await;
    let refused = registry.refused_with("powers/get", note()).await;
    assert!(refused.contains("the grant is for another set of imports"), "{refused}");
}

#[tokio::test]
async fn a_grant_that_expired_is_none_also_in_the_middle_of_a_call() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_780_920_000_000)));
    let server = Loopback::start().await;
    let registry = Opening { clock: Arc::clone(&clock) as _, ..Opening::default() }.open().await;
    registry.install(POWERS).await;
    let lines =
        [format!("http GET {}/**", server.origin()), format!("private {}", server.origin()), "kv notes".to_owned()];
    let tenant = TenantId::default();
    let end = Timestamp::from_millis(1_780_920_060_000);
    let given = powers(&lines.each_ref().map(String::as_str));
    registry.grant_to(&tenant, "powers", given, |grant| grant.expires = Some(end)).await;
    let both = json!({ "request": { "host": server.address(), "path": "/wait" }, "bucket": "notes" });
    let call = registry.begin(&tenant, "powers/fetch-then-get", &both);
    until(|| server.seen().len() == 1).await;
    clock.advance(Duration::from_secs(60));
    server.release();
    let ended = call.ended().await;
    assert!(
        ended.starts_with("CAPABILITY_DENIED") && ended.contains("the grant expired at 2026-06-08T12:01"),
        "{ended}"
    );
    let refused = registry.refused_with("powers/get", note()).await;
    assert!(refused.contains("the grant expired at 2026-06-08T12:01"), "{refused}");
}

#[tokio::test]
async fn revoking_ends_calls_where_they_are() {
    let server = Loopback::start().await;
    let registry = reaching(&server).await;
    let (tenant, name) = (TenantId::default(), "powers".parse().unwrap());
    let waiting = registry.begin(&tenant, "powers/fetch", &json!({ "host": server.address(), "path": "/hang" }));
    let spinning = registry.begin(&tenant, "powers/spin", &json!({}));
    until(|| server.seen().len() == 1 && registry.places_in_use() == 2).await;
    assert!(registry.grants.remove(&tenant, &name).await.unwrap());
    assert_eq!(registry.registry.stop_calls(&tenant, Some(&name), "revoked"), 2);
    for call in [waiting, spinning] {
        let ended = call.ended().await;
        assert_eq!(ended, "CAPABILITY_DENIED: `powers` was denied `to go on` (http): revoked");
    }
    until(|| registry.places_in_use() == 0).await;
    let refused = registry.refused_with("powers/fetch", json!({ "host": server.address(), "path": "/" })).await;
    assert!(refused.starts_with("CAPABILITY_DENIED"), "{refused}");
}

#[tokio::test]
async fn what_is_paused_is_not_called_until_the_pause_ends() {
    let registry = TestRegistry::serving(&[POWERS]).await;
    registry.grant("powers", powers(&["kv notes"])).await;
    let tenant = TenantId::default();
    for (what, said) in [
        (Paused::Everything, "the gateway is paused"),
        (Paused::Tenant(tenant.clone()), "tenant `default` is paused"),
        (Paused::Skill(tenant, "powers".parse().unwrap()), "skill `powers` is paused"),
    ] {
        registry.policy.pause(Some(what));
        assert_eq!(told(registry.call("powers/get", note()).await), format!("GATEWAY_BUSY: {said}"));
    }
    registry.policy.pause(None);
    assert_eq!(told(registry.call("powers/get", note()).await), "it went well: nothing (false)");
}
