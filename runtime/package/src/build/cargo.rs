//! Runs cargo for guests: a nested one, in a target folder and an environment of its own.
//!
//! Invariant: what an outer cargo or its user set for native code (flags, wrappers, target folder) does not
//! reach the guests, so the same source gives the same bytes wherever it is built from.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde::Deserialize;

use crate::build::{BuildError, BuildOptions, Target};

/// A compiled crate.
pub(crate) struct Module {
    /// The `.wasm` file cargo wrote.
    pub(crate) wasm: PathBuf,
    /// The target folder it was compiled in.
    pub(crate) target_dir: PathBuf,
}

/// The profile of guests, for workspaces that define none: small, and without unwinding tables that no host reads.
const PROFILE: [&str; 6] = [
    "profile.guest.inherits=\"release\"",
    "profile.guest.opt-level=3",
    "profile.guest.lto=\"fat\"",
    "profile.guest.codegen-units=1",
    "profile.guest.panic=\"abort\"",
    "profile.guest.strip=true",
];

/// Stack of guests for [`Target::Unknown`]: with the SDK's arena and a JSON guest's data, all of it stays within
/// 256 KiB. It lies below the data (`--stack-first`, rustc's default), so an overflow traps.
const STACK: &str = "-Clink-arg=-zstack-size=32768";

/// Compiles crates, those of one workspace together. The modules come in the order of the folders.
pub(crate) fn compile(dirs: &[&Path], options: &BuildOptions) -> Result<Vec<Module>, BuildError> {
    let packages = dirs.iter().map(|dir| Package::of(dir)).collect::<Result<Vec<_>, _>>()?;
    let mut workspaces: BTreeMap<&Path, Vec<&Package>> = BTreeMap::new();
    for package in &packages {
        workspaces.entry(&package.workspace).or_default().push(package);
    }
    let mut modules = BTreeMap::new();
    for (workspace, members) in workspaces {
        compile_workspace(workspace, &members, options, &mut modules)?;
    }
    packages
        .into_iter()
        .map(|package| {
            let wasm = modules.get(&package.id).cloned().ok_or(BuildError::NoModule(package.name.clone()))?;
            Ok(Module { wasm, target_dir: target_dir(&package, options) })
        })
        .collect()
}

fn target_dir(package: &Package, options: &BuildOptions) -> PathBuf {
    options.target_dir.clone().unwrap_or_else(|| package.target.join("guests"))
}

fn compile_workspace(
    workspace: &Path,
    members: &[&Package],
    options: &BuildOptions,
    modules: &mut BTreeMap<String, PathBuf>,
) -> Result<(), BuildError> {
    let Some(first) = members.first() else { return Ok(()) };
    let mut command = cargo(workspace);
    command.args(["build", "--lib", "--profile", "guest", "--message-format=json-render-diagnostics", "--target"]);
    command.arg(options.target.triple()).arg("--target-dir").arg(target_dir(first, options));
    if !defines_guest_profile(workspace)? {
        command.args(PROFILE.iter().flat_map(|setting| ["--config", setting]));
    }
    for member in members {
        command.args(["-p", &member.id]);
    }
    command.env("CARGO_ENCODED_RUSTFLAGS", rustflags(workspace, options.target));
    // Cargo's progress and the compiler's words go where the user sees them.
    command.stderr(Stdio::inherit());
    let output = run(command, "build")?;
    let text = String::from_utf8_lossy(&output.stdout);
    for line in text.lines().filter(|line| line.starts_with('{')) {
        let message: Message = parse(line, "build")?;
        if message.reason == "compiler-artifact"
            && message.target.kind.iter().any(|kind| kind == "cdylib")
            && let Some(wasm) = message.filenames.into_iter().find(|path| path.extension() == Some(OsStr::new("wasm")))
        {
            modules.insert(message.package_id, wasm);
        }
    }
    Ok(())
}

/// The flags of guests, joined as `CARGO_ENCODED_RUSTFLAGS` wants them. Paths of this machine are replaced, since
/// panic messages carry them into the file and its digest.
fn rustflags(workspace: &Path, target: Target) -> OsString {
    let mut flags = OsString::new();
    let mut push = |parts: &[&OsStr]| {
        if !flags.is_empty() {
            flags.push("\u{1f}");
        }
        parts.iter().for_each(|part| flags.push(part));
    };
    push(&["--remap-path-prefix=".as_ref(), workspace.as_os_str(), "=/source".as_ref()]);
    let home = std::env::var_os("CARGO_HOME")
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo").into_os_string()));
    if let Some(home) = home {
        push(&["--remap-path-prefix=".as_ref(), &home, "=/cargo".as_ref()]);
    }
    match target {
        Target::Unknown => push(&[STACK.as_ref()]),
        Target::Wasip2 => {}
    }
    flags
}

