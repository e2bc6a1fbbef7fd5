//! What a component file is, found out without compiling it.
//!
//! Files come from strangers. Invariant: the cost of looking is bounded by the file's size, and a [`Package`]
//! is a valid component of the features the host runs, with no part that the host must refuse later.

use openclaw_domain::{Digest, World};
use sha2::{Digest as _, Sha256};
use wasmparser::{
    ComponentExternalKind, FuncValidatorAllocations, Parser, Payload, ValidPayload, Validator, WasmFeatures,
};

use crate::manifest::{MANIFEST_SECTION, Manifest, ManifestError};

/// How large a component may be. Each bound keeps a compiler from being fed for longer than it is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file. Default 64 MiB: CPython with its standard library is some 40.
    pub file_bytes: usize,
    /// Functions, summed over all modules inside. Default 100,000: StarlingMonkey has some 20,000.
    pub functions: u32,
    /// Bytes of one function's body. Default 1 MiB: optimising takes more than linear time in it, and the
    /// largest interpreter loops are a few hundred KiB.
    pub function_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { file_bytes: 64 << 20, functions: 100_000, function_bytes: 1 << 20 }
    }
}

/// A component file that may be compiled.
#[derive(Clone, Debug, PartialEq)]
pub struct Package {
    /// SHA-256 of the whole file.
    pub digest: Digest,
    /// Bytes of the file.
    pub size: u64,
    /// What it says of itself; components made for other hosts say nothing.
    pub manifest: Option<Manifest>,
    /// What it imports, each as `namespace:package/interface@version`, sorted. Imported types are not listed:
    /// they give no power.
    pub imports: Vec<String>,
    /// What it exports, sorted.
    pub exports: Vec<String>,
}

/// Why a file is not installed. [`PackageError::hint`] says what would help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackageError {
    /// The file is too large.
    #[error("the file has {size} bytes; at most {limit} are read")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// It is no WebAssembly.
    #[error("the file is not WebAssembly")]
    NotWasm,
    /// It is WebAssembly as text.
    #[error("the file is WebAssembly text, not binary")]
    Text,
    /// It is a core module.
    #[error("the file is a core module, not a component")]
    CoreModule,
    /// It is native code made by a compiler.
    #[error("the file is precompiled native code, which is never loaded: it could do anything")]
    Precompiled,
    /// It uses the asynchronous component model.
    #[error(
        "the component uses asynchronous WASI 0.3 or component-model async ({what}), which this gateway does not run"
    )]
    Async {
        /// What it uses.
        what: String,
    },
    /// It uses a WebAssembly feature that is switched off.
    #[error("the component uses a feature this gateway does not run: {what}")]
    Feature {
        /// What it uses, in the validator's words.
        what: String,
    },
    /// It is not valid.
    #[error("the component is not valid at byte {offset}: {reason}")]
    Invalid {
        /// Where.
        offset: usize,
        /// Why.
        reason: String,
    },
    /// It has more functions than any honest component.
    #[error("the component has more than {limit} functions")]
    TooManyFunctions {
        /// The limit.
        limit: u32,
    },
    /// One of its functions is larger than any honest one.
    #[error("a function of the component has {size} bytes; at most {limit} are compiled")]
    FunctionTooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// It says two things of itself.
    #[error("the component has more than one `{MANIFEST_SECTION}` section")]
    TwoManifests,
    /// What it says of itself cannot be read.
    #[error("the component's {0}")]
    Manifest(#[from] ManifestError),
    /// It does not export what its world demands.
    #[error("the component does not export `{missing}`, as world `{world}` demands; it exports {found}")]
    WrongWorld {
        /// The world it is for.
        world: World,
        /// The export that is missing.
        missing: &'static str,
        /// What it exports.
        found: String,
    },
    /// It exports nothing that this gateway calls.
    #[error("the component exports nothing this gateway calls; it exports {found}")]
    NoWorld {
        /// What it exports.
        found: String,
    },
}

