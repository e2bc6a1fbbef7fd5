//! The contract as Rust: generated from `wit/`, one module a world.
//!
//! Public only because the export macros, which run in the author's crate, must name what is in here.
//! Each world describes itself in the component only where its export macro is used, so a transform
//! does not become a skill by depending on this crate.

/// World `skill-core`.
pub mod skill {
    wit_bindgen::generate!({
        path: "../wit",
        world: "openclaw:gateway/skill-core",
        pub_export_macro: true,
        default_bindings_module: "openclaw_guest::bindings::skill",
        additional_derives: [PartialEq],
    });
}

/// World `ingress-transform`.
pub mod ingress {
    wit_bindgen::generate!({
        path: "../wit",
        world: "openclaw:gateway/ingress-transform",
        pub_export_macro: true,
        default_bindings_module: "openclaw_guest::bindings::ingress",
        additional_derives: [PartialEq],
    });
}

/// World `egress-transform`.
pub mod egress {
    wit_bindgen::generate!({
        path: "../wit",
        world: "openclaw:gateway/egress-transform",
        pub_export_macro: true,
        default_bindings_module: "openclaw_guest::bindings::egress",
        additional_derives: [PartialEq],
    });
}

/// The capabilities with a standard interface, as the SDK uses them. What a skill does not call it does not import.
#[cfg(target_arch = "wasm32")]
pub mod standard {
    wit_bindgen::generate!({
        inline: "
            package openclaw:sdk;
            world standard {
                import wasi:http/types@0.2.12;
                import wasi:http/outgoing-handler@0.2.12;
                import wasi:keyvalue/store@0.2.0-draft2;
                import wasi:keyvalue/atomics@0.2.0-draft2;
                import wasi:config/store@0.2.0-rc.1;
            }
        ",
        path: "../wit",
        world: "openclaw:sdk/standard",
        generate_all,
    });
}
