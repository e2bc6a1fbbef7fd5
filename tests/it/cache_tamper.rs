//! Compiled code that this gateway did not write is never loaded; whoever put it there is reported.

use std::fs;
use std::path::{Path, PathBuf};

use openclaw_tests::raw::RawSkill;
use openclaw_tests::{Opening, TestRegistry};
use tempfile::TempDir;

/// The compiled files of a cache.
fn compiled(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder.join("cache")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|kind| kind == "cwasm")).collect()
}

/// A registry that has compiled a skill into a cache of its own, closed again.
async fn compiled_once(cache: &Path, text: &str) -> TempDir {
    let registry = Opening::default().with_cache(cache).open().await;
    registry.take(RawSkill::saying("raw", text).file()).await.unwrap();
    registry.close().await
}

async fn alerts(registry: &TestRegistry) -> Vec<String> {
    let events = registry.events().await;
    events
        .into_iter()
        .filter(|event| event.fact.kind.as_str() == "security.alert")
        .map(|event| event.fact.data)
        .collect()
}

#[tokio::test]
async fn an_untouched_cache_is_used_and_nobody_is_alarmed() {
    let cache = TempDir::new().unwrap();
    let home = compiled_once(cache.path(), "ok").await;
    let [file] = &compiled(cache.path())[..] else { panic!("one skill, one file") };
    let written = fs::metadata(file).unwrap().modified().unwrap();
    let registry = Opening::default().with_cache(cache.path()).open_over(home).await;
    assert_eq!(registry.refused("raw").await, "it went well: ok");
    assert_eq!(fs::metadata(file).unwrap().modified().unwrap(), written, "it was not compiled again");
    assert_eq!(alerts(&registry).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_flipped_byte_in_compiled_code_is_reported_and_compiled_anew() {
    let cache = TempDir::new().unwrap();
    let home = compiled_once(cache.path(), "ok").await;
    let [file] = &compiled(cache.path())[..] else { panic!("one skill, one file") };
    let good = fs::read(file).unwrap();
    let mut bad = good.clone();
    let last = bad.len() - 1;
    bad[last] ^= 1;
    fs::write(file, bad).unwrap();

    let registry = Opening::default().with_cache(cache.path()).open_over(home).await;
    assert_eq!(registry.refused("raw").await, "it went well: ok");
    let alerts = alerts(&registry).await;
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert!(alerts[0].contains("compile_cache_tampered"), "{alerts:?}");
    assert_eq!(fs::read(file).unwrap(), good, "the file is as it was before");
}

#[tokio::test]
async fn code_compiled_on_another_machine_is_reported_and_compiled_anew() {
    let (cache, foreign) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let home = compiled_once(cache.path(), "ok").await;
    compiled_once(foreign.path(), "ok").await;
    let ([ours], [theirs]) = (&compiled(cache.path())[..], &compiled(foreign.path())[..]) else { panic!("one each") };
    assert_eq!(ours.file_name(), theirs.file_name());
    assert_ne!(fs::read(ours).unwrap(), fs::read(theirs).unwrap(), "two machines, two keys");
    fs::copy(theirs, ours).unwrap();

    let registry = Opening::default().with_cache(cache.path()).open_over(home).await;
    assert_eq!(registry.refused("raw").await, "it went well: ok");
    assert_eq!(alerts(&registry).await.len(), 1);
}

#[tokio::test]
async fn code_of_another_skill_under_this_skill_s_name_is_reported_and_compiled_anew() {
    let cache = TempDir::new().unwrap();
    compiled_once(cache.path(), "evil").await;
    let [evil] = &compiled(cache.path())[..] else { panic!("one skill, one file") };
    let home = compiled_once(cache.path(), "good").await;
    let both = compiled(cache.path());
    let good = both.iter().find(|path| *path != evil).expect("two skills, two files");
    fs::copy(evil, good).unwrap();

    let registry = Opening::default().with_cache(cache.path()).open_over(home).await;
    assert_eq!(registry.refused("raw").await, "it went well: good");
    assert_eq!(alerts(&registry).await.len(), 1);
}

#[tokio::test]
async fn a_cache_that_is_gone_is_made_again() {
    let cache = TempDir::new().unwrap();
    let home = compiled_once(cache.path(), "ok").await;
    fs::remove_dir_all(cache.path().join("cache")).unwrap();
    fs::remove_file(cache.path().join("machine.key")).unwrap();
    let registry = Opening::default().with_cache(cache.path()).open_over(home).await;
    assert_eq!(registry.refused("raw").await, "it went well: ok");
    assert_eq!(alerts(&registry).await, Vec::<String>::new());
}
