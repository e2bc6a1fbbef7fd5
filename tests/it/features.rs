//! Which WebAssembly is served is written down twice, for the inspection and for the engine. They agree.

use openclaw_tests::compile_by_hand;
use openclaw_tests::raw::{RawSkill, with_raw_module};

/// One module a feature, with whether it is served.
const MODULES: [(&str, bool, &str); 16] = [
    ("plain", true, "(module (func (result i32) (i32.const 1)))"),
    ("bulk memory", true, "(module (memory 1) (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 1))))"),
    ("several values", true, "(module (func (result i32 i32) (i32.const 1) (i32.const 2)))"),
    ("SIMD", true, "(module (func (param v128) (result v128) (i8x16.neg (local.get 0))))"),
    ("reference types", true, "(module (table 1 funcref) (func (result funcref) (table.get (i32.const 0))))"),
    ("tail calls", true, "(module (func $f (return_call $f)))"),
    ("several memories", true, "(module (memory 1) (memory 1))"),
    ("extended constants", true, "(module (global i32 (i32.add (i32.const 1) (i32.const 2))))"),
    ("references to the host", false, "(module (table 1 externref))"),
    (
        "relaxed SIMD",
        false,
        "(module (func (param v128) (result v128)
        (f32x4.relaxed_madd (local.get 0) (local.get 0) (local.get 0))))",
    ),
    ("threads", false, "(module (memory 1 1 shared))"),
    ("memory64", false, "(module (memory i64 1))"),
    ("function references", false, "(module (type $f (func)) (func (param (ref null $f))))"),
    ("garbage collection", false, "(module (type (struct (field i32))))"),
    ("exceptions", false, "(module (tag) (func (throw 0)))"),
    (
        "wide arithmetic",
        false,
        "(module (func (param i64 i64) (result i64 i64)
        (i64.mul_wide_u (local.get 0) (local.get 1))))",
    ),
];

#[tokio::test]
async fn what_the_inspection_lets_through_the_engine_compiles_and_nothing_else() {
    for (feature, served, text) in MODULES {
        let module = wat::parse_str(text).unwrap_or_else(|error| panic!("{feature}: {error}"));
        let component = with_raw_module(&RawSkill::default().component(), &module);
        let inspected = openclaw_package::inspect(&component);
        assert_eq!(inspected.is_ok(), served, "inspection of {feature}: {:?}", inspected.err());
        let compiled = compile_by_hand(&component).await;
        assert_eq!(!compiled.is_empty(), served, "compilation of {feature}");
    }
}
