//! `config`: the standard `wasi:config`, over this skill's own settings.
//!
//! Invariant: a guest reads the settings of its own skill and tenant, and of those only what the grant names.

use std::collections::{BTreeMap, BTreeSet};

use openclaw_domain::{Capability, Powers};
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::config::wasi::config::store as wit;
use crate::reach::{Denied, Reach};
use crate::state::HostState;

/// Bytes of a key that can be granted.
const KEY_BYTES: usize = 128;

/// Links `wasi:config/store`; `false` if the interface is another.
pub(crate) fn link(linker: &mut Linker<HostState>, interface: &str) -> wasmtime::Result<bool> {
    if interface != "wasi:config/store" {
        return Ok(false);
    }
    wit::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    Ok(true)
}

/// The skill's defaults, and over them what the operator set. Strings are themselves, anything else is JSON text.
fn settings(reach: &Reach) -> BTreeMap<String, String> {
    let defaults: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&reach.serving.settings).unwrap_or_default();
    let mut settings: BTreeMap<String, String> = defaults
        .into_iter()
        .map(|(key, value)| match value {
            serde_json::Value::String(text) => (key, text),
            other => (key, other.to_string()),
        })
        .collect();
    settings.extend(reach.ports.policy.settings(&reach.serving.tenant, &reach.serving.name));
    settings
}

fn require(reach: &Reach, key: &str) -> Result<(), Denied> {
    let allowed = reach.require(
        Capability::Config,
        |powers| powers.config.contains("*") || powers.config.contains(key),
        || key.to_owned(),
        || {
            // `*` would grant every key.
            let sound =
                key != "*" && (1..=KEY_BYTES).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
            let config = sound.then(|| key.to_owned());
            Powers { config: config.into_iter().collect::<BTreeSet<_>>(), ..Powers::default() }
        },
    );
    allowed.map(drop)
}

impl wit::Host for HostState {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, wit::Error>> {
        self.spend()?;
        let reach = self.reach()?;
        if let Err(Denied(text)) = require(reach, &key) {
            return Ok(Err(wit::Error::Upstream(text)));
        }
        Ok(Ok(settings(reach).remove(&key)))
    }

    fn get_all(&mut self) -> wasmtime::Result<Result<Vec<(String, String)>, wit::Error>> {
        self.spend()?;
        let reach = self.reach()?;
        let granted = reach.granted().config;
        let learning = reach.learning().is_some();
        let mut all = Vec::new();
        for (key, value) in settings(reach) {
            // A list holds what is granted and says nothing of the rest.
            if granted.contains("*") || granted.contains(&key) || (learning && require(reach, &key).is_ok()) {
                all.push((key, value));
            }
        }
        Ok(Ok(all))
    }
}
