//! From bytes to a component and back: the one place where compiled code enters this process.
#![expect(unsafe_code, reason = "loading compiled code is unsafe by nature; `cache` proves where it came from first")]

use openclaw_domain::Digest;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::cache::Authentic;

/// Compiles in this process. Only the jail calls it.
pub(crate) fn compile(engine: &Engine, component: &[u8]) -> wasmtime::Result<Vec<u8>> {
    engine.precompile_component(component)
}

/// Loads code this gateway compiled.
///
/// `Authentic` is made only by checking an HMAC under the machine key over these very bytes, the digest, the
/// engine's compatibility and the build, or by the compiling child itself. Nothing else is ever deserialised.
pub(crate) fn load(engine: &Engine, artifact: &Authentic, digest: Digest) -> wasmtime::Result<Component> {
    if artifact.digest() != digest {
        wasmtime::bail!("the artifact belongs to another component");
    }
    // SAFETY: the bytes are what `Engine::precompile_component` made for an engine of the same compatibility hash, and
    // cannot have changed since: they are in our own buffer, and it is this buffer the HMAC was computed over.
    unsafe { Component::deserialize(engine, artifact.bytes()) }
}
