//! What today's software does, for the last column: numbers `make bench-peers` measured and wrote to a file.
//!
//! Invariant: no number of a peer stands in this program; the file says where and how each was measured.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;

/// The file of measured peers.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Peers {
    /// Where and how they were measured, as a phrase after "measured".
    pub(crate) measured: String,
    /// What was measured.
    pub(crate) rows: Vec<Peer>,
}

/// One number of one peer.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Peer {
    /// The row it stands beside.
    key: String,
    /// What was measured.
    what: String,
    /// How much.
    value: f64,
    /// Of what.
    unit: String,
}

impl Peers {
    /// Reads the file; one that does not exist is an empty one.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        match std::fs::read(file) {
            Ok(text) => {
                serde_json::from_slice(&text).with_context(|| format!("`{}` is no list of peers", file.display()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("`{}` cannot be read", file.display())),
        }
    }

    /// What stands beside a row: every peer that was measured for it.
    pub(crate) fn beside(&self, key: &str) -> String {
        let cells: Vec<String> =
            self.rows.iter().filter(|peer| !key.is_empty() && peer.key == key).map(Peer::cell).collect();
        if cells.is_empty() { "–".to_owned() } else { cells.join(", ") }
    }
}

impl Peer {
    fn cell(&self) -> String {
        let Self { what, value, unit, .. } = self;
        let number = if *value >= 100.0 { crate::report::thousands(*value) } else { format!("{value:.1}") };
        let space = if unit.starts_with('/') { "" } else { " " };
        format!("{what} {number}{space}{unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_stand_beside_their_row_and_nothing_beside_the_others() {
        let peers: Peers = serde_json::from_str(
            r#"{"measured": "on a machine", "rows": [
                {"key": "fresh-call", "what": "extism", "value": 695.2, "unit": "µs"},
                {"key": "fresh-call", "what": "bubblewrap", "value": 4134, "unit": "µs"},
                {"key": "webhook", "what": "OpenClaw", "value": 12.34, "unit": "/s"}]}"#,
        )
        .unwrap();
        assert_eq!(peers.beside("fresh-call"), "extism 695 µs, bubblewrap 4,134 µs");
        assert_eq!(peers.beside("webhook"), "OpenClaw 12.3/s");
        assert_eq!(peers.beside(""), "–");
        assert_eq!(Peers::read(Path::new("no/such/file")).unwrap().beside("webhook"), "–");
    }

    #[test]
    fn the_file_that_is_kept_can_be_read() {
        let kept = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/benchmarks-peers.json"));
        assert!(!Peers::read(kept).unwrap().measured.is_empty());
    }
}
