//! Component files as they come: made here, damaged, too large, or no components at all.

use openclaw_domain::World;
use openclaw_package::{EncodeError, Limits, MANIFEST_SECTION, PackageError, embed, inspect, inspect_within};
use wasm_encoder::{
    CanonicalFunctionSection, CodeSection, Component, ComponentExportKind, ComponentExportSection,
    ComponentImportSection, ComponentTypeRef, ComponentTypeSection, CustomSection, Function, FunctionSection,
    InstanceType, MemorySection, MemoryType, Module, ModuleSection, NestedComponentSection, TypeSection,
};

const MANIFEST: &str = "name = \"a\"\nversion = \"0.1.0\"\ndescription = \"Does a.\"\nworld = \"skill\"\n";

fn manifest_section(text: &str) -> CustomSection<'_> {
    CustomSection { name: MANIFEST_SECTION.into(), data: text.as_bytes().into() }
}

/// A component that imports empty interfaces and exports the first of them under another name.
fn component(imports: &[&str], export: Option<&str>, sections: &[&str]) -> Component {
    let mut types = ComponentTypeSection::new();
    types.instance(&InstanceType::new());
    let mut imported = ComponentImportSection::new();
    for name in imports {
        imported.import(*name, ComponentTypeRef::Instance(0));
    }
    let mut component = Component::new();
    component.section(&types);
    component.section(&imported);
    if let Some(name) = export {
        let mut exports = ComponentExportSection::new();
        exports.export(name, ComponentExportKind::Instance, 0, None);
        component.section(&exports);
    }
    for text in sections {
        component.section(&manifest_section(text));
    }
    component
}

fn with_module(module: &Module) -> Vec<u8> {
    let mut component = Component::new();
    component.section(&ModuleSection(module));
    component.finish()
}

/// A module with `count` functions whose bodies are `body_bytes` of `nop`.
fn module(count: u32, body_bytes: usize) -> Module {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut functions = FunctionSection::new();
    let mut code = CodeSection::new();
    for _ in 0..count {
        functions.function(0);
        let mut body = Function::new([]);
        body.raw(std::iter::repeat_n(0x01, body_bytes));
        body.instructions().end();
        code.function(&body);
    }
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&code);
    module
}

#[test]
fn imports_and_exports_are_listed_sorted_with_the_digest_of_the_whole_file() {
    let bytes =
        component(&["wasi:io/error@0.2.12", "openclaw:gateway/log@0.1.0"], Some("openclaw:gateway/tools@0.1.0"), &[]);
    let bytes = bytes.finish();
    let package = inspect(&bytes).unwrap();
    assert_eq!(package.imports, ["openclaw:gateway/log@0.1.0", "wasi:io/error@0.2.12"]);
    assert_eq!(package.exports, ["openclaw:gateway/tools@0.1.0"]);
    assert_eq!(package.size, bytes.len() as u64);
    assert_eq!(package.manifest, None, "components made for other hosts are read too");
    assert_eq!(package.world(), Ok(World::Skill));

    let embedded = embed(&bytes, MANIFEST).unwrap();
    let with_manifest = inspect(&embedded).unwrap();
    assert_ne!(with_manifest.digest, package.digest, "what a file says of itself is part of what it is");
    assert_eq!(with_manifest.manifest.unwrap().name.as_str(), "a");
    assert_eq!(embed(&embedded, MANIFEST), Err(EncodeError::AlreadyEmbedded));
}

#[test]
fn what_is_no_component_is_refused_each_with_its_own_reason() {
    for (bytes, expected) in [
        (b"".as_slice(), PackageError::NotWasm),
        (b"#!/bin/sh", PackageError::NotWasm),
        (b"\n (component)", PackageError::Text),
        (b"(module)", PackageError::Text),
        (b";; comment", PackageError::Text),
        (b"\x7fELF\x02\x01", PackageError::Precompiled),
        (b"\0asm\x01\0\0\0", PackageError::CoreModule),
    ] {
        assert_eq!(inspect(bytes), Err(expected));
    }
    assert!(PackageError::CoreModule.hint().unwrap().contains("openclaw skills build"));
}

#[test]
fn a_damaged_component_is_refused_with_the_place() {
    let mut bytes = component(&[], None, &[]).finish();
    bytes.extend([1, 200]);
    assert!(matches!(inspect(&bytes), Err(PackageError::Invalid { .. })), "{:?}", inspect(&bytes));
}

