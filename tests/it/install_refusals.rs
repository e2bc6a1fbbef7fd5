//! What is never installed, and what its owner is told: the reason, and the one thing that would help.

use std::time::Duration;

use insta::assert_snapshot;
use openclaw_tests::raw::{RawSkill, exporting_nothing, importing, raw_transform, with_section};
use openclaw_tests::{Opening, TestRegistry, compile_by_hand, told};

const TOOLS: &str = "openclaw:gateway/tools@0.1.0";
/// Enough for an honest skill to name its tools, and for one that spins to be seen spinning.
const SHORTLY: Duration = Duration::from_secs(1);
const INGRESS: &str = "openclaw:gateway/ingress@0.1.0";

/// Why these bytes are refused; nothing may be left of them.
async fn refusal(bytes: Vec<u8>) -> String {
    let registry = TestRegistry::serving(&[]).await;
    let refusal = registry.refusal_to_install(bytes).await;
    assert_eq!(registry.refused("refused").await, "SKILL_NOT_FOUND: no skill named `refused` is installed and enabled");
    registry.take(RawSkill::default().file()).await.expect("an honest one is installed all the same");
    refusal
}

/// Why a skill that imports these is refused.
async fn refusal_of_imports(names: &[&str]) -> String {
    refusal(importing(names, &RawSkill::default().component(), TOOLS)).await
}

