//! The standard interfaces as they are.

wit_bindgen::generate!({
    inline: "
        package test:powers;
        world standard {
            import wasi:http/types@0.2.12;
            import wasi:http/outgoing-handler@0.2.12;
            import wasi:keyvalue/store@0.2.0-draft2;
            import wasi:keyvalue/atomics@0.2.0-draft2;
            import wasi:keyvalue/batch@0.2.0-draft2;
            import wasi:keyvalue/store@0.2.0-draft;
            import wasi:keyvalue/atomics@0.2.0-draft;
            import wasi:keyvalue/batch@0.2.0-draft;
        }
    ",
    path: "../../../wit",
    world: "test:powers/standard",
    generate_all,
});
