//! Import-derived linking: a component is linked with exactly the interfaces it imports, each of which must be known
//! and, if it belongs to a capability, granted. One that is not granted is there as a trap that says so.
//!
//! Invariant: the host of what is not granted is not in the linker, so that even a bug in a check cannot hand it out.

use std::collections::BTreeSet;

use openclaw_domain::{Capability, GrantShape, World};
use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, HasSelf, Linker, ResourceType};

use crate::bindings::skill::openclaw::gateway::{events, log, progress, secrets};
use crate::host::{config, http, kv, wasi};
use crate::state::HostState;
use crate::stop::Stopped;

/// The version of our own package that is served. From the first release on the one before it is, too.
pub(crate) const PACKAGE: &str = "openclaw:gateway";
/// See [`PACKAGE`].
pub(crate) const VERSION: &str = "0.1.0";

/// WASI interfaces every skill may import: toolchains need them and they reach nothing.
const ALWAYS: [&str; 20] = [
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
    // Without a folder in it: there is nothing a guest could open.
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
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
            "log" | "progress" | "secrets" | "events" if import.version == Some(VERSION) => None,
            "log" | "progress" | "secrets" | "events" => {
                Some(format!("this gateway serves version {VERSION}; build against its `wit/`"))
            }
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
    if let "wasi:http/types" | "wasi:http/outgoing-handler" = import.interface {
        let served = import.version.and_then(|version| version.strip_prefix("0.2.")).is_some_and(is_patch);
        return (!served).then(|| "only `wasi:http` 0.2 is served; build for WASI 0.2".into());
    }
    if capability(name).is_some() {
        return None;
    }
    let package = import.interface.split('/').next().unwrap_or_default();
    Some(match package {
        "wasi:sockets" => "raw sockets are never linked; use the `http` capability".into(),
        "wasi:http" => "of `wasi:http` a skill uses `types` and `outgoing-handler`".into(),
        "wasi:keyvalue" => {
            "of `wasi:keyvalue` `store`, `atomics` and `batch` are served, in `0.2.0-draft` and `0.2.0-draft2`".into()
        }
        "wasi:config" => "of `wasi:config` `store@0.2.0-rc.1` is served".into(),
        _ => "no capability of this gateway goes by that name".into(),
    })
}

