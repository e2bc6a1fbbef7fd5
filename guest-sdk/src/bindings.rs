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
