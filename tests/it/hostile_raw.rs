//! Guests written by hand: results no toolchain would return, and many memories where one would be refused.

use insta::assert_snapshot;
use openclaw_tests::TestRegistry;
use openclaw_tests::raw::RawSkill;

/// What came of one call of a hand-written skill.
async fn outcome(skill: RawSkill) -> String {
    let registry = TestRegistry::serving(&[]).await;
    registry.take(skill.file()).await.unwrap();
    let outcome = registry.refused("raw/run").await;
    // The positive control: an honest one of the same make.
    registry.take(RawSkill::saying("honest", "still here").file()).await.unwrap();
    assert_eq!(registry.refused("honest").await, "it went well: still here");
    assert_eq!(registry.places_in_use(), 0);
    outcome
}

/// Most memory this process has had at one time, in bytes.
fn peak_of_this_process() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}

#[tokio::test]
async fn a_hand_written_skill_that_behaves_is_served() {
    assert_snapshot!(outcome(RawSkill::default()).await, @"it went well: ok");
}

#[tokio::test]
async fn text_that_is_not_utf_8_is_bad_output() {
    assert_snapshot!(outcome(RawSkill::saying("raw", [b'o', 0xff, 0xfe])).await, @"SKILL_OUTPUT: `raw` returned text that is not UTF-8");
}

/// wasmtime keeps the type of this error private; its text is what tells it from a trap. This pins the text.
#[tokio::test]
async fn a_gibibyte_made_of_one_mebibyte_a_thousand_times_is_bad_output_and_is_never_copied() {
    let (table, text, length) = (64 << 10, 128 << 10, 1 << 20);
    let skill =
        RawSkill { pages: 32, heap: text + length, ..RawSkill::doing(RawSkill::repeating(table, 1024, text, length)) };
    let before = peak_of_this_process();
    let outcome = outcome(skill).await;
    assert_snapshot!(outcome, @"SKILL_OUTPUT: `raw` returned more than 1048576 bytes at once");
    let grown = peak_of_this_process() - before;
    assert!(grown < 256 << 20, "the host grew by {grown} bytes");
}

#[tokio::test]
async fn pieces_that_only_together_are_over_the_limit_are_bad_output() {
    let (table, text, length) = (64 << 10, 128 << 10, 1 << 10);
    let skill =
        RawSkill { pages: 32, heap: text + length, ..RawSkill::doing(RawSkill::repeating(table, 1025, text, length)) };
    assert_snapshot!(outcome(skill).await, @"SKILL_OUTPUT: `raw` returned more than 1048576 bytes at once");
}

#[tokio::test]
async fn a_list_longer_than_the_memory_it_lies_in_is_a_trap() {
    let skill = RawSkill::doing("(i32.store (i32.const 524) (i32.const 0x7fffffff))");
    assert_snapshot!(outcome(skill).await, @"SKILL_TRAPPED: `raw` trapped: list pointer/length out of bounds of memory");
}

#[tokio::test]
async fn a_text_beyond_the_end_of_memory_is_a_trap() {
    let skill = RawSkill::doing("(i32.store (i32.const 580) (i32.const 0xfffff000))");
    assert_snapshot!(outcome(skill).await, @"SKILL_TRAPPED: `raw` trapped: string pointer/length out of bounds of memory");
}

#[tokio::test]
async fn a_result_that_lies_nowhere_or_askew_is_a_trap() {
    let nowhere = RawSkill { result: "(i32.const 0xfffffff0)".to_owned(), ..RawSkill::default() };
    assert_snapshot!(outcome(nowhere).await, @"SKILL_TRAPPED: `raw` trapped: pointer out of bounds of memory");
    let askew = RawSkill { result: "(i32.const 513)".to_owned(), ..RawSkill::default() };
    assert_snapshot!(outcome(askew).await, @"SKILL_TRAPPED: `raw` trapped: return pointer not aligned");
}

#[tokio::test]
async fn a_variant_without_a_case_is_a_trap() {
    assert_snapshot!(outcome(RawSkill::doing("(i32.store8 (i32.const 516) (i32.const 9))")).await, @"SKILL_TRAPPED: `raw` trapped: unexpected discriminant: 9");
}

