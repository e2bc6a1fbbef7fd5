//! The guard has no switch in what is shipped.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use openclaw_egress::{Egress, EgressSettings, EgressSettingsError};

use crate::network::Known;

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn nothing_that_is_shipped_makes_an_egress_with_another_policy_or_dialer() {
    let runtime = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = Vec::new();
    for member in std::fs::read_dir(runtime).unwrap() {
        let source = member.unwrap().path().join("src");
        if source.is_dir() {
            sources(&source, &mut found);
        }
    }
    assert!(found.len() > 50, "{}", found.len());
    for path in found {
        let text = std::fs::read_to_string(&path).unwrap();
        let is_its_own_file = path.ends_with("egress/src/egress.rs");
        assert!(is_its_own_file || !text.contains("with_network"), "{}", path.display());
        let is_the_one = path.ends_with("egress/src/address.rs");
        assert!(is_the_one || !text.contains("AddressPolicy for"), "{}", path.display());
        let is_the_dialer = path.ends_with("egress/src/network.rs");
        assert!(is_the_dialer || !text.contains("Dialer for"), "{}", path.display());
    }
}

#[test]
fn the_way_out_can_be_set_up_before_anything_runs() {
    let settings = EgressSettings { nameservers: vec!["127.0.0.1:53".parse().unwrap()], ..EgressSettings::default() };
    let egress = Egress::new(&settings, Arc::new(Known)).unwrap();
    assert_eq!(egress.idle_connections(), 0);
    let settings = EgressSettings { max_connections: 0, ..settings };
    assert_eq!(Egress::new(&settings, Arc::new(Known)).unwrap_err(), EgressSettingsError::Zero("max_connections"));
}
