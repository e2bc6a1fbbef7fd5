//! The generated bindings of the worlds, and nothing else, so that nothing else is expanded again when it changes.

/// World `skill-core`: the exports of every skill and the interfaces that are our own.
pub(crate) mod skill {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "skill-core",
        imports: {
            "openclaw:gateway/secrets.exists": async | trappable,
            "openclaw:gateway/secrets.hmac-sha256": async | trappable,
            default: trappable,
        },
        exports: { default: async },
    });
}

/// The older draft of `wasi:keyvalue`.
pub(crate) mod kv_draft {
    wasmtime::component::bindgen!({
        inline: "
            package openclaw:kv-draft;
            world host {
                import wasi:keyvalue/store@0.2.0-draft;
                import wasi:keyvalue/atomics@0.2.0-draft;
                import wasi:keyvalue/batch@0.2.0-draft;
            }
        ",
        path: "../../wit",
        world: "openclaw:kv-draft/host",
        imports: { default: async | trappable },
        with: { "wasi:keyvalue/store@0.2.0-draft.bucket": crate::host::kv::OpenBucket },
    });
}

/// The newer draft of `wasi:keyvalue`.
pub(crate) mod kv_draft2 {
    wasmtime::component::bindgen!({
        inline: "
            package openclaw:kv-draft2;
            world host {
                import wasi:keyvalue/store@0.2.0-draft2;
                import wasi:keyvalue/atomics@0.2.0-draft2;
                import wasi:keyvalue/batch@0.2.0-draft2;
            }
        ",
        path: "../../wit",
        world: "openclaw:kv-draft2/host",
        imports: { default: async | trappable },
        with: {
            "wasi:keyvalue/store@0.2.0-draft2.bucket": crate::host::kv::OpenBucket,
            "wasi:keyvalue/atomics@0.2.0-draft2.cas": crate::host::kv::Cas,
        },
    });
}

/// `wasi:config`.
pub(crate) mod config {
    wasmtime::component::bindgen!({
        inline: "
            package openclaw:config;
            world host {
                import wasi:config/store@0.2.0-rc.1;
            }
        ",
        path: "../../wit",
        world: "openclaw:config/host",
        imports: { default: trappable },
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