/// Whether the workspace has a `[profile.guest]` of its own.
fn defines_guest_profile(workspace: &Path) -> Result<bool, BuildError> {
    let path = workspace.join("Cargo.toml");
    let text = std::fs::read_to_string(&path).map_err(|source| BuildError::File {
        action: "read",
        path: path.clone(),
        source,
    })?;
    // Cargo has read the file before; what it could read and this cannot is no reason to fail.
    let manifest: toml::Table = toml::from_str(&text).unwrap_or_default();
    Ok(manifest.get("profile").and_then(|profiles| profiles.get("guest")).is_some())
}

/// A crate as cargo knows it.
struct Package {
    id: String,
    name: String,
    workspace: PathBuf,
    target: PathBuf,
}

impl Package {
    fn of(dir: &Path) -> Result<Self, BuildError> {
        let manifest = dir.join("Cargo.toml");
        let manifest = manifest.canonicalize().map_err(|source| BuildError::File {
            action: "read",
            path: manifest.clone(),
            source,
        })?;
        let mut command = cargo(dir);
        command.args(["metadata", "--format-version=1", "--no-deps", "--manifest-path"]).arg(&manifest);
        command.stderr(Stdio::piped());
        let output = run(command, "metadata")?;
        let metadata: Metadata = parse(&String::from_utf8_lossy(&output.stdout), "metadata")?;
        let found = metadata.packages.into_iter().find(|package| package.manifest_path == manifest);
        let Some(MetadataPackage { id, name, .. }) = found else {
            let reason = format!("`{}` names no package: give the folder of a crate", manifest.display());
            return Err(BuildError::CargoOutput { command: "metadata", reason });
        };
        Ok(Self { id, name, workspace: metadata.workspace_root, target: metadata.target_directory })
    }
}

/// Cargo in `dir`, with an environment fit for guests.
fn cargo(dir: &Path) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(dir).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if is_foreign(&name) {
            command.env_remove(name);
        }
    }
    command
}

/// Whether a variable is about building something else: an outer cargo's word to its build script, or a user's
/// flags for native code. Where crates come from and where cargo lives stays.
fn is_foreign(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    const KEPT: [&str; 8] = [
        "CARGO_HOME",
        "CARGO_HTTP_",
        "CARGO_NET_",
        "CARGO_REGISTRIES_",
        "CARGO_REGISTRY_",
        "CARGO_SOURCE_",
        "CARGO_TERM_",
        "CARGO_INSTALL_ROOT",
    ];
    const FOREIGN: [&str; 12] = [
        "RUSTFLAGS",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_LINKER",
        "RUSTDOCFLAGS",
        "TARGET",
        "HOST",
        "OUT_DIR",
        "PROFILE",
        "OPT_LEVEL",
        "DEBUG",
        "MAKEFLAGS",
    ];
    FOREIGN.contains(&name) || (name.starts_with("CARGO_") && !KEPT.iter().any(|kept| name.starts_with(kept)))
}

fn run(mut command: Command, name: &'static str) -> Result<Output, BuildError> {
    command.stdout(Stdio::piped());
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .spawn()
        .and_then(std::process::Child::wait_with_output)
        .map_err(|source| BuildError::NoCargo { program, source })?;
    if output.status.success() {
        return Ok(output);
    }
    let detail = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(BuildError::Cargo { command: name, status: output.status, detail })
}

fn parse<'de, T: Deserialize<'de>>(json: &'de str, command: &'static str) -> Result<T, BuildError> {
    serde_json::from_str(json).map_err(|error| BuildError::CargoOutput { command, reason: error.to_string() })
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct MetadataPackage {
    id: String,
    name: String,
    manifest_path: PathBuf,
}

/// One line of cargo's JSON; other kinds of lines have none of the fields but the first.
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    package_id: String,
    #[serde(default)]
    target: MessageTarget,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

#[derive(Default, Deserialize)]
struct MessageTarget {
    #[serde(default)]
    kind: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outer_build_s_variables_stay_outside_and_the_user_s_registries_come_along() {
        for foreign in
            ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "CARGO_TARGET_DIR", "OUT_DIR"]
        {
            assert!(is_foreign(OsStr::new(foreign)), "{foreign}");
        }
        for kept in ["CARGO_HOME", "CARGO_REGISTRIES_CORP_TOKEN", "RUSTUP_TOOLCHAIN", "PATH", "HTTPS_PROXY"] {
            assert!(!is_foreign(OsStr::new(kept)), "{kept}");
        }
    }

    #[test]
    fn guests_get_the_small_stack_and_no_paths_of_this_machine() {
        let flags = rustflags(Path::new("/home/me/project"), Target::Unknown).into_string().unwrap();
        let flags: Vec<&str> = flags.split('\u{1f}').collect();
        assert_eq!(flags[0], "--remap-path-prefix=/home/me/project=/source");
        assert_eq!(flags.last(), Some(&STACK));
    }
}