#[tokio::test]
async fn memory_is_summed_over_all_memories_of_a_call() {
    let growing = |pages: u32| RawSkill {
        fields: "(memory $second 1) (memory $third 1)".to_owned(),
        ..RawSkill::doing(
            ["0", "$second", "$third"]
                .map(|memory| {
                    let grown = format!("(memory.grow {memory} (i32.const {pages}))");
                    format!("(if (i32.eq {grown} (i32.const -1)) (then unreachable))")
                })
                .concat(),
        )
    };
    // The limit is 16 MiB, which is 256 pages.
    assert_snapshot!(outcome(growing(80)).await, @"it went well: ok");
    assert_snapshot!(outcome(growing(100)).await, @"SKILL_MEMORY: `raw` ran out of its 16777216 bytes of memory");
}

#[tokio::test]
async fn table_elements_are_summed_over_all_tables_of_a_call() {
    let growing = |elements: u32| RawSkill {
        fields: "(table $first 1 funcref) (table $second 1 funcref)".to_owned(),
        ..RawSkill::doing(
            ["$first", "$second"]
                .map(|table| {
                    let grown = format!("(table.grow {table} (ref.null func) (i32.const {elements}))");
                    format!("(if (i32.eq {grown} (i32.const -1)) (then unreachable))")
                })
                .concat(),
        )
    };
    // The limit is 20,000.
    assert_snapshot!(outcome(growing(9_000)).await, @"it went well: ok");
    assert_snapshot!(outcome(growing(11_000)).await, @"SKILL_TRAPPED: `raw` went over its limit of 20000 table elements");
}

#[tokio::test]
async fn an_allocator_that_hands_out_what_is_not_there_is_a_trap() {
    let skill = RawSkill { heap: 0x7fff_0000, ..RawSkill::default() };
    assert_snapshot!(outcome(skill).await, @"SKILL_TRAPPED: `raw` trapped: realloc return: beyond end of memory");
}

#[tokio::test]
async fn a_result_that_says_done_without_json_where_json_is_due_is_bad_output() {
    // `structured: some("ok")`, which is no JSON.
    let skill = RawSkill::doing(
        "(i32.store8 (i32.const 528) (i32.const 1)) (i32.store (i32.const 532) (i32.const 640))
         (i32.store (i32.const 536) (i32.const 2))",
    );
    assert_snapshot!(outcome(skill).await, @"SKILL_OUTPUT: `raw` returned a structured result that is not JSON: expected value at line 1 column 1");
}

#[tokio::test]
async fn questions_without_a_question_are_bad_output() {
    // `input-required({ requests: [], state: [] })`
    let skill = RawSkill::doing(
        "(i32.store8 (i32.const 516) (i32.const 1)) (i64.store (i32.const 520) (i64.const 0))
         (i64.store (i32.const 528) (i64.const 0))",
    );
    assert_snapshot!(outcome(skill).await, @"SKILL_OUTPUT: `raw` returned 0 questions; a call asks 1 to 16");
}

/// The text of a hand-written skill lies at 640: its first character becomes a sign, its second a payload's last digit.
#[tokio::test]
async fn a_nan_has_the_same_bits_on_every_machine_whatever_made_it() {
    // x86 makes a negative one of 0/0 and keeps the payload of a NaN it adds to; neither is what the host promises.
    let skill = RawSkill {
        fields: "(global $zero (mut f32) (f32.const 0)) (global $odd (mut f32) (f32.const nan:0x212345))".to_owned(),
        ..RawSkill::doing(
            "(local $made i32) (local $kept i32)
             (local.set $made (i32.reinterpret_f32 (f32.div (global.get $zero) (global.get $zero))))
             (local.set $kept (i32.reinterpret_f32 (f32.add (global.get $odd) (f32.const 1))))
             (i32.store8 (i32.const 640) (i32.add (i32.const 48) (i32.shr_u (local.get $made) (i32.const 31))))
             (i32.store8 (i32.const 641)
               (i32.add (i32.const 48) (i32.and (local.get $kept) (i32.const 15))))",
        )
    };
    assert_snapshot!(outcome(skill).await, @"it went well: 00");
}
