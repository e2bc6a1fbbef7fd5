//! Builds the guests in `guests/` and writes one constant a guest, the path of its component, for the tests.
//!
//! The constants are compiled into the integration binary alone, so a guest that no test names is an unused constant,
//! and unused code does not pass `make check`.
//! Guests are built by a nested cargo into a target folder of their own: in the outer one it would wait for the lock
//! that this very build holds.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use openclaw_package::{BuildOptions, Built, Target, build_many};

/// Guests that want `std`'s own input and output; all others are built without.
const FOR_WASI: [&str; 5] = ["file-reader", "powers", "sleeper", "wasi", "wasip2-skill"];

/// Skills we ship that tests run as the files a user installs.
const SHIPPED: [&str; 1] = ["github"];

fn main() -> Result<(), Box<dyn Error>> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let workspace = here.join("..").canonicalize()?;
    for watched in ["wit", "guest-sdk", "tests/guests", "skills", "Cargo.lock"] {
        println!("cargo:rerun-if-changed={}", workspace.join(watched).display());
    }
    let shipped = SHIPPED.map(|name| workspace.join("skills").join(name));
    let (for_wasi, without): (Vec<PathBuf>, Vec<PathBuf>) =
        folders(&here.join("guests"))?.into_iter().chain(shipped).partition(|folder| is_for_wasi(folder));
    let mut built = build_many(&without, &BuildOptions::default())?;
    built.extend(build_many(&for_wasi, &BuildOptions { target: Target::Wasip2, ..BuildOptions::default() })?);
    let bundled = build_many(&folders(&workspace.join("skills"))?, &BuildOptions::default())?;
    let text = constants(&built)? + &transforms(&bundled)?;
    fs::write(Path::new(&env::var("OUT_DIR")?).join("guests.rs"), text)?;
    Ok(())
}

/// The bundled transforms: what imports nothing must give the same bytes for ever.
fn transforms(bundled: &[Built]) -> Result<String, Box<dyn Error>> {
    let mut text = String::from("/// The bundled transforms.\npub(crate) const TRANSFORMS: &[&str] = &[\n");
    for component in bundled {
        let world = component.package.world()?;
        if world.transforms_ingress() || world.transforms_egress() {
            writeln!(text, "    {:?},", component.path.display().to_string())?;
        }
    }
    text.push_str("];\n");
    Ok(text)
}

fn folders(guests: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(guests)? {
        let folder = entry?.path();
        if folder.join("skill.toml").is_file() {
            folders.push(folder);
        }
    }
    folders.sort();
    Ok(folders)
}

fn is_for_wasi(folder: &Path) -> bool {
    folder.file_name().and_then(|name| name.to_str()).is_some_and(|name| FOR_WASI.contains(&name))
}

fn constants(built: &[Built]) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for guest in built {
        let constant = guest.name.as_str().to_uppercase().replace('-', "_");
        writeln!(text, "/// Guest `{}`.", guest.name)?;
        writeln!(text, "pub(crate) const {constant}: &str = {:?};", guest.path.display().to_string())?;
    }
    Ok(text)
}
