//! The rows of the table, in its order; each function measures a few that share their set-up.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::report::{Row, say};

mod deliveries;
mod footprint;
mod guest_calls;
mod neighbours;
mod powers;
mod verifiers;
mod webhook;
mod websocket;

/// What a run measures with.
pub(crate) struct Setup {
    /// The gateway's release binary.
    pub(crate) binary: PathBuf,
    /// The component that is called.
    pub(crate) component: PathBuf,
    /// Divides every count: 1 for real numbers, more to try the bench itself.
    pub(crate) fraction: usize,
}

impl Setup {
    /// A count, as small as this run wants it.
    pub(crate) fn count(&self, full: usize) -> usize {
        (full / self.fraction).max(32)
    }

    fn component_bytes(&self) -> Result<Vec<u8>> {
        Ok(std::fs::read(&self.component)?)
    }
}

/// A few rows that share their set-up.
pub(crate) type Part = (&'static str, fn(&Setup) -> Result<Vec<Row>>);

/// Every part, in the table's order.
pub(crate) const ALL: [Part; 8] = [
    ("guest calls", guest_calls::rows),
    ("powers", powers::rows),
    ("WebSocket", websocket::rows),
    ("webhooks", webhook::rows),
    ("verifiers", verifiers::rows),
    ("deliveries", deliveries::rows),
    ("neighbours", neighbours::rows),
    ("footprint", footprint::rows),
];

/// The parts with a row that peers stand beside.
pub(crate) const BESIDE_PEERS: [Part; 5] = [
    ("guest calls", guest_calls::rows),
    ("WebSocket", websocket::rows),
    ("webhooks", webhook::rows),
    ("a neighbour", neighbours::spinning),
    ("footprint", footprint::rows),
];

/// Measures parts, printing each row as it is known. A part that fails does not stop the others; it is the error.
///
/// `only` leaves out every part whose name is another.
pub(crate) fn measure(parts: &[Part], only: Option<&str>, setup: &Setup) -> (Vec<Row>, Vec<anyhow::Error>) {
    let mut rows = Vec::new();
    let mut errors = Vec::new();
    for (name, part) in parts.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)) {
        say(&format!("\n{name}"));
        match part(setup) {
            Ok(measured) => {
                for row in &measured {
                    say(&row.line());
                }
                rows.extend(measured);
            }
            Err(error) => {
                say(&format!("FAILED {name}: {error:#}"));
                errors.push(error.context(*name));
            }
        }
    }
    (rows, errors)
}

/// Bytes of a file in mebibytes.
fn mebibytes(file: &Path) -> Result<f64> {
    Ok(std::fs::metadata(file)?.len() as f64 / f64::from(1 << 20))
}
