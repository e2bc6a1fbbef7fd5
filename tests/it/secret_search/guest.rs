//! A guest written by hand that sends a request, reads all of the answer, and then looks through its whole memory.
//!
//! It is core WebAssembly because a scan of memory that is nobody's object is nothing a safe language can say.
//! Invariant: what it looks for stands in its memory backwards and is compared byte by byte, so a find is somebody
//! else's writing; its allocator gives nothing out twice, so nothing that was ever written is gone.

use openclaw_package::embed;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// What the host calls, under the names of the canonical ABI; results that are no number lie where `$at` points.
const IMPORTS: &str = r#"
  (import "wasi:http/types@0.2.12" "[constructor]fields" (func $fields (result i32)))
  (import "wasi:http/types@0.2.12" "[method]fields.append" (func $append (param i32 i32 i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.12" "[method]fields.entries" (func $entries (param i32 i32)))
  (import "wasi:http/types@0.2.12" "[constructor]outgoing-request" (func $request (param i32) (result i32)))
  (import "wasi:http/types@0.2.12" "[method]outgoing-request.set-scheme"
    (func $set_scheme (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi:http/types@0.2.12" "[method]outgoing-request.set-authority"
    (func $set_authority (param i32 i32 i32 i32) (result i32)))
  (import "wasi:http/types@0.2.12" "[method]outgoing-request.set-path-with-query"
    (func $set_path (param i32 i32 i32 i32) (result i32)))
  (import "wasi:http/outgoing-handler@0.2.12" "handle" (func $handle (param i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.12" "[method]future-incoming-response.subscribe"
    (func $subscribe (param i32) (result i32)))
  (import "wasi:io/poll@0.2.12" "[method]pollable.block" (func $block (param i32)))
  (import "wasi:http/types@0.2.12" "[method]future-incoming-response.get" (func $get (param i32 i32)))
  (import "wasi:http/types@0.2.12" "[method]incoming-response.headers" (func $headers (param i32) (result i32)))
  (import "wasi:http/types@0.2.12" "[method]incoming-response.consume" (func $consume (param i32 i32)))
  (import "wasi:http/types@0.2.12" "[method]incoming-body.stream" (func $stream (param i32 i32)))
  (import "wasi:io/streams@0.2.12" "[method]input-stream.blocking-read" (func $read (param i32 i64 i32)))
"#;

/// Where a list of one tool lies, the tool, and the finished result; after them everything the test writes.
const LIST: usize = 16;
const TOOL: usize = 32;
const RESULT: usize = 96;
const CONTENT: usize = 128;
const WRITTEN: usize = 256;
/// Where the host's results are put, and where its allocator begins.
const AT: usize = 8192;
const HEAP: usize = 8448;

/// Bytes of a memory, and where the next ones go.
struct Memory(Vec<u8>);

impl Memory {
    /// Writes a text behind the others: its address and length.
    fn text(&mut self, text: &[u8]) -> [usize; 2] {
        let at = self.0.len();
        self.0.extend_from_slice(text);
        [at, text.len()]
    }

    /// Writes numbers to where they belong.
    fn put(&mut self, at: usize, numbers: &[usize]) {
        for (index, number) in numbers.iter().enumerate() {
            let number = u32::try_from(*number).unwrap();
            self.0[at + 4 * index..][..4].copy_from_slice(&number.to_le_bytes());
        }
    }
}

/// A skill `scan` whose tool `run` sends `GET http://{authority}{path}` with these headers and says of each needle `1` if
/// it stands anywhere in its memory afterwards and `0` if it does not.
pub(super) fn scanning(authority: &str, path: &str, headers: &[(&str, &str)], needles: &[&str]) -> Vec<u8> {
    let mut memory = Memory(vec![0; WRITTEN]);
    let (tool, words) = (memory.text(b"run"), memory.text(b"Looks through its memory"));
    let schema = memory.text(br#"{"type":"object"}"#);
    memory.put(LIST, &[TOOL, 1]);
    memory.put(TOOL, &tool);
    memory.put(TOOL + 20, &[words, schema].concat());
    // ok(complete({ content: [text], structured: none }))
    let said = memory.text(&vec![b'?'; needles.len()]);
    memory.put(RESULT + 8, &[CONTENT, 1]);
    memory.put(CONTENT + 4, &said);

    let mut steps = "(local.set $fields (call $fields))\n".to_owned();
    for (name, value) in headers {
        let ([name, name_length], [value, value_length]) =
            (memory.text(name.as_bytes()), memory.text(value.as_bytes()));
        steps += &format!(
            "(call $append (local.get $fields) (i32.const {name}) (i32.const {name_length})
               (i32.const {value}) (i32.const {value_length}) (i32.const {AT}))
             (call $must_be (i32.const 0) (i32.load8_u (i32.const {AT})))\n"
        );
    }
    let ([host, host_length], [path, path_length]) = (memory.text(authority.as_bytes()), memory.text(path.as_bytes()));
    steps += &format!(
        "(local.set $request (call $request (local.get $fields)))
         (call $must_be (i32.const 0) (call $set_scheme
           (local.get $request) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)))
         (call $must_be (i32.const 0) (call $set_authority
           (local.get $request) (i32.const 1) (i32.const {host}) (i32.const {host_length})))
         (call $must_be (i32.const 0) (call $set_path
           (local.get $request) (i32.const 1) (i32.const {path}) (i32.const {path_length})))
         (call $exchange (local.get $request))\n"
    );
    for (index, needle) in needles.iter().enumerate() {
        let [at, length] = memory.text(&needle.bytes().rev().collect::<Vec<_>>());
        steps += &format!(
            "(i32.store8 (i32.const {}) (i32.add (i32.const 48) (call $stands (i32.const {at}) (i32.const {length}))))\n",
            said[0] + index
        );
    }
    assert!(memory.0.len() <= AT, "what the test writes ends before the heap");
    component(&module(&steps, &memory.0))
}

fn module(steps: &str, memory: &[u8]) -> String {
    let data: String = memory.iter().map(|byte| format!("\\{byte:02x}")).collect();
    // Of a result the case is its first byte; one that may hold an error code has its payload 8 bytes further.
    format!(
        r#"(module {IMPORTS}
  (memory (export "memory") 4)
  (data (i32.const 0) "{data}")
  (global $heap (mut i32) (i32.const {HEAP}))
  (func (export "cabi_realloc") (param i32 i32 i32) (param $size i32) (result i32)
    (local $block i32)
    (local.set $block (i32.and (i32.add (global.get $heap) (i32.const 15)) (i32.const -16)))
    (global.set $heap (i32.add (local.get $block) (local.get $size)))
    (local.get $block))
  (func $must_be (param i32 i32)
    (if (i32.ne (local.get 0) (local.get 1)) (then unreachable)))
  (func $exchange (param $request i32)
    (local $future i32) (local $response i32) (local $stream i32)
    (call $handle (local.get $request) (i32.const 0) (i32.const 0) (i32.const {AT}))
    (call $must_be (i32.const 0) (i32.load8_u (i32.const {AT})))
    (local.set $future (i32.load offset=8 (i32.const {AT})))
    (call $block (call $subscribe (local.get $future)))
    (call $get (local.get $future) (i32.const {AT}))
    (call $must_be (i32.const 1) (i32.load8_u (i32.const {AT})))
    (call $must_be (i32.const 0) (i32.load8_u offset=8 (i32.const {AT})))
    (call $must_be (i32.const 0) (i32.load8_u offset=16 (i32.const {AT})))
    (local.set $response (i32.load offset=24 (i32.const {AT})))
    (call $entries (call $headers (local.get $response)) (i32.const {AT}))
    (call $consume (local.get $response) (i32.const {AT}))
    (call $must_be (i32.const 0) (i32.load8_u (i32.const {AT})))
    (call $stream (i32.load offset=4 (i32.const {AT})) (i32.const {AT}))
    (call $must_be (i32.const 0) (i32.load8_u (i32.const {AT})))
    (local.set $stream (i32.load offset=4 (i32.const {AT})))
    (loop $more
      (call $read (local.get $stream) (i64.const 16384) (i32.const {AT}))
      (br_if $more (i32.eqz (i32.load8_u (i32.const {AT}))))))
  (func $stands (param $needle i32) (param $length i32) (result i32)
    (local $start i32) (local $end i32) (local $index i32)
    (local.set $end (i32.sub (i32.mul (memory.size) (i32.const 65536)) (local.get $length)))
    (loop $places
      (local.set $index (i32.const 0))
      (block $differs
        (loop $bytes
          (br_if $differs (i32.ne
            (i32.load8_u (i32.add (local.get $start) (local.get $index)))
            (i32.load8_u (i32.sub
              (i32.add (local.get $needle) (local.get $length))
              (i32.add (local.get $index) (i32.const 1))))))
          (local.set $index (i32.add (local.get $index) (i32.const 1)))
          (br_if $bytes (i32.lt_u (local.get $index) (local.get $length))))
        (return (i32.const 1)))
      (local.set $start (i32.add (local.get $start) (i32.const 1)))
      (br_if $places (i32.le_u (local.get $start) (local.get $end))))
    (i32.const 0))
  (func (export "openclaw:gateway/tools@0.1.0#list-tools") (result i32) (i32.const {LIST}))
  (func (export "openclaw:gateway/tools@0.1.0#call-tool") (param i32) (result i32)
    (local $fields i32) (local $request i32)
    {steps}
    (i32.const {RESULT})))"#
    )
}

fn component(module: &str) -> Vec<u8> {
    let mut module = wat::parse_str(module).unwrap_or_else(|error| panic!("{error}\n{module}"));
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../wit")).unwrap();
    let world = resolve.select_world(&[package], Some("skill")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let encoder = ComponentEncoder::default().validate(true).module(&module);
    let component = encoder.and_then(|mut encoder| encoder.encode()).unwrap_or_else(|error| panic!("{error:#}"));
    let manifest =
        "name = \"scan\"\nversion = \"0.1.0\"\ndescription = \"Looks through its memory\"\nworld = \"skill\"\n";
    embed(&component, manifest).unwrap()
}