#[tokio::test]
async fn sockets_http_strangers_and_other_versions_are_refused_with_a_reason_each() {
    let refused = refusal_of_imports(&[
        "wasi:sockets/tcp@0.2.12",
        "wasi:sockets/udp@0.2.12",
        "wasi:http/incoming-handler@0.2.12",
        "wasi:keyvalue/store@0.2.0",
        "wasi:config/store@0.2.0-draft",
        "openclaw:gateway/log@0.2.0",
        "openclaw:gateway/shell@0.1.0",
        "acme:things/anvil@1.0.0",
        "wasi:clocks/monotonic-clock@0.2.12",
    ])
    .await;
    assert_snapshot!(refused, @"
    `refused` imports what is not granted:
      acme:things/anvil@1.0.0: no capability of this gateway goes by that name
      openclaw:gateway/log@0.2.0: this gateway serves version 0.1.0; build against its `wit/`
      openclaw:gateway/shell@0.1.0: this gateway has no such interface in openclaw:gateway@0.1.0
      wasi:config/store@0.2.0-draft: of `wasi:config` `store@0.2.0-rc.1` is served
      wasi:http/incoming-handler@0.2.12: of `wasi:http` a skill uses `types` and `outgoing-handler`
      wasi:keyvalue/store@0.2.0: of `wasi:keyvalue` `store`, `atomics` and `batch` are served, in `0.2.0-draft` and `0.2.0-draft2`
      wasi:sockets/tcp@0.2.12: raw sockets are never linked; use the `http` capability
      wasi:sockets/udp@0.2.12: raw sockets are never linked; use the `http` capability
    hint: build it without these imports; `openclaw skills info` shows what a skill imports
    ");
}

#[tokio::test]
async fn asynchronous_wasi_is_refused_with_the_flag_that_avoids_it() {
    assert_snapshot!(refusal_of_imports(&["wasi:clocks/monotonic-clock@0.3.0"]).await, @"
    the component uses asynchronous WASI 0.3 or component-model async (it imports `wasi:clocks/monotonic-clock@0.3.0`), which this gateway does not run
    hint: build it for WASI 0.2: with componentize-qjs, pass `--sync`
    ");
}

#[tokio::test]
async fn a_transform_that_imports_even_the_log_is_refused() {
    let transform = importing(&["openclaw:gateway/log@0.1.0"], &raw_transform("unreachable"), INGRESS);
    assert_snapshot!(refusal(transform).await, @"
    `refused` imports what is not granted:
      openclaw:gateway/log@0.1.0: a transform imports nothing at all, so that the same input gives the same bytes for ever
    hint: build it without these imports; `openclaw skills info` shows what a skill imports
    ");
}

#[tokio::test]
async fn a_component_of_no_world_of_ours_is_refused() {
    assert_snapshot!(refusal(exporting_nothing()).await, @"
    the component exports nothing this gateway calls; it exports nothing
    hint: a skill exports its tools with `skill!(…)`, a transform with `#[ingress_transform]` or `#[egress_transform]`
    ");
}

#[tokio::test]
async fn a_component_that_says_one_world_and_exports_another_is_refused() {
    let manifest = b"name = \"liar\"\nversion = \"1.0.0\"\ndescription = \"Lies\"\nworld = \"skill\"\n";
    let liar = with_section(&raw_transform("unreachable"), openclaw_package::MANIFEST_SECTION, manifest);
    assert_snapshot!(refusal(liar).await, @"
    the component does not export `openclaw:gateway/tools@0.1.0`, as world `skill` demands; it exports `openclaw:gateway/ingress@0.1.0`
    hint: correct `world` in skill.toml, or export what it demands
    ");
}

#[tokio::test]
async fn a_component_that_says_two_things_of_itself_is_refused() {
    let manifest = b"name = \"two\"\nversion = \"1.0.0\"\ndescription = \"Two\"\nworld = \"skill\"\n";
    let twice = with_section(&RawSkill::default().file(), openclaw_package::MANIFEST_SECTION, manifest);
    assert_snapshot!(refusal(twice).await, @"
    the component has more than one `openclaw:skill.toml` section
    hint: build it again from a component without a `skill.toml` inside
    ");
}

#[tokio::test]
async fn a_component_without_a_name_is_refused_unless_it_is_given_one() {
    let registry = TestRegistry::serving(&[]).await;
    let nameless = RawSkill::default().component();
    let error = registry.take(nameless.clone()).await.unwrap_err();
    assert_snapshot!(format!("{error}\n{}", error.hint().unwrap_or_default()), @"
    the component carries no `skill.toml`; name it with `--name`
    `openclaw skills install FILE --name NAME`
    ");
    assert_eq!(registry.take_as("named", nameless).await.unwrap().name.as_str(), "named");
    assert_eq!(registry.refused("named").await, "it went well: ok");
}

#[tokio::test]
async fn a_core_module_is_refused() {
    assert_snapshot!(refusal(RawSkill::default().module()).await, @"
    the file is a core module, not a component
    hint: make it a component: `openclaw skills build DIR`, or `wasm-tools component new`
    ");
}

#[tokio::test]
async fn webassembly_as_text_is_refused() {
    assert_snapshot!(refusal(b"  (component)".to_vec()).await, @"
    the file is WebAssembly text, not binary
    hint: turn it into binary with `wasm-tools parse`
    ");
}

#[tokio::test]
async fn bytes_of_any_other_kind_are_refused() {
    assert_snapshot!(refusal(b"#!/bin/sh\necho gotcha\n".to_vec()).await, @"
    the file is not WebAssembly
    hint: give the `.wasm` file that `openclaw skills build DIR` wrote
    ");
    assert_snapshot!(refusal(Vec::new()).await, @"
    the file is not WebAssembly
    hint: give the `.wasm` file that `openclaw skills build DIR` wrote
    ");
}

#[tokio::test]
async fn a_component_that_is_cut_short_or_scribbled_over_is_refused() {
    let good = RawSkill::default().file();
    assert_snapshot!(refusal(good[..good.len() / 2].to_vec()).await, @"
    the component is not valid at byte 2339: unexpected end-of-file
    hint: build it again with a current toolchain; the file may be damaged
    ");
    let mut scribbled = good;
    let middle = scribbled.len() / 3;
    scribbled[middle..middle + 16].fill(0xff);
    assert_snapshot!(refusal(scribbled).await, @"
    the component is not valid at byte 1573: malformed UTF-8 encoding
    hint: build it again with a current toolchain; the file may be damaged
    ");
}

#[tokio::test]
async fn a_hundred_mebibytes_are_refused_unread() {
    let mut large = RawSkill::default().file();
    large.resize(100 << 20, 0);
    assert_snapshot!(refusal(large).await, @"
    the file has 104857600 bytes; at most 67108864 are read
    hint: strip debug information, or raise the limit
    ");
}

#[tokio::test]
async fn native_code_is_refused_even_if_this_very_gateway_compiled_it() {
    let native = compile_by_hand(&RawSkill::default().file()).await;
    assert!(native.len() > 1000, "the compiler wrote something");
    assert_snapshot!(refusal(native).await, @"
    the file is precompiled native code, which is never loaded: it could do anything
    hint: install the `.wasm` component it was compiled from
    ");
}

#[tokio::test]
async fn more_memories_than_any_instance_may_have_are_refused() {
    let skill = RawSkill { fields: "(memory 1)".repeat(8), ..RawSkill::default() };
    assert_snapshot!(refusal(skill.component()).await, @"
    `refused` was refused: module memory does not fit in pooling allocator requirements: defined memories count of 9 exceeds the per-instance limit of 8
    hint: build it optimised, or split it
    ");
}

#[tokio::test]
async fn a_skill_whose_memory_begins_over_the_limit_is_refused_with_the_limit() {
    let skill = RawSkill { pages: 400, ..RawSkill::default() };
    assert_snapshot!(refusal(skill.component()).await, @"
    `refused` was refused: `refused` ran out of its 16777216 bytes of memory
    hint: correct the skill; `openclaw skills test DIR` runs it the way the gateway does
    ");
}

#[tokio::test]
async fn a_feature_the_host_does_not_run_is_refused_by_name() {
    let skill = RawSkill { fields: "(memory $far i64 1)".to_owned(), ..RawSkill::default() };
    assert_snapshot!(refusal(skill.component()).await, @"
    the component uses a feature this gateway does not run: memory64 must be enabled for 64-bit memories
    hint: build without memory64, threads, relaxed SIMD, GC and exceptions
    ");
}

#[tokio::test]
async fn a_skill_that_could_never_fit_the_pool_is_refused() {
    // Eight memories, and one tenant may hold six of the eight places of a test registry.
    let skill = RawSkill { fields: "(memory 1)".repeat(7), ..RawSkill::default() };
    assert_snapshot!(refusal(skill.component()).await, @"
    `refused` is too big: an instance has 8 memories, and one tenant may hold 6
    hint: build it optimised, or split it
    ");
}

#[tokio::test]
async fn a_skill_that_spins_when_it_is_asked_for_its_tools_is_refused() {
    let registry = Opening::default().with(|settings| settings.limits.deadline = SHORTLY).open().await;
    let at_start = "(func $start (loop $for_ever (br $for_ever))) (start $start)".to_owned();
    for skill in [
        RawSkill { list: "(loop $for_ever (br $for_ever))".to_owned(), ..RawSkill::default() },
        RawSkill { fields: at_start, ..RawSkill::default() },
    ] {
        let refusal = registry.refusal_to_install(skill.component()).await;
        let expected = "`refused` was refused: `refused` was stopped after its deadline of 1000 ms";
        assert!(refusal.starts_with(expected), "{refusal}");
    }
    registry.take(RawSkill::default().file()).await.expect("an honest one is installed all the same");
}

#[tokio::test]
async fn a_skill_that_traps_when_it_is_asked_for_its_tools_is_refused() {
    let skill = RawSkill { list: "unreachable".to_owned(), ..RawSkill::default() };
    assert_snapshot!(refusal(skill.component()).await, @"
    `refused` was refused: `refused` trapped: wasm `unreachable` instruction executed
    hint: correct the skill; `openclaw skills test DIR` runs it the way the gateway does
    ");
}

#[tokio::test]
async fn a_tool_with_a_bad_name_or_schema_is_refused_by_name() {
    let named = RawSkill { tool: "../run".to_owned(), ..RawSkill::default() };
    assert_snapshot!(refusal(named.component()).await, @"
    `refused` was refused: `../run` is not a tool name: use 1 to 64 of `a-z`, `0-9` and `-`, not beginning or ending with `-`
    hint: correct the skill; `openclaw skills test DIR` runs it the way the gateway does
    ");
    for (schema, expected) in [
        ("{", "is not JSON"),
        (r#"{"type":"string"}"#, "must describe an object"),
        (r#"{"type":"object","properties":{"a":{"$ref":"file:///etc/passwd"}}}"#, "leaves the document"),
        (r#"{"type":"object","properties":{"a":{"$ref":"http://127.0.0.1/"}}}"#, "leaves the document"),
    ] {
        let refusal = refusal(RawSkill { schema: schema.to_owned(), ..RawSkill::default() }.component()).await;
        assert!(refusal.starts_with("`refused` was refused: the input schema of tool `run` "), "{refusal}");
        assert!(refusal.contains(expected), "{refusal}");
    }
}

/// Three kilobytes that would take longer to evaluate than the machine will last.
#[tokio::test]
async fn a_schema_that_doubles_at_each_of_its_references_is_refused_at_install() {
    let with = |steps: usize| {
        let definitions: String = (0..steps)
            .map(|at| {
                format!(
                    r##""a{at}":{{"allOf":[{{"$ref":"#/$defs/a{next}"}},{{"$ref":"#/$defs/a{next}"}}]}},"##,
                    next = at + 1
                )
            })
            .collect();
        let schema = format!(
            r##"{{"type":"object","properties":{{"x":{{"$ref":"#/$defs/a0"}}}},"$defs":{{{definitions}"a{steps}":{{"type":"string"}}}}}}"##
        );
        RawSkill { schema, heap: 16 << 10, ..RawSkill::default() }
    };
    assert_snapshot!(refusal(with(20).component()).await, @"
    `refused` was refused: the input schema of tool `run` takes more than 10000 evaluations for one value; `$ref` to the same definition less often
    hint: correct the skill; `openclaw skills test DIR` runs it the way the gateway does
    ");
    assert_snapshot!(refusal(with(44).component()).await, @"
    `refused` was refused: the input schema of tool `run` nests more than 64 subschemas at one place
    hint: correct the skill; `openclaw skills test DIR` runs it the way the gateway does
    ");
    let registry = TestRegistry::serving(&[]).await;
    registry.take(with(4).file()).await.expect("a few steps are fine");
    assert_eq!(told(registry.call("raw", serde_json::json!({ "x": "y" })).await), "it went well: ok");
}

/// A component made of parts imports one interface in as many versions as its parts were built against.
#[tokio::test]
async fn one_wasi_interface_in_several_patch_versions_is_served() {
    let registry = TestRegistry::serving(&[]).await;
    let names = ["wasi:io/poll@0.2.0", "wasi:io/poll@0.2.3", "wasi:io/poll@0.2.12", "wasi:io/error@0.2.99"];
    let component = importing(&names, &RawSkill::default().component(), TOOLS);
    registry.take_as("parts", component).await.unwrap();
    assert_eq!(registry.refused("parts").await, "it went well: ok");
}
