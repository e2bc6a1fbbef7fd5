//! One tool that reads a file through `std`: it imports `wasi:filesystem`, which nobody can grant yet.

use openclaw_guest::tool;

/// Reads the name of the machine.
#[tool]
fn machine_name() -> Result<String, String> {
    std::fs::read_to_string("/etc/hostname").map_err(|error| error.to_string())
}

openclaw_guest::skill!(machine_name);