fn is_patch(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The capability an import belongs to; `None` for what is always there and for what nobody may import.
pub(crate) fn capability(name: &str) -> Option<Capability> {
    let import = Import::parse(name);
    match (import.interface, import.version) {
        ("wasi:http/types" | "wasi:http/outgoing-handler", _) => Some(Capability::Http),
        (
            "wasi:keyvalue/store" | "wasi:keyvalue/atomics" | "wasi:keyvalue/batch",
            Some("0.2.0-draft" | "0.2.0-draft2"),
        ) => Some(Capability::Kv),
        ("wasi:config/store", Some("0.2.0-rc.1")) => Some(Capability::Config),
        ("openclaw:gateway/secrets", _) => Some(Capability::Secrets),
        ("openclaw:gateway/events", _) => Some(Capability::Events),
        _ => None,
    }
}

/// The capabilities a component needs a grant for.
pub(crate) fn needs(world: World, imports: &[String]) -> BTreeSet<Capability> {
    match world {
        World::Skill => imports.iter().filter_map(|name| capability(name)).collect(),
        World::IngressTransform | World::EgressTransform | World::Transform => BTreeSet::new(),
    }
}

/// The interface an import names, without its version.
pub(crate) fn interface(name: &str) -> &str {
    Import::parse(name).interface
}

/// A linker with exactly these imports, of which those of capabilities that are not in `shape` are traps.
pub(crate) fn build(
    engine: &Engine,
    world: World,
    imports: &[String],
    shape: &GrantShape,
    component: Option<&Component>,
) -> wasmtime::Result<Linker<HostState>> {
    let mut linker = Linker::new(engine);
    // A component made of parts imports one interface in as many versions as its parts were built against. wasmtime
    // serves all of them from one definition, and refuses a second.
    let mut linked = BTreeSet::new();
    for name in imports {
        if let Some(reason) = refusal(world, name) {
            wasmtime::bail!("`{name}` is not linked: {reason}");
        }
        let import = Import::parse(name);
        if import.interface.starts_with("wasi:keyvalue/") {
            // The drafts are not versions of each other: each has a definition of its own.
            if shape.0.contains(&Capability::Kv) && !kv::link(&mut linker, name)? {
                wasmtime::bail!("`{name}` is allowed but has no host");
            }
            continue;
        }
        if !linked.insert(import.interface) || capability(name).is_some_and(|needed| !shape.0.contains(&needed)) {
            continue;
        }
        match import.interface {
            "openclaw:gateway/log" => log::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?,
            "openclaw:gateway/progress" => progress::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?,
            "openclaw:gateway/secrets" => secrets::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?,
            "openclaw:gateway/events" => events::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?,
            interface => {
                let known = wasi::link(&mut linker, interface)?
                    || http::link(&mut linker, interface)?
                    || config::link(&mut linker, interface)?;
                if !known {
                    wasmtime::bail!("`{name}` is allowed but has no host");
                }
            }
        }
    }
    if let Some(component) = component {
        link_traps(&mut linker, engine, component, shape)?;
    }
    Ok(linker)
}

/// Defines each function of an interface that is not granted as one that ends the call and says which it was.
fn link_traps(
    linker: &mut Linker<HostState>,
    engine: &Engine,
    component: &Component,
    shape: &GrantShape,
) -> wasmtime::Result<()> {
    // A resource that an interface uses of another is in both; it is defined where it is first met.
    let mut met: Vec<ResourceType> = Vec::new();
    let component_type = component.component_type();
    for (name, import) in component_type.imports(engine) {
        let ComponentItem::ComponentInstance(instance) = import.ty else { continue };
        let ungranted = capability(name).filter(|needed| !shape.0.contains(needed));
        for (item, export) in instance.exports(engine) {
            match export.ty {
                ComponentItem::Resource(resource) => {
                    let is_new = !met.contains(&resource);
                    met.push(resource);
                    if is_new && ungranted.is_some() {
                        linker.instance(name)?.resource(item, ResourceType::host::<()>(), |_, _| Ok(()))?;
                    }
                }
                ComponentItem::ComponentFunc(_) => {
                    let Some(needed) = ungranted else { continue };
                    let function: std::sync::Arc<str> = format!("{name}#{item}").into();
                    linker.instance(name)?.func_new(item, move |mut store, _, _, _| {
                        store.data_mut().deny_import(needed, &function);
                        Err(Stopped::NotGranted.into())
                    })?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Whether any of these imports needs the WASI side of a store.
pub(crate) fn needs_wasi(imports: &[String]) -> bool {
    imports.iter().any(|name| ALWAYS.contains(&interface(name)))
}

/// Whether any of these imports needs to know which call it serves.
pub(crate) fn needs_reach(imports: &[String]) -> bool {
    imports.iter().any(|name| capability(name).is_some() || interface(name) == "openclaw:gateway/progress")
}

#[cfg(test)]
mod tests {
    use super::*;

    const STANDARD: [&str; 9] = [
        "wasi:http/types@0.2.12",
        "wasi:http/outgoing-handler@0.2.3",
        "wasi:keyvalue/store@0.2.0-draft",
        "wasi:keyvalue/atomics@0.2.0-draft",
        "wasi:keyvalue/batch@0.2.0-draft",
        "wasi:keyvalue/store@0.2.0-draft2",
        "wasi:keyvalue/atomics@0.2.0-draft2",
        "wasi:keyvalue/batch@0.2.0-draft2",
        "wasi:config/store@0.2.0-rc.1",
    ];

    #[test]
    fn every_interface_that_is_allowed_has_a_host() {
        let (engine, _) = crate::engine::build(crate::engine::Rung::OnDemand, 1).unwrap();
        let imports: Vec<String> = ALWAYS
            .iter()
            .map(|interface| format!("{interface}@0.2.6"))
            .chain(["log", "progress", "secrets", "events"].map(|own| format!("{PACKAGE}/{own}@{VERSION}")))
            .chain(STANDARD.map(str::to_owned))
            .collect();
        let all = GrantShape(Capability::ALL.into());
        build(&engine, World::Skill, &imports, &all, None).unwrap();
        assert_eq!(needs(World::Skill, &imports), all.0);
    }

    #[test]
    fn sockets_wasi_0_3_and_strangers_are_refused_with_a_reason() {
        let (engine, _) = crate::engine::build(crate::engine::Rung::OnDemand, 1).unwrap();
        for name in [
            "wasi:sockets/tcp@0.2.3",
            "wasi:filesystem/types@0.3.0",
            "wasi:http/outgoing-handler@0.3.0",
            "wasi:http/incoming-handler@0.2.3",
            "wasi:keyvalue/store@0.2.0",
            "wasi:keyvalue/watcher@0.2.0-draft",
            "wasi:config/store@0.2.0-draft",
            "wasi:clocks/monotonic-clock@0.3.0",
            "wasi:clocks/monotonic-clock",
            "openclaw:gateway/log@0.2.0",
            "openclaw:gateway/shell@0.1.0",
            "acme:thing/x",
        ] {
            assert!(refusal(World::Skill, name).is_some(), "{name}");
            let all = GrantShape(Capability::ALL.into());
            assert!(build(&engine, World::Skill, &[name.to_owned()], &all, None).is_err(), "{name}");
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
