//! Builds the components in `skills/` and puts them into the binary.
//!
//! Guests are built by a nested cargo into a target folder of their own: in the outer one it would wait for the lock
//! that this very build holds. A skill that asks for a capability is not bundled: what comes with the gateway works
//! without a grant. Invariant: the names, digests and bytes in the binary are of one and the same build.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use openclaw_package::{BuildOptions, build_many};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let workspace = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../..").canonicalize()?;
    for watched in ["wit", "guest-sdk", "skills", "Cargo.lock"] {
        println!("cargo:rerun-if-changed={}", workspace.join(watched).display());
    }
    let mut folders: Vec<PathBuf> = fs::read_dir(workspace.join("skills"))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .filter(|folder| folder.join("skill.toml").is_file())
        .collect();
    folders.sort();
    let mut table =
        String::from("/// Every bundled component, in order of names.\npub(crate) static ALL: &[Bundled] = &[\n");
    for built in build_many(&folders, &BuildOptions::default())? {
        if built.package.manifest.as_ref().is_some_and(|manifest| !manifest.capabilities.is_empty()) {
            continue;
        }
        let kept = keep(&built.path)?;
        let (name, digest) = (built.name.as_str(), built.package.digest);
        let world = built.package.world()?.as_str();
        writeln!(
            table,
            "    Bundled {{ name: {name:?}, digest: \"{digest}\", world: {world:?}, component: include_bytes!({:?}) }},",
            kept.display().to_string()
        )?;
    }
    table.push_str("];\n");
    fs::write(Path::new(&env::var("OUT_DIR")?).join("bundled.rs"), table)?;
    Ok(())
}

/// A copy beside the table, so that a later build of the guests cannot change what this table names.
fn keep(component: &Path) -> Result<PathBuf, Box<dyn std::error::Error>> {
    let name = component.file_name().ok_or("a component without a name")?;
    let kept = Path::new(&env::var("OUT_DIR")?).join(name);
    fs::copy(component, &kept)?;
    Ok(kept)
}
