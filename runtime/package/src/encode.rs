//! Makes component files: a core module becomes a component, and `skill.toml` goes inside.
//!
//! Invariant: what is written here, [`inspect`] accepts, and it is for the world its `skill.toml` names.

use wasm_encoder::{CustomSection, Section as _};
use wasmparser::Parser;
use wit_component::ComponentEncoder;

use crate::inspect::{Package, PackageError, inspect};
use crate::manifest::{MANIFEST_SECTION, Manifest, ManifestError};
use crate::memory;

/// Why no component file could be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// `skill.toml` is wrong.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The module does not describe a component, or not the one it says.
    #[error("the module cannot be made a component: {0}")]
    Module(String),
    /// The component could not be installed as it is.
    #[error(transparent)]
    Refused(#[from] PackageError),
    /// It has a `skill.toml` already.
    #[error("the component has a `skill.toml` inside already: embed into the file its toolchain made")]
    AlreadyEmbedded,
}

/// Makes a core module (from `wasm32-unknown-unknown`, with wit-bindgen's `component-type` sections) a component
/// with this `skill.toml` inside. Its memory begins at one of the common sizes (256 KiB, 512 KiB, 1 MiB).
///
/// # Errors
/// [`EncodeError`]: what is wrong with the module or the manifest.
pub fn encode(module: &[u8], manifest: &str) -> Result<Vec<u8>, EncodeError> {
    // A wrong manifest is the cheaper thing to find.
    Manifest::parse(manifest)?;
    let raised = memory::raise_minimum(module).map_err(|error| EncodeError::Module(error.to_string()))?;
    let component = ComponentEncoder::default()
        .validate(true)
        .module(raised.as_deref().unwrap_or(module))
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| EncodeError::Module(format!("{error:#}")))?;
    embed(&component, manifest)
}

/// Puts this `skill.toml` into a component that has none, and checks the result as at install.
///
/// # Errors
/// [`EncodeError`]: what is wrong with the component or the manifest.
pub fn embed(component: &[u8], manifest: &str) -> Result<Vec<u8>, EncodeError> {
    embed_and_inspect(component, manifest).map(|(file, _)| file)
}

/// As [`encode`] or [`embed`], by what the bytes are, with what was found in the result.
pub(crate) fn finish(wasm: &[u8], manifest: &str) -> Result<(Vec<u8>, Package), EncodeError> {
    if Parser::is_core_wasm(wasm) {
        let file = encode(wasm, manifest)?;
        let package = inspect(&file)?;
        return Ok((file, package));
    }
    embed_and_inspect(wasm, manifest)
}

fn embed_and_inspect(component: &[u8], manifest: &str) -> Result<(Vec<u8>, Package), EncodeError> {
    Manifest::parse(manifest)?;
    if inspect(component)?.manifest.is_some() {
        return Err(EncodeError::AlreadyEmbedded);
    }
    let mut file = component.to_vec();
    CustomSection { name: MANIFEST_SECTION.into(), data: manifest.as_bytes().into() }.append_to(&mut file);
    let package = inspect(&file)?;
    package.world()?;
    Ok((file, package))
}
