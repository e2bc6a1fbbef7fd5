//! Facts about the tree itself that documents promise and nothing else would notice.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use openclaw_domain::Code;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files git knows, so that nothing built or installed is looked at.
fn tracked() -> Vec<String> {
    let listed = Command::new("git").args(["ls-files"]).current_dir(root()).output().unwrap();
    assert!(listed.status.success(), "these tests read the list of files from git");
    String::from_utf8(listed.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn the_vendored_wasi_interfaces_are_those_of_the_wasmtime_that_serves_them() {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let of = |package: &str, folder: &str| {
        let packages = metadata["packages"].as_array().unwrap();
        let package = packages.iter().find(|known| known["name"] == package);
        let manifest = package.and_then(|package| package["manifest_path"].as_str()).unwrap();
        PathBuf::from(manifest).with_file_name(folder)
    };
    let theirs = of("wasmtime-wasi", "src").join("p2/wit/deps");
    let http = of("wasmtime-wasi-http", "wit").join("deps");
    for entry in fs::read_dir(root().join("wit/deps")).unwrap() {
        let ours = entry.unwrap().path();
        // The drafts are served by hosts of our own; wasmtime has none to compare them with.
        if ours.is_dir() {
            continue;
        }
        let name = ours.file_name().unwrap();
        let theirs = if name == "http.wit" { &http } else { &theirs };
        assert!(fs::read(&ours).unwrap() == fs::read(theirs.join(name)).unwrap(), "{name:?} differs");
    }
}

#[test]
fn every_interface_has_a_host_an_sdk_module_and_a_test() {
    let files = tracked();
    let has = |places: &[String]| places.iter().any(|place| files.iter().any(|file| file == place));
    for file in files.iter().filter(|file| file.starts_with("wit/") && file.matches('/').count() == 1) {
        let Some(name) = file.strip_prefix("wit/").and_then(|name| name.strip_suffix(".wit")) else { continue };
        if name.starts_with("world-") {
            continue;
        }
        let module = name.replace('-', "_");
        let host = [format!("runtime/wasm/src/host/{module}.rs"), format!("runtime/wasm/src/worlds/{module}.rs")];
        assert!(has(&host), "{file} has no host");
        assert!(has(&[format!("guest-sdk/src/{module}.rs")]), "{file} has no SDK module");
        let is_tested = files.iter().any(|file| file.starts_with("tests/it/") && file.contains(&module));
        assert!(is_tested, "{file} has no test of its name");
    }
}

#[test]
fn the_table_of_codes_is_the_enum() {
    let page = text("docs/protocol.md");
    let table = page.split("## Errors").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    let written: BTreeSet<&str> = table
        .split('`')
        .filter(|word| word.len() > 3 && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'))
        .collect();
    let real: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(written, real);
    for code in Code::ALL {
        let row = table.lines().find(|line| line.contains(&format!("`{}`", code.as_str()))).unwrap();
        assert!(
            row.contains(&code.http_status().to_string()),
            "{code:?} is {} and the page says {row}",
            code.http_status()
        );
    }
}

#[test]
fn every_source_file_says_what_it_is_for() {
    for file in tracked().iter().filter(|file| file.ends_with(".rs")) {
        assert!(text(file).starts_with("//!"), "{file} has no header");
    }
}

#[test]
fn unsafe_code_stands_where_the_architecture_says() {
    let page = text("ARCHITECTURE.md");
    for file in tracked().iter().filter(|file| file.ends_with(".rs")) {
        let is_unsafe = text(file).lines().map(str::trim_start).any(|line| {
            !line.starts_with("//")
                && (line.contains("unsafe {") || line.contains("unsafe impl") || line.contains("unsafe fn"))
        });
        assert!(
            !is_unsafe || file.ends_with("repository.rs") || page.contains(file.as_str()),
            "{file} holds unsafe code"
        );
    }
}

#[test]
fn every_test_the_architecture_names_is_there() {
    let page = text("ARCHITECTURE.md");
    let files = tracked();
    for word in page.split('`').filter(|word| word.contains('/') && !word.contains(' ') && !word.contains('*')) {
        let word = word.trim_end_matches('/');
        // The walk through a call names its files relative to the crate they are in.
        let found = files.iter().any(|file| {
            [word.to_owned(), format!("runtime/wasm/src/{word}")]
                .iter()
                .any(|path| file == path || file.starts_with(&format!("{path}/")))
        });
        assert!(found, "ARCHITECTURE.md names `{word}`, which is not there");
    }
}
