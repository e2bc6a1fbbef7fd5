//! Components in memory: loaded when they are called, compiled once, dropped when others are called more.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use openclaw_domain::{SkillName, TenantId};
use openclaw_tests::raw::RawSkill;
use openclaw_tests::{Opening, TestRegistry, compiler_script, tenant, told, until};
use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::guests::HOSTILE;

/// A registry whose compiler leaves a line in `compiled` each time it is started.
fn counting(here: &Path) -> Opening {
    let log = here.join("compiled");
    let script = compiler_script(here, &format!("echo once >> {}; exec $COMPILER \"$@\"", log.display()));
    Opening::default().with_cache(here).with(|settings| settings.compile.program = script)
}

fn compilations(here: &Path) -> usize {
    fs::read_to_string(here.join("compiled")).map_or(0, |log| log.lines().count())
}

/// Forgets all compiled code on disk; what is in memory stays.
fn forget_compiled(here: &Path) {
    for file in fs::read_dir(here.join("cache")).unwrap() {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
}

async fn says(registry: &TestRegistry, name: &str) {
    assert_eq!(registry.refused(name).await, format!("it went well: {name}"));
}

#[tokio::test]
async fn an_installed_skill_is_not_in_memory_until_it_is_called() {
    let registry = TestRegistry::serving(&[HOSTILE]).await;
    assert_eq!(registry.registry.loaded(), 0);
    assert_eq!(told(registry.call("hostile/echo", json!({ "text": "up" })).await), "it went well: up");
    assert_eq!(registry.registry.loaded(), 1);
}

#[tokio::test]
async fn the_component_called_longest_ago_leaves_memory_first() {
    let here = TempDir::new().unwrap();
    let registry = counting(here.path()).with(|settings| settings.loaded_components = 2).open().await;
    for name in ["a", "b", "c"] {
        registry.take(RawSkill::saying(name, name).file()).await.unwrap();
    }
    assert_eq!(compilations(here.path()), 3);
    for name in ["a", "b", "a", "c"] {
        says(&registry, name).await;
        assert!(registry.registry.loaded() <= 2);
    }
    // Whoever must be loaded again must be compiled again now.
    forget_compiled(here.path());
    says(&registry, "a").await;
    says(&registry, "c").await;
    assert_eq!(compilations(here.path()), 3);
    says(&registry, "b").await;
    assert_eq!(compilations(here.path()), 4);
}

#[tokio::test]
async fn with_room_for_one_component_every_skill_is_served_all_the_same() {
    let here = TempDir::new().unwrap();
    let registry = counting(here.path()).with(|settings| settings.loaded_components = 1).open().await;
    for name in ["a", "b"] {
        registry.take(RawSkill::saying(name, name).file()).await.unwrap();
    }
    for name in ["a", "b", "b", "a"] {
        says(&registry, name).await;
        assert_eq!(registry.registry.loaded(), 1);
    }
}

#[tokio::test]
async fn a_component_that_many_ask_for_at_once_is_compiled_once() {
    let here = TempDir::new().unwrap();
    let registry = counting(here.path()).open().await;
    let file = RawSkill::saying("raw", "raw").file();
    let mut installing = JoinSet::new();
    for owner in ["a", "b", "c", "d"] {
        let (registry, file) = (Arc::clone(&registry.registry), file.clone());
        installing.spawn(async move { registry.install(&tenant(owner), file.into(), None, false).await.map(drop) });
    }
    installing.join_all().await.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
    assert_eq!(compilations(here.path()), 1);

    forget_compiled(here.path());
    let calls: Vec<_> = (0..4).map(|_| registry.begin(&tenant("a"), "raw", &json!({}))).collect();
    for call in calls {
        assert_eq!(call.ended().await, "it went well: raw");
    }
    assert_eq!(compilations(here.path()), 2);
}

#[tokio::test]
async fn nobody_waits_for_somebody_else_s_install_to_compile() {
    let here = TempDir::new().unwrap();
    let gate = here.path().join("gate");
    let started = here.path().join("started");
    // It compiles the first component at once, and waits at the gate with every later one.
    let lines = format!(
        "if [ -e {first} ]; then : > {started}; read word < {gate}; fi; : > {first}; exec $COMPILER \"$@\"",
        first = here.path().join("first").display(),
        started = started.display(),
        gate = gate.display(),
    );
    rustix::fs::mknodat(rustix::fs::CWD, &gate, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    let script = compiler_script(here.path(), &lines);
    let opening = Opening::default().with_cache(here.path()).with(|settings| settings.compile.program = script);
    let registry = opening.open().await;
    registry.take(RawSkill::saying("first", "first").file()).await.unwrap();

    let mut installing = JoinSet::new();
    let slow = Arc::clone(&registry.registry);
    let file = RawSkill::saying("second", "second").file();
    installing.spawn(async move { slow.install(&TenantId::default(), file.into(), None, false).await.map(drop) });
    until(|| started.exists()).await;
    let first: SkillName = "first".parse().unwrap();
    registry.registry.set_enabled(&TenantId::default(), &first, false).await.unwrap();
    registry.registry.set_enabled(&TenantId::default(), &first, true).await.unwrap();
    says(&registry, "first").await;
    assert!(installing.try_join_next().is_none(), "it compiles still");

    tokio::task::spawn_blocking(move || fs::write(gate, "go\n")).await.unwrap().unwrap();
    installing.join_next().await.unwrap().unwrap().unwrap();
    says(&registry, "second").await;
}

#[tokio::test]
async fn what_a_call_waits_for_its_component_comes_off_its_time() {
    let here = TempDir::new().unwrap();
    let registry = Opening::default().with_cache(here.path()).open().await;
    registry.install(HOSTILE).await;
    forget_compiled(here.path());
    let said = registry.call("hostile/context", json!({})).await.unwrap();
    let left: u64 = said.lines().last().unwrap().parse().unwrap();
    assert!(left < 120_000, "a compilation takes longer than a millisecond, and {left} ms of 120,000 were left");
}
