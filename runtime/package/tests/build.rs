//! Folders as skill authors have them, built for real: the bundled skills, and folders with mistakes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use openclaw_domain::World;
use openclaw_package::cases::read_cases;
use openclaw_package::{BuildError, BuildOptions, PackageError, build, build_many, encode, inspect};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate lies two folders down").to_owned()
}

/// The capability an import belongs to; `None` for what every skill may import, and a panic for anything else.
fn capability_of(import: &str) -> Option<&'static str> {
    let (interface, _) = import.split_once('@').expect("an import has a version");
    match interface {
        "openclaw:gateway/log" | "openclaw:gateway/progress" => None,
        // `wasi:http` passes these resources around.
        "wasi:io/error" | "wasi:io/poll" | "wasi:io/streams" => None,
        "openclaw:gateway/secrets" => Some("secrets"),
        "openclaw:gateway/events" => Some("events"),
        "wasi:http/types" | "wasi:http/outgoing-handler" => Some("http"),
        "wasi:keyvalue/store" | "wasi:keyvalue/atomics" => Some("kv"),
        "wasi:config/store" => Some("config"),
        other => panic!("`{other}` is imported, and no capability goes by that name"),
    }
}

/// Minimum of each memory in the file, in pages of 64 KiB.
fn memory_minimums(file: &[u8]) -> Vec<u64> {
    let mut pages = Vec::new();
    for payload in wasmparser::Parser::new(0).parse_all(file) {
        if let wasmparser::Payload::MemorySection(section) = payload.expect("a file that was built is well-formed") {
            pages.extend(section.into_iter().map(|memory| memory.expect("so is its memory").initial));
        }
    }
    pages
}

#[test]
fn shipped_components_import_what_they_ask_for_at_most_and_begin_with_256_kib() {
    let root = repository();
    let mut dirs: Vec<PathBuf> =
        std::fs::read_dir(root.join("skills")).unwrap().map(|entry| entry.unwrap().path()).collect();
    dirs.retain(|dir| dir.join("skill.toml").is_file());
    dirs.sort_by(|a, b| b.cmp(a));
    let built = build_many(&dirs, &BuildOptions::default()).unwrap();
    let sources: Vec<&PathBuf> = built.iter().map(|built| &built.source).collect();
    assert_eq!(sources, dirs.iter().collect::<Vec<_>>(), "files come in the order of the folders");
    for built in built {
        let bytes = std::fs::read(&built.path).unwrap();
        assert_eq!(inspect(&bytes).unwrap(), built.package);
        let requests = built.package.manifest.as_ref().unwrap().requests();
        match built.package.world().unwrap() {
            World::Skill => {
                let imported: BTreeSet<&str> =
                    built.package.imports.iter().filter_map(|import| capability_of(import)).collect();
                // Secrets in headers are named in requests, so asking for them imports nothing.
                let asked: BTreeSet<&str> = requests.iter().map(|request| request.capability.as_str()).collect();
                assert!(imported.is_subset(&asked), "{}: {imported:?} without a request for it", built.name);
                let unused: Vec<&&str> = asked.difference(&imported).filter(|name| **name != "secrets").collect();
                assert!(unused.is_empty(), "{} asks for {unused:?} and never imports it", built.name);
            }
            World::IngressTransform | World::EgressTransform | World::Transform => {
                assert!(built.package.imports.is_empty(), "{}", built.name);
            }
        }
        assert_eq!(memory_minimums(&bytes), [4], "{}: a small call fits without growing", built.name);
        assert_eq!(built.package.manifest.unwrap().name, built.name);
        let has = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        assert!(!has(root.to_str().unwrap().as_bytes()), "{} names a folder of this machine", built.name);
        assert!(!read_cases(&built.source).unwrap().is_empty(), "{} has no cases", built.name);
    }
}

fn folder(manifest: &str, files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(dir.path().join("skill.toml"), manifest).expect("it takes a file");
    for (name, bytes) in files {
        std::fs::write(dir.path().join(name), bytes).expect("it takes a file");
    }
    dir
}

const MANIFEST: &str = "name = \"a\"\nversion = \"0.1.0\"\ndescription = \"Does a.\"\nworld = \"skill\"\n";

#[test]
fn a_folder_without_a_crate_embeds_the_component_its_manifest_names() {
    let skill = repository().join("skills/release-notes");
    let made = build(&skill, &BuildOptions::default()).unwrap();
    // What another toolchain would hand over: the same component without our section, which comes last.
    let bytes = std::fs::read(&made.path).unwrap();
    let text = std::fs::read(skill.join("skill.toml")).unwrap();
    let section = bytes.windows(text.len()).position(|window| window == text).unwrap();
    let name_and_lengths = "openclaw:skill.toml".len() + 4;
    let foreign = &bytes[..section - name_and_lengths];

    let dir = folder(&format!("{MANIFEST}component = \"made.wasm\"\n"), &[("made.wasm", foreign)]);
    let output = dir.path().join("out/a.wasm");
    let built = build(dir.path(), &BuildOptions { output: Some(output.clone()), ..BuildOptions::default() }).unwrap();
    assert_eq!((built.path, built.name.as_str()), (output, "a"));
    assert_eq!(built.package.imports, made.package.imports);
}

#[test]
fn mistakes_in_a_folder_are_named() {
    let nothing = folder(MANIFEST, &[]);
    let error = build(nothing.path(), &BuildOptions::default()).unwrap_err();
    assert!(matches!(error, BuildError::NothingToBuild(_)), "{error}");

    let core = folder(&format!("{MANIFEST}component = \"a.wasm\"\n"), &[("a.wasm", b"\0asm\x01\0\0\0")]);
    let error = build(core.path(), &BuildOptions::default()).unwrap_err();
    assert!(matches!(error, BuildError::Encode { .. }), "{error}");

    let missing = tempfile::tempdir().unwrap();
    let error = build(missing.path(), &BuildOptions::default()).unwrap_err();
    assert!(error.to_string().contains("skill.toml"), "{error}");

    let wrong = folder("name = \"A\"\n", &[]);
    assert!(matches!(build(wrong.path(), &BuildOptions::default()), Err(BuildError::Manifest { .. })));

    let one = BuildOptions { output: Some("x.wasm".into()), ..BuildOptions::default() };
    assert!(matches!(build_many(&[nothing.path(), core.path()], &one), Err(BuildError::OneOutput(2))));
}

#[test]
fn a_module_that_describes_no_component_is_no_skill() {
    let error = encode(b"\0asm\x01\0\0\0", MANIFEST).unwrap_err();
    assert!(
        matches!(
            error,
            openclaw_package::EncodeError::Module(_)
                | openclaw_package::EncodeError::Refused(PackageError::WrongWorld { .. })
        ),
        "{error}"
    );
}
