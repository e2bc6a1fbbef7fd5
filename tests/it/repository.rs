//! Facts about the tree itself that documents promise and nothing else would notice.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use openclaw_domain::Code;
use sha2::{Digest as _, Sha256};

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
        // Served by hosts of our own: see the next test.
        if ours.is_dir() {
            continue;
        }
        let name = ours.file_name().unwrap();
        let theirs = if name == "http.wit" { &http } else { &theirs };
        assert!(fs::read(&ours).unwrap() == fs::read(theirs.join(name)).unwrap(), "{name:?} differs");
    }
}

/// Interfaces that no crate we build on brings, as their digests were when they were taken from where `wit/README.md`
/// says.
const VENDORED: [(&str, &str); 12] = [
    ("config/store.wit", "56dca42e1843864fc492612e15b0f4643dd0c756270e6812b9d6d623c1ebae31"),
    ("config/world.wit", "9c31c4c417e0e7bc9cebde310699bd3798954f19e0e11defd331cc992ae4e634"),
    ("keyvalue-draft/atomic.wit", "d3882c09f5b739b705938d0ac609d3c2c4368f7cf5f7a5f55bf331bb114faee0"),
    ("keyvalue-draft/batch.wit", "142fd416fda166980c64335c1989f02446eedf2d6a71c35d5724a0cb90e6d4b2"),
    ("keyvalue-draft/store.wit", "20b3c92fbd4b54a1c4a455ace1d752ced81231f9ec60f8f27c40409ef67c89a4"),
    ("keyvalue-draft/watch.wit", "28c53f23a82afbd939001255b3ed2a493558fd6de0bc8acdbe223b645934639d"),
    ("keyvalue-draft/world.wit", "90b633b9221bc2ae219e761506b2dc301b8f1301c37ed02c5ff1f1a560e43d65"),
    ("keyvalue-draft2/atomic.wit", "cab6798520734f0a4e33ced82ef94c6dcd0828a14ffe2d56545b981b1f931a1d"),
    ("keyvalue-draft2/batch.wit", "59f1adc70d7ed77ebf75a537bcea572e9b336bf64aa425c968b38fc028acddbb"),
    ("keyvalue-draft2/store.wit", "2b4df71eec43fce425c7b16a0a4ac640fb740acbdcac84ce949fdacdff2218a5"),
    ("keyvalue-draft2/watch.wit", "9d08a018e3854d78e5e9d2e427a26115cc070334bb3f01fec11f2da9673d7eb4"),
    ("keyvalue-draft2/world.wit", "c18c38e3be2be375f368b7577a11636af9ba14f7e70cea9b05c16fd1fdc45257"),
];

#[test]
fn vendored_interfaces_without_a_crate_are_as_they_were_taken() {
    let deps = root().join("wit/deps");
    let mut found = Vec::new();
    for folder in fs::read_dir(&deps).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        for file in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let digest: String =
                Sha256::digest(fs::read(&file).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect();
            found.push((file.strip_prefix(&deps).unwrap().display().to_string(), digest));
        }
    }
    found.sort();
    assert_eq!(found, VENDORED.map(|(file, digest)| (file.to_owned(), digest.to_owned())));
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
