//! The components that come with the gateway, in the binary itself.
//!
//! Invariant: an operator's own install of the same name is never touched, and a bundled component that was switched
//! off stays off when a new version replaces it.

use bytes::Bytes;
use openclaw_domain::TenantId;
use openclaw_domain::ports::Guests;
use openclaw_wasm::Registry;

use crate::{console, wiring};

/// One bundled component.
pub(crate) struct Bundled {
    /// What it is called.
    pub(crate) name: &'static str,
    /// Its digest, `sha256:` and 64 hex digits.
    pub(crate) digest: &'static str,
    /// The contract it was built for, by its name in WIT.
    pub(crate) world: &'static str,
    /// The component file.
    pub(crate) component: &'static [u8],
}

// Made by build.rs: `pub(crate) static ALL: &[Bundled]`.
include!(concat!(env!("OUT_DIR"), "/bundled.rs"));

/// Installs for a tenant what is absent or has another digest. What fails is logged and leaves the rest.
pub(crate) async fn install(registry: &Registry, tenant: &TenantId) {
    let installed = registry.installed(tenant);
    let present = |bundled: &Bundled| installed.iter().find(|skill| skill.name.as_str() == bundled.name);
    let is_settled = |bundled: &Bundled| {
        present(bundled).is_some_and(|skill| !skill.bundled || skill.digest.to_string() == bundled.digest)
    };
    let wanted: Vec<&Bundled> = ALL.iter().filter(|bundled| !is_settled(bundled)).collect();
    if !wanted.is_empty() {
        // Compiling takes a second or two, once a home and version; silence would look like hanging.
        console::talk(format!("preparing {} bundled components for tenant `{tenant}`, once", wanted.len()));
    }
    for bundled in wanted {
        let component = Bytes::from_static(bundled.component);
        match wiring::install(registry, tenant, component, None, true).await {
            Ok(fresh) => {
                tracing::debug!(%tenant, skill = bundled.name, digest = bundled.digest, "bundled component installed");
                if present(bundled).is_some_and(|skill| !skill.enabled)
                    && let Err(error) = registry.set_enabled(tenant, &fresh.skill().name, false).await
                {
                    tracing::warn!(%tenant, skill = bundled.name, %error, "the component could not be left off");
                }
            }
            Err(failed) => {
                tracing::error!(%tenant, skill = bundled.name, error = %failed, "a bundled component is not installed");
            }
        }
    }
}
