//! The generated bindings of world `skill-core` for the raw floor: the same contract, none of the gateway's code.

wasmtime::component::bindgen!({
    path: "../wit",
    world: "skill-core",
    imports: { default: trappable },
    exports: { default: async },
});
