//! Finding out what a call needs: it runs once, and what would have been denied is written down instead.
//!
//! Invariant: a run that learns gives away no secret that is not granted for where it would go, and reaches no private
//! address unless its operator said so.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;

use openclaw_domain::{Origin, Powers, Refusal, ToolCall, ToolReply};

use super::Registry;
use crate::reach::Learning;

/// How egress names a cloud's metadata address when it refuses one.
const METADATA: &str = "cloud metadata";

/// Which private addresses a run that learns may reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrivateReach {
    /// Addresses that stand in the request as such, and `localhost`; never a cloud's metadata. A name is not enough: its
    /// owner decides where it leads, anew at every look, so it has to be among the origins.
    pub literals: bool,
    /// These origins, wherever they are.
    pub origins: BTreeSet<Origin>,
}

impl From<bool> for PrivateReach {
    fn from(literals: bool) -> Self {
        Self { literals, ..Self::default() }
    }
}

impl PrivateReach {
    /// Whether an origin may be reached whose address was refused as one of this kind.
    pub(crate) fn opens(&self, origin: &Origin, kind: &str) -> bool {
        let is_literal =
            origin.host == "localhost" || origin.host.starts_with('[') || origin.host.parse::<Ipv4Addr>().is_ok();
        self.origins.contains(origin) || (self.literals && is_literal && kind != METADATA)
    }
}

/// What a run found out.
#[derive(Debug)]
pub struct Learned {
    /// What came of the call.
    pub result: Result<ToolReply, Refusal>,
    /// What it used that no grant gives: with these added it passes, without any one of them it does not.
    pub powers: Powers,
}

impl Registry {
    /// Runs a call with every power it asks for, and says which were missing.
    ///
    /// A header with a secret that is not granted for where it goes stays behind, and a signature with a key that is not
    /// granted is all zeros. A private address is reached only as `private` says; without that the call is told that it
    /// is not, and the second key is among what was learned.
    pub async fn learn(&self, call: ToolCall, private: impl Into<PrivateReach>) -> Learned {
        let learning = Arc::new(Learning::new(private.into()));
        let result = Box::pin(self.call(call, Some(Arc::clone(&learning)))).await;
        Learned { result, powers: learning.powers() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_origin_only_what_is_written_as_an_address_is_reached_and_no_metadata() {
        let plain = PrivateReach::from(true);
        let opens = |reach: &PrivateReach, origin: &str, kind| reach.opens(&origin.parse().unwrap(), kind);
        for origin in ["http://127.0.0.1:9000", "http://[::1]:9000", "http://localhost", "http://10.0.0.1"] {
            assert!(opens(&plain, origin, "loopback"), "{origin}");
            assert!(!opens(&PrivateReach::default(), origin, "loopback"), "{origin}");
        }
        for origin in ["http://169.254.169.254", "http://[fd00:ec2::254]", "http://168.63.129.16"] {
            assert!(!opens(&plain, origin, METADATA), "{origin}");
        }
        // Whoever owns a name may point it at this machine for one look and at the metadata for the next.
        assert!(!opens(&plain, "http://rebinds.example", "loopback"));
        let named =
            PrivateReach { origins: BTreeSet::from(["http://in.example:80".parse().unwrap()]), literals: false };
        assert!(opens(&named, "http://in.example", "private"));
        assert!(!opens(&named, "http://127.0.0.1", "loopback"));
    }
}
