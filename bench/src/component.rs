//! The component that is called, and copies of it that count as other components.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use openclaw_package::{BuildOptions, Target};

/// The folder of the component that is called.
pub(crate) const GUEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/guest");

/// Builds a guest and puts its component into a folder.
pub(crate) fn build(guest: &str, target: Target, folder: &Path) -> Result<PathBuf> {
    let options = BuildOptions { target, ..BuildOptions::default() };
    let built =
        openclaw_package::build(Path::new(guest), &options).with_context(|| format!("`{guest}` cannot be built"))?;
    let path = folder.join(format!("{}.wasm", built.name));
    std::fs::copy(&built.path, &path)?;
    Ok(path)
}

/// The same component with other bytes, so with another digest: a custom section nobody reads is put behind it.
pub(crate) fn variant(component: &[u8], number: u32) -> Vec<u8> {
    const CUSTOM: u8 = 0;
    let name = b"bench-variant";
    let mut bytes = component.to_vec();
    bytes.push(CUSTOM);
    // Both sizes are below 128, where LEB128 is the number itself.
    bytes.push(u8::try_from(1 + name.len() + 4).unwrap_or(u8::MAX));
    bytes.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    bytes.extend_from_slice(name);
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_are_longer_by_one_small_section() {
        let component = b"\0asm\x0d\0\x01\0";
        assert_ne!(variant(component, 1), variant(component, 2));
        assert_eq!(variant(component, 1).len(), component.len() + 20);
        assert_eq!(variant(component, 1)[component.len() + 1], 18);
    }
}
