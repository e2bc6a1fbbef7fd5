//! `openclaw skills build DIR`: from a folder of source to one component file.
//!
//! A folder holds `skill.toml` and either a Rust crate or the name of a component another toolchain made.
//! Invariant: a file is written whole or not at all, and one that would be refused at install is not written.

mod cargo;

use std::io;
use std::path::{Path, PathBuf};

use openclaw_domain::SkillName;

use crate::encode::{EncodeError, finish};
use crate::inspect::Package;
use crate::manifest::{Manifest, ManifestError};

/// What Rust guests are compiled for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// `wasm32-unknown-unknown`: no imports beyond our own, a small stack, one common memory size.
    #[default]
    Unknown,
    /// `wasm32-wasip2`, for guests that want `std`'s input and output.
    Wasip2,
}

impl Target {
    /// Its name as rustc knows it.
    pub const fn triple(self) -> &'static str {
        match self {
            Self::Unknown => "wasm32-unknown-unknown",
            Self::Wasip2 => "wasm32-wasip2",
        }
    }
}

/// How to build. The default builds for [`Target::Unknown`] beside the workspace's own target folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildOptions {
    /// What for.
    pub target: Target,
    /// Where cargo works and, in `skills/`, the files go. Default: `guests` in the workspace's target folder.
    ///
    /// Never the folder of a cargo that is running around this one: the two would wait for each other.
    pub target_dir: Option<PathBuf>,
    /// The file to write, if one folder is built. Default: `skills/<name>.wasm` in the target folder.
    pub output: Option<PathBuf>,
}

/// A component file that was built.
#[derive(Clone, Debug, PartialEq)]
pub struct Built {
    /// The skill's name, from `skill.toml`.
    pub name: SkillName,
    /// The folder it was built from.
    pub source: PathBuf,
    /// The file that was written.
    pub path: PathBuf,
    /// What the file is: its size, imports and digest.
    pub package: Package,
}

/// Why nothing was built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A file could not be read or written.
    #[error("cannot {action} `{}`: {source}", path.display())]
    File {
        /// `read` or `write`.
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A folder's `skill.toml` is wrong.
    #[error("`{}`: {source}", dir.display())]
    Manifest {
        /// The folder.
        dir: PathBuf,
        /// Why.
        source: ManifestError,
    },
    /// A folder holds nothing to build.
    #[error(
        "`{}` has no Cargo.toml, and its skill.toml names no `component`: add a crate, or `component = \"file.wasm\"`",
        .0.display()
    )]
    NothingToBuild(PathBuf),
    /// Cargo could not be started.
    #[error("cannot run `{program}`: {source}; install Rust from https://rustup.rs")]
    NoCargo {
        /// What was tried.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// Cargo failed; it has said why on standard error.
    #[error("`cargo {command}` failed with {status}{}", if detail.is_empty() { String::new() } else { format!(": {detail}") })]
    Cargo {
        /// Which of its commands.
        command: &'static str,
        /// How it ended.
        status: std::process::ExitStatus,
        /// What it said, when its words were not shown.
        detail: String,
    },
    /// Cargo's answer was not what it documents.
    #[error("cannot read what `cargo {command}` said: {reason}")]
    CargoOutput {
        /// Which of its commands.
        command: &'static str,
        /// Why.
        reason: String,
    },
    /// A crate made no `.wasm` file.
    #[error(
        "package `{0}` made no `.wasm` file: add `crate-type = [\"cdylib\", \"rlib\"]` to `[lib]` in its Cargo.toml"
    )]
    NoModule(String),
    /// What was compiled is no skill.
    #[error("`{}`: {source}", dir.display())]
    Encode {
        /// The folder.
        dir: PathBuf,
        /// Why.
        source: EncodeError,
    },
    /// One output file was named for several folders.
    #[error("`output` names one file for {0} folders: build them one at a time, or leave it out")]
    OneOutput(usize),
}

/// Builds one folder.
///
/// Blocks for as long as cargo takes; cargo writes to standard error.
///
/// # Errors
/// [`BuildError`]: what failed, and for mistakes in the folder what would help.
pub fn build(dir: &Path, options: &BuildOptions) -> Result<Built, BuildError> {
    let built = build_many(&[dir], options)?;
    Ok(built.into_iter().next().expect("one folder gives one file"))
}

/// Builds several folders, the crates of one workspace in one run of cargo. The files come in the folders' order.
///
/// # Errors
/// As [`build`]; the first folder that fails ends it.
pub fn build_many<P: AsRef<Path>>(dirs: &[P], options: &BuildOptions) -> Result<Vec<Built>, BuildError> {
    if options.output.is_some() && dirs.len() != 1 {
        return Err(BuildError::OneOutput(dirs.len()));
    }
    let sources = dirs.iter().map(|dir| Source::open(dir.as_ref())).collect::<Result<Vec<_>, _>>()?;
    let crates: Vec<&Path> =
        sources.iter().filter(|source| source.is_crate).map(|source| source.dir.as_path()).collect();
    let mut modules = cargo::compile(&crates, options)?.into_iter();
    let mut built = Vec::with_capacity(sources.len());
    for source in sources {
        let (wasm, target_dir) = if source.is_crate {
            let module = modules.next().expect("cargo::compile gives one module a crate");
            (module.wasm, module.target_dir)
        } else {
            let component = source.manifest.component.as_ref();
            let component = component.ok_or_else(|| BuildError::NothingToBuild(source.dir.clone()))?;
            let target_dir = options.target_dir.clone().unwrap_or_else(|| source.dir.join("target"));
            (source.dir.join(component), target_dir)
        };
        built.push(source.write(&read(&wasm)?, &target_dir, options)?);
    }
    Ok(built)
}

/// A folder with a `skill.toml`.
struct Source {
    dir: PathBuf,
    text: String,
    manifest: Manifest,
    is_crate: bool,
}

impl Source {
    fn open(dir: &Path) -> Result<Self, BuildError> {
        let path = dir.join("skill.toml");
        let text =
            std::fs::read_to_string(&path).map_err(|source| BuildError::File { action: "read", path, source })?;
        let manifest = Manifest::parse(&text).map_err(|source| BuildError::Manifest { dir: dir.to_owned(), source })?;
        let is_crate = dir.join("Cargo.toml").is_file();
        Ok(Self { dir: dir.to_owned(), text, manifest, is_crate })
    }

    fn write(self, wasm: &[u8], target_dir: &Path, options: &BuildOptions) -> Result<Built, BuildError> {
        let (file, package) =
            finish(wasm, &self.text).map_err(|source| BuildError::Encode { dir: self.dir.clone(), source })?;
        let name = self.manifest.name;
        let path = match &options.output {
            Some(path) => path.clone(),
            None => target_dir.join("skills").join(format!("{name}.wasm")),
        };
        write(&path, &file)?;
        Ok(Built { name, source: self.dir, path, package })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, BuildError> {
    std::fs::read(path).map_err(|source| BuildError::File { action: "read", path: path.to_owned(), source })
}

/// Writes beside the file and renames, so that nobody reads half of it; an equal file keeps its time, so that
/// what was made from it stays fresh.
fn write(path: &Path, bytes: &[u8]) -> Result<(), BuildError> {
    if std::fs::read(path).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    let failed = |source| BuildError::File { action: "write", path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    std::fs::write(&beside, bytes).and_then(|()| std::fs::rename(&beside, path)).map_err(failed)
}
