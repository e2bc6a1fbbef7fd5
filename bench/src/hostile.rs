//! The hostile set: neighbours that misbehave in a call, and neighbours that try to install what must not run.
//!
//! Invariant: each says what it must end in; one that ended otherwise, or never, was not hostile and proves nothing.

use anyhow::{Context as _, Result};
use bytes::Bytes;
use openclaw_package::Target;

use crate::component;
use crate::load::RESPONSE;
use crate::raw::precompiled;
// The makers of the test suite, not copies of them: what is measured beside is what is tested.
#[path = "../../tests/src/raw/mod.rs"]
#[expect(unreachable_pub, unused_imports, reason = "a library of the tests, of which the bench needs a part")]
#[expect(clippy::allow_attributes, reason = "an expected `dead_code` counts as unfulfilled although it is needed")]
#[allow(dead_code, reason = "as above: what the bench leaves unused changes with the tests")]
mod makers;

use makers::{RawSkill, exporting_nothing, importing, many_functions, with_core_module};

const TOOLS: &str = "openclaw:gateway/tools@0.1.0";
/// Functions of the compile bomb: below the number that is refused unread, so that all of it is compiled.
const BOMB_FUNCTIONS: usize = 90_000;
/// The file that is too long to be read: a hundred mebibytes.
const LARGE_FILE: usize = 100 << 20;

/// A neighbour.
pub(crate) struct Hostile {
    /// What it does, after "while a neighbour …".
    pub(crate) does: &'static str,
    /// By what means.
    pub(crate) how: How,
    /// What its every attempt ends in: one of these texts.
    pub(crate) ends: &'static [&'static str],
}

/// What it repeats as soon as it is answered.
pub(crate) enum How {
    /// `skill_invoke` of an installed tool with these arguments.
    Calls(&'static str, &'static str),
    /// Installing this file.
    Installs(Bytes),
    /// Installing a file that is another one at each attempt, so that nothing is remembered of the one before.
    InstallsVariants(Bytes),
}

/// A neighbour that does nothing wrong: what sharing two cores costs without any malice.
pub(crate) const HONEST: Hostile = Hostile {
    does: "calls `echo` as fast as it is answered",
    how: How::Calls(crate::ECHO, crate::ECHO_ARGUMENTS),
    ends: &[RESPONSE],
};

/// The one that peers are measured beside as well.
pub(crate) const SPINS: Hostile = called("spins", "bench/spin", &["SKILL_TIMEOUT"]);

const fn called(does: &'static str, tool: &'static str, ends: &'static [&'static str]) -> Hostile {
    Hostile { does, how: How::Calls(tool, "{}"), ends }
}

/// Those that misbehave in a call.
pub(crate) const CALLERS: [Hostile; 11] = [
    SPINS,
    Hostile {
        does: "sleeps in a host call",
        how: How::Calls("sleeper/sleep", r#"{"ms":86400000}"#),
        ends: &["SKILL_TIMEOUT"],
    },
    called("allocates", "bench/allocate", &["SKILL_MEMORY"]),
    called("allocates in three memories", "memories/run", &["SKILL_MEMORY"]),
    called("grows its tables", "tables/run", &["table elements"]),
    called("recurses", "bench/recurse", &["SKILL_TRAPPED"]),
    called("returns a gibibyte", "gibibyte/run", &["at once"]),
    called("returns what is not UTF-8", "scribbler/run", &["not UTF-8"]),
    called("floods its log", "bench/flood", &["SKILL_TRAPPED"]),
    called("traps", "bench/trap", &["SKILL_TRAPPED"]),
    called("panics", "bench/panic", &["SKILL_TRAPPED"]),
];

/// The components those callers need beside the bench's own, with the names they are called by.
pub(crate) fn components(scratch: &std::path::Path) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let sleeper =
        component::build(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/guests/sleeper"), Target::Wasip2, scratch)?;
    let (table, text, length) = (64 << 10, 128 << 10, 1 << 20);
    let memories = RawSkill {
        fields: "(memory $second 1) (memory $third 1)".to_owned(),
        ..RawSkill::doing(format!(
            "(local $at i32) (loop $more {} (br $more))",
            ["0", "$second", "$third"].map(grow).concat()
        ))
    };
    let tables = RawSkill {
        fields: "(table $first 1 funcref) (table $second 1 funcref)".to_owned(),
        ..RawSkill::doing(format!("(loop $more {} (br $more))", ["$first", "$second"].map(grow_table).concat()))
    };
    let gibibyte =
        RawSkill { pages: 32, heap: text + length, ..RawSkill::doing(RawSkill::repeating(table, 1024, text, length)) };
    Ok(vec![
        ("sleeper", std::fs::read(sleeper)?),
        ("memories", memories.file()),
        ("tables", tables.file()),
        ("gibibyte", gibibyte.file()),
        ("scribbler", RawSkill::saying("scribbler", [b'o', 0xff, 0xfe]).file()),
    ])
}

/// Takes one more mebibyte of a memory and writes all of it; a refusal is a trap.
fn grow(memory: &str) -> String {
    format!(
        "(local.set $at (memory.grow {memory} (i32.const 16)))
         (if (i32.eq (local.get $at) (i32.const -1)) (then unreachable))
         (memory.fill {memory} (i32.shl (local.get $at) (i32.const 16)) (i32.const 1) (i32.const 1048576))"
    )
}

/// Takes a thousand more elements of a table; a refusal is a trap.
fn grow_table(table: &str) -> String {
    let grown = format!("(table.grow {table} (ref.null func) (i32.const 1000))");
    format!("(if (i32.eq {grown} (i32.const -1)) (then unreachable))")
}

/// Those that misbehave at the operator's door: what they bring must never be installed, or not without end compiled.
///
/// `fraction` makes the compile bomb smaller, as it does every count.
pub(crate) fn installers(fraction: usize) -> Result<Vec<Hostile>> {
    let honest = RawSkill::default();
    let installed = |does, file: Vec<u8>, ends| Hostile { does, how: How::Installs(file.into()), ends };
    let mut large = honest.file();
    large.resize(LARGE_FILE, 0);
    let bomb = many_functions(u32::try_from(BOMB_FUNCTIONS / fraction).context("the bomb has too many functions")?);
    Ok(vec![
        installed("installs a core module", honest.module(), &["core module"]),
        installed("installs native code", precompiled(&honest.file())?, &["native code"]),
        installed(
            "installs what imports sockets",
            importing(&["wasi:sockets/tcp@0.2.12"], &honest.component(), TOOLS),
            &["raw sockets are never linked"],
        ),
        installed("installs what has no world", exporting_nothing(), &["exports nothing"]),
        installed("installs a hundred mebibytes", large, &["104857600 bytes"]),
        Hostile {
            does: "installs a compile bomb",
            how: How::InstallsVariants(with_core_module(&honest.component(), &bomb).into()),
            // A fast machine compiles all of it within the jail's limits; what it costs until then is the same.
            ends: &["compiling it takes more than", "\"digest\""],
        },
    ])
}