#[test]
fn two_manifests_are_refused_and_a_nested_one_is_ignored() {
    let twice = component(&[], None, &[MANIFEST, MANIFEST]).finish();
    assert_eq!(inspect(&twice), Err(PackageError::TwoManifests));

    let mut outer = component(&[], None, &[]);
    outer.section(&NestedComponentSection(&component(&[], None, &[MANIFEST, MANIFEST])));
    let mut module = Module::new();
    module.section(&manifest_section(MANIFEST));
    outer.section(&ModuleSection(&module));
    assert_eq!(inspect(&outer.finish()).unwrap().manifest, None);
}

#[test]
fn an_unreadable_manifest_is_an_error_and_not_no_manifest() {
    let error = inspect(&component(&[], None, &["name = 1"]).finish()).unwrap_err();
    assert!(error.to_string().starts_with("the component's skill.toml is not valid"), "{error}");
}

#[test]
fn size_function_count_and_function_size_are_bounded() {
    let limits = Limits { file_bytes: 4096, functions: 10, function_bytes: 100 };
    assert!(inspect_within(&with_module(&module(10, 10)), &limits).is_ok());
    assert_eq!(
        inspect_within(&with_module(&module(11, 10)), &limits),
        Err(PackageError::TooManyFunctions { limit: 10 })
    );
    assert_eq!(
        inspect_within(&with_module(&module(1, 200)), &limits),
        Err(PackageError::FunctionTooLarge { size: 202, limit: 100 })
    );
    assert_eq!(
        inspect_within(&[0; 5000], &limits),
        Err(PackageError::TooLarge { size: 5000, limit: 4096 }),
        "size comes first: nothing else is looked at"
    );
    let mut two = Component::new();
    two.section(&ModuleSection(&module(6, 1))).section(&ModuleSection(&module(6, 1)));
    assert_eq!(
        inspect_within(&two.finish(), &limits),
        Err(PackageError::TooManyFunctions { limit: 10 }),
        "functions are counted over all modules"
    );
}

#[test]
fn features_the_host_does_not_run_are_named() {
    let memory = |memory64, shared| {
        let mut memory = MemorySection::new();
        memory.memory(MemoryType { minimum: 1, maximum: Some(1), memory64, shared, page_size_log2: None });
        let mut module = Module::new();
        module.section(&memory);
        with_module(&module)
    };
    assert!(inspect(&memory(false, false)).is_ok());
    for bytes in [memory(true, false), memory(false, true)] {
        assert!(matches!(inspect(&bytes), Err(PackageError::Feature { .. })), "{:?}", inspect(&bytes));
    }
    let mut types = TypeSection::new();
    types.ty().struct_([]);
    let mut module = Module::new();
    module.section(&types);
    assert!(inspect(&with_module(&module)).is_err(), "garbage-collected types");
}

#[test]
fn the_asynchronous_component_model_has_an_error_that_names_the_flag_to_avoid_it() {
    let mut canonical = CanonicalFunctionSection::new();
    canonical.task_cancel();
    let mut with_builtin = Component::new();
    with_builtin.section(&canonical);
    let imports_wasi_3 = component(&["wasi:clocks/monotonic-clock@0.3.0"], None, &[]);
    for bytes in [with_builtin.finish(), imports_wasi_3.finish()] {
        let error = inspect(&bytes).unwrap_err();
        assert!(matches!(error, PackageError::Async { .. }), "{error:?}");
        assert!(error.hint().unwrap().contains("--sync"));
    }
}

#[test]
fn a_component_for_another_world_than_it_says_is_refused_with_both() {
    let bytes = component(&["wasi:http/types@0.2.12"], Some("wasi:http/incoming-handler@0.2.12"), &[MANIFEST]).finish();
    assert_eq!(
        inspect(&bytes).unwrap().world().unwrap_err().to_string(),
        "the component does not export `openclaw:gateway/tools@0.1.0`, as world `skill` demands; it exports \
         `wasi:http/incoming-handler@0.2.12`"
    );
    let silent = component(&[], None, &[]).finish();
    assert!(matches!(inspect(&silent).unwrap().world(), Err(PackageError::NoWorld { .. })));
    assert!(matches!(embed(&silent, MANIFEST), Err(EncodeError::Refused(PackageError::WrongWorld { .. }))));
}