impl PackageError {
    /// What would help, if one thing would.
    pub const fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::TooLarge { .. } => "strip debug information, or raise the limit",
            Self::NotWasm => "give the `.wasm` file that `openclaw skills build DIR` wrote",
            Self::Text => "turn it into binary with `wasm-tools parse`",
            Self::CoreModule => "make it a component: `openclaw skills build DIR`, or `wasm-tools component new`",
            Self::Precompiled => "install the `.wasm` component it was compiled from",
            Self::Async { .. } => "build it for WASI 0.2: with componentize-qjs, pass `--sync`",
            Self::Feature { .. } => "build without memory64, threads, relaxed SIMD, GC and exceptions",
            Self::Invalid { .. } => "build it again with a current toolchain; the file may be damaged",
            Self::TooManyFunctions { .. } | Self::FunctionTooLarge { .. } => "build it optimised, or split it",
            Self::TwoManifests => "build it again from a component without a `skill.toml` inside",
            Self::Manifest(_) => "correct skill.toml and build it again",
            Self::WrongWorld { .. } => "correct `world` in skill.toml, or export what it demands",
            Self::NoWorld { .. } => {
                "a skill exports its tools with `skill!(…)`, a transform with `#[ingress_transform]` or `#[egress_transform]`"
            }
        })
    }
}

/// The WebAssembly features of the host. The engine's configuration switches on the same ones and no others.
///
/// Off: what needs a garbage collector, a 64-bit memory, more than one thread, or gives results that depend on
/// the machine; and the asynchronous component model, which the host does not serve yet.
pub const fn wasm_features() -> WasmFeatures {
    WasmFeatures::WASM2
        .union(WasmFeatures::TAIL_CALL)
        .union(WasmFeatures::EXTENDED_CONST)
        .union(WasmFeatures::MULTI_MEMORY)
        .union(WasmFeatures::COMPONENT_MODEL)
        .difference(WasmFeatures::GC_TYPES)
}

/// The asynchronous component model, in all its parts.
const ASYNC_FEATURES: WasmFeatures = WasmFeatures::CM_ASYNC
    .union(WasmFeatures::CM_ASYNC_STACKFUL)
    .union(WasmFeatures::CM_MORE_ASYNC_BUILTINS)
    .union(WasmFeatures::CM_THREADING)
    .union(WasmFeatures::CM_ERROR_CONTEXT);

/// Looks at a component file within the default [`Limits`].
///
/// Takes time in proportion to the file, some 10 ms a MiB: not on a thread that serves connections.
///
/// # Errors
/// [`PackageError`]: what is wrong with the file.
pub fn inspect(bytes: &[u8]) -> Result<Package, PackageError> {
    inspect_within(bytes, &Limits::default())
}

/// As [`inspect`], within other limits.
///
/// # Errors
/// As [`inspect`].
pub fn inspect_within(bytes: &[u8], limits: &Limits) -> Result<Package, PackageError> {
    if bytes.len() > limits.file_bytes {
        return Err(PackageError::TooLarge { size: bytes.len(), limit: limits.file_bytes });
    }
    check_kind(bytes)?;
    let mut survey = Survey::default();
    survey.read(bytes, limits)?;
    let Survey { manifest, mut imports, mut exports, .. } = survey;
    imports.sort_unstable();
    exports.sort_unstable();
    let digest = Digest::from_bytes(Sha256::digest(bytes).into());
    Ok(Package { digest, size: bytes.len() as u64, manifest, imports, exports })
}

/// Refuses everything that is no component before anything is parsed.
fn check_kind(bytes: &[u8]) -> Result<(), PackageError> {
    if Parser::is_component(bytes) {
        return Ok(());
    }
    // A `.cwasm` is an ELF file.
    if bytes.starts_with(b"\x7fELF") {
        return Err(PackageError::Precompiled);
    }
    if Parser::is_core_wasm(bytes) {
        return Err(PackageError::CoreModule);
    }
    let text = bytes.trim_ascii_start();
    if [b"(module".as_slice(), b"(component", b";;", b"(;"].iter().any(|start| text.starts_with(start)) {
        return Err(PackageError::Text);
    }
    Err(PackageError::NotWasm)
}

/// What one pass over the file finds.
#[derive(Default)]
struct Survey {
    /// How many components and modules are open around the current payload.
    depth: usize,
    functions: u32,
    manifest: Option<Manifest>,
    imports: Vec<String>,
    exports: Vec<String>,
}

impl Survey {
    fn read(&mut self, bytes: &[u8], limits: &Limits) -> Result<(), PackageError> {
        let mut validator = Validator::new_with_features(wasm_features());
        let mut parser = Parser::new(0);
        parser.set_features(wasm_features());
        let mut functions = Vec::new();
        for payload in parser.parse_all(bytes) {
            let payload = payload.map_err(|error| invalid(&error))?;
            self.look(&payload, limits)?;
            if let ValidPayload::Func(function, body) = validator.payload(&payload).map_err(|error| invalid(&error))? {
                functions.push((function, body));
            }
        }
        // Bodies come last: they cost most, and everything that is refused by its shape is gone by now.
        let mut allocations = FuncValidatorAllocations::default();
        for (function, body) in functions {
            let mut validator = function.into_validator(allocations);
            validator.validate(&body).map_err(|error| invalid(&error))?;
            allocations = validator.into_allocations();
        }
        Ok(())
    }

