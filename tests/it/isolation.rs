//! Nothing of one call is seen by another, and nothing of one tenant by another.

use openclaw_domain::TenantId;
use openclaw_domain::ports::Guests as _;
use openclaw_tests::raw::RawSkill;
use openclaw_tests::{Opening, TestRegistry, tenant};
use openclaw_wasm::Rung;
use serde_json::json;

use crate::guests::HOSTILE;

#[tokio::test]
async fn two_calls_share_no_static_memory() {
    let registry = TestRegistry::serving(&[HOSTILE]).await;
    for _ in 0..20 {
        assert_eq!(registry.call("hostile/write-pattern", json!({})).await.unwrap(), "32768");
        assert_eq!(registry.call("hostile/read-pattern", json!({})).await.unwrap(), "0");
    }
}

/// Looks through all of its memory for anything that is not zero, then dirties all of it: what it began with, which the
/// pool keeps resident, and what it grew by. The same with a table and a global.
fn dirtying() -> RawSkill {
    let scan_and_fill = "
        (local $at i32) (local $end i32)
        (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable))
        (local.set $at (i32.const 65536))
        (local.set $end (i32.mul (memory.size) (i32.const 65536)))
        (loop $next
          (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then unreachable))
          (br_if $next (i32.lt_u
            (local.tee $at (i32.add (local.get $at) (i32.const 8))) (local.get $end))))
        (memory.fill (i32.const 65536) (i32.const 0xA5) (i32.sub (local.get $end) (i32.const 65536)))
        (if (i64.ne (global.get $kept) (i64.const 0)) (then unreachable))
        (global.set $kept (i64.const -1))
        (if (i32.eqz (ref.is_null (table.get $kept (i32.const 3)))) (then unreachable))
        (table.set $kept (i32.const 3) (ref.func $something))";
    RawSkill {
        name: "dirtying".to_owned(),
        text: b"clean".to_vec(),
        fields: "(global $kept (mut i64) (i64.const 0)) (table $kept 8 funcref)
                 (func $something) (elem declare func $something)"
            .to_owned(),
        ..RawSkill::doing(scan_and_fill)
    }
}

async fn every_call_finds_it_clean(rung: Rung) {
    let registry = Opening::default().with(|settings| settings.first_rung = rung).open().await;
    registry.take(dirtying().file()).await.unwrap();
    for _ in 0..50 {
        assert_eq!(registry.refused("dirtying").await, "it went well: clean");
    }
    // The same while instances are alive beside each other.
    let calls: Vec<_> = (0..50).map(|_| registry.begin(&TenantId::default(), "dirtying", &json!({}))).collect();
    for call in calls {
        assert_eq!(call.ended().await, "it went well: clean");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_finds_memory_tables_and_globals_as_written_with_memory_kept_resident() {
    every_call_finds_it_clean(Rung::Reserved).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_finds_memory_tables_and_globals_as_written_with_little_address_space() {
    every_call_finds_it_clean(Rung::Small).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_finds_memory_tables_and_globals_as_written_without_a_pool() {
    every_call_finds_it_clean(Rung::OnDemand).await;
}

#[tokio::test]
async fn a_tenant_finds_nothing_in_the_memory_another_tenant_has_left() {
    let registry = TestRegistry::serving(&[]).await;
    let tenants = [tenant("a"), tenant("b")];
    for owner in &tenants {
        registry.registry.install(owner, dirtying().file().into(), None, false).await.unwrap();
    }
    for round in 0..50 {
        let called = registry.call_as(&tenants[round % 2], "dirtying", json!({})).await;
        assert_eq!(called.unwrap(), "clean");
    }
}

#[tokio::test]
async fn a_tenant_neither_sees_nor_calls_what_another_has_installed() {
    let registry = TestRegistry::serving(&[]).await;
    let (owner, other) = (tenant("a"), tenant("b"));
    registry.registry.install(&owner, RawSkill::default().file().into(), None, false).await.unwrap();
    assert_eq!(registry.call_as(&owner, "raw", json!({})).await.unwrap(), "ok");
    assert!(registry.registry.installed(&other).is_empty());
    let refused = registry.call_as(&other, "raw", json!({})).await.unwrap_err();
    assert_eq!(refused.to_string(), "no skill named `raw` is installed and enabled");
}

#[tokio::test]
async fn two_tenants_may_call_different_skills_by_one_name() {
    let registry = TestRegistry::serving(&[]).await;
    let (one, two) = (tenant("a"), tenant("b"));
    for (owner, text) in [(&one, "one"), (&two, "two")] {
        let file = RawSkill::saying("same", text).file();
        registry.registry.install(owner, file.into(), None, false).await.unwrap();
    }
    assert_eq!(registry.call_as(&one, "same", json!({})).await.unwrap(), "one");
    assert_eq!(registry.call_as(&two, "same", json!({})).await.unwrap(), "two");
    assert!(registry.registry.remove(&one, &"same".parse().unwrap()).await.unwrap());
    assert_eq!(registry.call_as(&two, "same", json!({})).await.unwrap(), "two");
}
