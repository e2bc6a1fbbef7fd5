//! Code made to exhaust the compiler ends at a limit of the package or of the compile jail, and is not installed.

use std::time::Duration;

use insta::assert_snapshot;
use openclaw_tests::raw::{RawSkill, deeply_nested, long_function, many_functions, with_core_module};
use openclaw_tests::{Opening, TestRegistry};
use wasm_encoder::Module;

/// A registry whose jail is small: a second of processor time, a quarter of a gibibyte.
async fn with_a_small_jail() -> TestRegistry {
    let opening = Opening::default().with(|settings| {
        settings.compile.cpu_seconds = 1;
        settings.compile.memory = 256 << 20;
        settings.compile.deadline = Duration::from_secs(60);
    });
    opening.open().await
}

async fn refusal(bomb: &Module) -> String {
    let registry = with_a_small_jail().await;
    let refusal = registry.refusal_to_install(with_core_module(&RawSkill::default().component(), bomb)).await;
    // The positive control: the same jail is large enough for an honest skill.
    let honest = with_core_module(&RawSkill::saying("raw", "fits").component(), &many_functions(100));
    registry.take_as("honest", honest).await.expect("an honest skill compiles in the same jail");
    assert_eq!(registry.refused("honest").await, "it went well: fits");
    refusal
}

#[tokio::test]
async fn more_functions_than_any_honest_component_has_are_refused_before_they_are_compiled() {
    assert_snapshot!(refusal(&many_functions(100_001)).await, @"
    the component has more than 100000 functions
    hint: build it optimised, or split it
    ");
}

#[tokio::test]
async fn a_function_larger_than_any_honest_one_is_refused_before_it_is_compiled() {
    assert_snapshot!(refusal(&long_function(100_000)).await, @"
    a function of the component has 1291750 bytes; at most 1048576 are compiled
    hint: build it optimised, or split it
    ");
}

/// How a limit of the jail is told; which of its limits it was depends on the machine.
const LIMIT: &str = "`refused` was refused: compiling it takes more than 256 MiB or 1 s of processor time";

#[tokio::test]
async fn code_that_takes_too_long_to_compile_ends_at_a_limit_of_the_jail() {
    let refusal = refusal(&many_functions(90_000)).await;
    assert!(refusal.starts_with(LIMIT), "{refusal}");
}

#[tokio::test]
async fn a_function_that_takes_too_much_to_compile_ends_at_a_limit_of_the_jail() {
    let refusal = refusal(&long_function(60_000)).await;
    assert!(refusal.starts_with(LIMIT), "{refusal}");
}

#[tokio::test]
async fn blocks_within_blocks_end_in_code_or_at_a_limit_of_the_jail() {
    let refusal = refusal(&deeply_nested(60_000)).await;
    assert!(refusal.starts_with(LIMIT) || refusal.starts_with("it was installed"), "{refusal}");
}