    fn look(&mut self, payload: &Payload<'_>, limits: &Limits) -> Result<(), PackageError> {
        match payload {
            Payload::Version { .. } => self.depth += 1,
            Payload::End(_) => self.depth = self.depth.saturating_sub(1),
            Payload::FunctionSection(section) => {
                self.functions = self.functions.saturating_add(section.count());
                if self.functions > limits.functions {
                    return Err(PackageError::TooManyFunctions { limit: limits.functions });
                }
            }
            Payload::CodeSectionEntry(body) if body.range().len() > limits.function_bytes => {
                let (size, limit) = (body.range().len(), limits.function_bytes);
                return Err(PackageError::FunctionTooLarge { size, limit });
            }
            // What is nested speaks for its own component, not for this file.
            Payload::CustomSection(section) if self.depth == 1 && section.name() == MANIFEST_SECTION => {
                if self.manifest.is_some() {
                    return Err(PackageError::TwoManifests);
                }
                let text = std::str::from_utf8(section.data())
                    .map_err(|error| ManifestError::Malformed(format!("it is not UTF-8: {error}")))?;
                self.manifest = Some(Manifest::parse(text)?);
            }
            Payload::ComponentImportSection(section) if self.depth == 1 => {
                for import in section.clone() {
                    let import = import.map_err(|error| invalid(&error))?;
                    self.import(import.name.name, import.ty.kind())?;
                }
            }
            Payload::ComponentExportSection(section) if self.depth == 1 => {
                for export in section.clone() {
                    let export = export.map_err(|error| invalid(&error))?;
                    if export.kind != ComponentExternalKind::Type {
                        self.exports.push(export.name.name.to_owned());
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn import(&mut self, name: &str, kind: ComponentExternalKind) -> Result<(), PackageError> {
        let version = name.rsplit_once('@').map_or("", |(_, version)| version);
        if name.starts_with("wasi:") && version.starts_with("0.3.") {
            return Err(PackageError::Async { what: format!("it imports `{name}`") });
        }
        if kind != ComponentExternalKind::Type {
            self.imports.push(name.to_owned());
        }
        Ok(())
    }
}

fn invalid(error: &wasmparser::Error) -> PackageError {
    match error.missing_wasm_feature() {
        Some(missing) if missing.intersects(ASYNC_FEATURES) => PackageError::Async { what: error.message().to_owned() },
        Some(_) => PackageError::Feature { what: error.message().to_owned() },
        None => PackageError::Invalid { offset: error.offset(), reason: error.message().to_owned() },
    }
}

impl Package {
    /// The world it is for: what its `skill.toml` says, else what it exports.
    ///
    /// # Errors
    /// [`PackageError::WrongWorld`] if it does not export what that world demands, [`PackageError::NoWorld`] if it
    /// says nothing and exports nothing of ours.
    pub fn world(&self) -> Result<World, PackageError> {
        let missing = |world| {
            required_exports(world).iter().find(|&&required| self.exports.iter().all(|name| name != required)).copied()
        };
        let found = || match self.exports.as_slice() {
            [] => "nothing".to_owned(),
            some => some.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
        };
        match self.manifest.as_ref().map(|manifest| manifest.world) {
            Some(world) => match missing(world) {
                None => Ok(world),
                Some(missing) => Err(PackageError::WrongWorld { world, missing, found: found() }),
            },
            None => World::ALL
                .into_iter()
                .find(|&world| missing(world).is_none())
                .ok_or_else(|| PackageError::NoWorld { found: found() }),
        }
    }
}

/// The interfaces a component of this world exports.
const fn required_exports(world: World) -> &'static [&'static str] {
    const INGRESS: &str = "openclaw:gateway/ingress@0.1.0";
    const EGRESS: &str = "openclaw:gateway/egress@0.1.0";
    match world {
        World::Skill => &["openclaw:gateway/tools@0.1.0"],
        World::IngressTransform => &[INGRESS],
        World::EgressTransform => &[EGRESS],
        World::Transform => &[INGRESS, EGRESS],
    }
}
