//! A skill with one tool, `run`, written by hand: the test says what its memory holds and what a call does.

use openclaw_package::embed;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Where the prepared result of `call-tool` lies: `complete`, one text, nothing structured.
const RESULT: u32 = 512;
/// Where that result's only piece of content lies.
const CONTENT: u32 = 576;
/// Where its text lies.
const TEXT: u32 = 640;
/// Where `list-tools` finds its list, and the list its only tool.
const LIST: u32 = 16;
const TOOL: u32 = 32;
const WORDS: u32 = 128;

/// A schema up to this length lies among the other words.
const SHORT: usize = 256;
/// Where a longer one lies.
const LONG: u32 = 8 << 10;

const DESCRIPTION: &str = "Runs";

/// A hand-written skill. The default returns the text `ok`.
#[derive(Clone, Debug)]
pub struct RawSkill {
    /// What its `skill.toml` calls it.
    pub name: String,
    /// The text it returns; any bytes, UTF-8 or not. At most 2 KiB.
    pub text: Vec<u8>,
    /// Pages of its memory at the start.
    pub pages: u32,
    /// Where its allocator begins: what lies below is the test's.
    pub heap: u32,
    /// More fields of the core module, in WAT: memories, tables, globals.
    pub fields: String,
    /// What its only tool is called.
    pub tool: String,
    /// The schema of that tool's arguments. One longer than 256 bytes begins at 8 KiB: raise `heap` above its end.
    pub schema: String,
    /// What `list-tools` does before it returns, in WAT.
    pub list: String,
    /// What a call does before it returns, in WAT. `$args` points to the arguments.
    pub call: String,
    /// The address `call-tool` returns, as an instruction in WAT.
    pub result: String,
}

impl Default for RawSkill {
    fn default() -> Self {
        Self {
            name: "raw".to_owned(),
            text: b"ok".to_vec(),
            pages: 4,
            heap: 4096,
            fields: String::new(),
            tool: "run".to_owned(),
            schema: r#"{"type":"object"}"#.to_owned(),
            list: String::new(),
            call: String::new(),
            result: format!("(i32.const {RESULT})"),
        }
    }
}

impl RawSkill {
    /// A skill of this name that returns this text.
    pub fn saying(name: &str, text: impl Into<Vec<u8>>) -> Self {
        Self { name: name.to_owned(), text: text.into(), ..Self::default() }
    }

    /// A skill that does this at each call and then returns its text.
    pub fn doing(call: impl Into<String>) -> Self {
        Self { call: call.into(), ..Self::default() }
    }

    /// Instructions that make the result this many pieces of text, each this long, all from one address.
    ///
    /// The pieces' table begins at `table`, which must lie below the heap.
    pub fn repeating(table: u32, pieces: u32, address: u32, length: u32) -> String {
        format!(
            "(local $piece i32) (local $at i32)
             (local.set $at (i32.const {table}))
             (loop $next
               (i32.store8 (local.get $at) (i32.const 0))
               (i32.store offset=4 (local.get $at) (i32.const {address}))
               (i32.store offset=8 (local.get $at) (i32.const {length}))
               (local.set $at (i32.add (local.get $at) (i32.const 48)))
               (br_if $next (i32.lt_u
                 (local.tee $piece (i32.add (local.get $piece) (i32.const 1))) (i32.const {pieces}))))
             (i32.store (i32.const {}) (i32.const {table}))
             (i32.store (i32.const {}) (i32.const {pieces}))",
            RESULT + 8,
            RESULT + 12,
        )
    }

    /// Its core module.
    pub fn module(&self) -> Vec<u8> {
        let Self { pages, heap, fields, list, call, result, .. } = self;
        let text = format!(
            r#"(module
              (memory (export "memory") {pages})
              {fields}
              (global $heap (mut i32) (i32.const {heap}))
              (func (export "cabi_realloc") (param i32 i32 i32 $size i32) (result i32)
                (local $block i32)
                (local.set $block (i32.and (i32.add (global.get $heap) (i32.const 15)) (i32.const -16)))
                (global.set $heap (i32.add (local.get $block) (local.get $size)))
                (local.get $block))
              (func (export "openclaw:gateway/tools@0.1.0#list-tools") (result i32) {list} (i32.const {LIST}))
              (func (export "openclaw:gateway/tools@0.1.0#call-tool") (param $args i32) (result i32)
                {call}
                {result})
              (data (i32.const 0) "{data}"))"#,
            data = escaped(&self.memory()),
        );
        let text = text.replace("(param i32 i32 i32 $size i32)", "(param i32 i32 i32) (param $size i32)");
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    /// The component, without a `skill.toml`.
    pub fn component(&self) -> Vec<u8> {
        component(self.module(), "skill-core")
    }

    /// The component file, with its `skill.toml`.
    pub fn file(&self) -> Vec<u8> {
        let manifest = format!(
            "name = {:?}\nversion = \"0.1.0\"\ndescription = \"Written by hand\"\nworld = \"skill\"\n",
            self.name
        );
        embed(&self.component(), &manifest).expect("a hand-written skill is valid")
    }

    /// What its memory holds at the start, from address 0.
    fn memory(&self) -> Vec<u8> {
        let mut memory = vec![0; TEXT as usize];
        let mut put = |at: u32, bytes: &[u8]| memory[at as usize..][..bytes.len()].copy_from_slice(bytes);
        let mut words = WORDS;
        let mut word = |put: &mut dyn FnMut(u32, &[u8]), at: u32, text: &str| {
            put(words, text.as_bytes());
            put(at, &pair(words, text.len()));
            words += text.len() as u32;
        };
        put(LIST, &pair(TOOL, 1));
        // A tool: name, title (none), description, input schema, output schema (none), hints (none).
        word(&mut put, TOOL, &self.tool);
        word(&mut put, TOOL + 20, DESCRIPTION);
        let long = self.schema.len() > SHORT;
        match long {
            true => put(TOOL + 28, &pair(LONG, self.schema.len())),
            false => word(&mut put, TOOL + 28, &self.schema),
        }
        // ok(complete({ content: [text], structured: none }))
        put(RESULT + 8, &pair(CONTENT, 1));
        put(CONTENT + 4, &pair(TEXT, self.text.len()));
        memory.extend_from_slice(&self.text);
        if long {
            memory.resize(LONG as usize, 0);
            memory.extend_from_slice(self.schema.as_bytes());
        }
        memory
    }
}

/// A transform written by hand, with this body; `$args` points to the request.
pub fn raw_transform(body: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
          (memory (export "memory") 4)
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
          (func (export "openclaw:gateway/ingress@0.1.0#transform") (param $args i32) (result i32) {body}))"#
    );
    let module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    component(module, "ingress-transform")
}

fn component(mut module: Vec<u8>, world: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let wit = concat!(env!("CARGO_MANIFEST_DIR"), "/../wit");
    let (package, _) = resolve.push_dir(wit).expect("the contract parses");
    let world = resolve.select_world(&[package], Some(world)).expect("the contract has the world");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("the metadata fits");
    ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|mut encoder| encoder.encode())
        .unwrap_or_else(|error| panic!("{error:#}"))
}

/// An address and a length, as the canonical ABI lays out strings and lists.
fn pair(address: u32, length: usize) -> [u8; 8] {
    let length = u32::try_from(length).expect("it fits a 32-bit memory");
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&address.to_le_bytes());
    bytes[4..].copy_from_slice(&length.to_le_bytes());
    bytes
}

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\{byte:02x}")).collect()
}
