//! The generated bindings of the worlds, and nothing else, so that nothing else is expanded again when it changes.

/// World `skill-core`: the exports of every skill and the interfaces that are our own.
pub(crate) mod skill {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "skill-core",
        imports: { default: trappable },
        exports: { default: async },
    });
}

/// World `ingress-transform`: it imports nothing.
pub(crate) mod ingress {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "ingress-transform",
        exports: { default: async },
    });
}

/// World `egress-transform`: it imports nothing.
pub(crate) mod egress {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "egress-transform",
        exports: { default: async },
    });
}
