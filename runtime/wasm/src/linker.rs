//! Import-derived linking: a component is linked with exactly the interfaces it imports, each of which must be allowed.
//!
//! Invariant: what is not allowed is not in the linker, so that even a bug in the check cannot hand it out.

use std::collections::BTreeSet;

use openclaw_domain::World;
use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::skill::openclaw::gateway::log;
use crate::host::wasi;
use crate::state::HostState;

/// The version of our own package that is served. From the first release on the one before it is, too.
pub(crate) const PACKAGE: &str = "openclaw:gateway";
/// See [`PACKAGE`].
pub(crate) const VERSION: &str = "0.1.0";

/// WASI interfaces every skill may import: toolchains need them and they reach nothing.
const ALWAYS: [&str; 18] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];

/// An import split into its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Import<'a> {
    /// `namespace:package/interface`.
    interface: &'a str,
    /// The version behind `@`, if there is one.
    version: Option<&'a str>,
}

impl<'a> Import<'a> {
    fn parse(name: &'a str) -> Self {
        match name.split_once('@') {
            Some((interface, version)) => Self { interface, version: Some(version) },
            None => Self { interface: name, version: None },
        }
    }
}

/// Why an import is refused, as the end of a sentence that begins with its name; `None` if it is allowed.
pub(crate) fn refusal(world: World, name: &str) -> Option<String> {
    let import = Import::parse(name);
    if world != World::Skill {
        return Some("a transform imports nothing at all, so that the same input gives the same bytes for ever".into());
    }
    if let Some(interface) = import.interface.strip_prefix("openclaw:gateway/") {
        return match interface {
            "log" if import.version == Some(VERSION) => None,
            "log" => Some(format!("this gateway serves version {VERSION}; build against its `wit/`")),
            _ => Some(format!("this gateway has no such interface in {PACKAGE}@{VERSION}")),
        };
    }
    if ALWAYS.contains(&import.interface) {
        let served = import.version.and_then(|version| version.strip_prefix("0.2.")).is_some_and(is_patch);
        return if served {
            None
        } else {
            Some("only WASI 0.2 is served; for WASI 0.3 guests build with the 0.2 target or, with componentize-qjs, `--sync`".into())
        };
    }
    let package = import.interface.split('/').next().unwrap_or_default();
    Some(match package {
        "wasi:sockets" => "raw sockets are never linked; use the `http` capability".into(),
        "wasi:filesystem" => "no grant allows it: the `files` capability is not served by this version".into(),
        "wasi:http" => "no grant allows it: the `http` capability is not served by this version".into(),
        "wasi:keyvalue" => "no grant allows it: the `kv` capability is not served by this version".into(),
        "wasi:config" => "no grant allows it: the `config` capability is not served by this version".into(),
        _ => "no capability of this gateway goes by that name".into(),
    })
}

fn is_patch(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A linker with exactly these imports.
pub(crate) fn build(engine: &Engine, world: World, imports: &[String]) -> wasmtime::Result<Linker<HostState>> {
    let mut linker = Linker::new(engine);
    // A component made of parts imports one interface in as many versions as its parts were built against. wasmtime
    // serves all of them from one definition, and refuses a second.
    let mut linked = BTreeSet::new();
    for name in imports {
        if let Some(reason) = refusal(world, name) {
            wasmtime::bail!("`{name}` is not linked: {reason}");
        }
        let import = Import::parse(name);
        if !linked.insert(import.interface) {
            continue;
        }
        if import.interface == "openclaw:gateway/log" {
            log::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
        } else if !wasi::link(&mut linker, import.interface)? {
            wasmtime::bail!("`{name}` is allowed but has no host");
        }
    }
    Ok(linker)
}

/// Whether any of these imports needs the WASI side of a store.
pub(crate) fn needs_wasi(imports: &[String]) -> bool {
    imports.iter().any(|name| name.starts_with("wasi:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_interface_that_is_allowed_has_a_host() {
        let (engine, _) = crate::engine::build(crate::engine::Rung::OnDemand, 1).unwrap();
        let imports: Vec<String> = ALWAYS
            .iter()
            .map(|interface| format!("{interface}@0.2.6"))
            .chain([format!("{PACKAGE}/log@{VERSION}")])
            .collect();
        build(&engine, World::Skill, &imports).unwrap();
    }

    #[test]
    fn sockets_files_wasi_0_3_and_strangers_are_refused_with_a_reason() {
        let (engine, _) = crate::engine::build(crate::engine::Rung::OnDemand, 1).unwrap();
        for name in [
            "wasi:sockets/tcp@0.2.3",
            "wasi:filesystem/types@0.2.3",
            "wasi:http/outgoing-handler@0.2.3",
            "wasi:clocks/monotonic-clock@0.3.0",
            "wasi:clocks/monotonic-clock",
            "openclaw:gateway/log@0.2.0",
            "openclaw:gateway/shell@0.1.0",
            "acme:thing/x",
        ] {
            assert!(refusal(World::Skill, name).is_some(), "{name}");
            assert!(build(&engine, World::Skill, &[name.to_owned()]).is_err(), "{name}");
        }
    }

    #[test]
    fn a_transform_may_import_nothing_even_what_every_skill_may() {
        for world in [World::IngressTransform, World::EgressTransform, World::Transform] {
            for name in ALWAYS {
                assert!(refusal(world, &format!("{name}@0.2.6")).is_some());
            }
            assert!(refusal(world, "openclaw:gateway/log@0.1.0").is_some());
        }
    }
}
