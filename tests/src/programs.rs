//! Where the programs under test are: in the target folder this very test was built into.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The folder of built programs, `target/debug` for one.
fn programs() -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a file");
    // Tests lie in `deps/`, one below the programs.
    test.parent().and_then(|deps| deps.parent()).expect("a test lies in the target folder").to_owned()
}

/// The compiling child of the runtime under test.
pub fn test_compiler() -> PathBuf {
    programs().join("openclaw-test-compiler")
}

/// A compiler that does these lines of shell, in which `$COMPILER` is the real one.
///
/// The gateway starts it with an empty environment, so every program is named by its path.
pub fn compiler_script(folder: &Path, lines: &str) -> PathBuf {
    let script = folder.join("compiler.sh");
    let text = format!("#!/bin/sh\nCOMPILER='{}'\n{lines}\n", test_compiler().display());
    fs::write(&script, text).expect("a temporary folder can be written");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).expect("a file of ours can be made a program");
    script
}

/// The gateway. `OPENCLAW_BIN` names another.
pub fn openclaw() -> PathBuf {
    let program = std::env::var_os("OPENCLAW_BIN").map_or_else(|| programs().join("openclaw"), PathBuf::from);
    assert!(program.is_file(), "`{}` is not built: `cargo build -p openclaw`", program.display());
    program
}

/// The compiled code all tests share: each component is compiled once in all runs, and a test costs what it tests.
///
/// It is a home without anything else in it. Tests of the cache itself have one of their own.
pub(crate) fn shared_cache() -> PathBuf {
    programs().parent().expect("programs lie in a folder of the target folder").join("guest-cache")
}
