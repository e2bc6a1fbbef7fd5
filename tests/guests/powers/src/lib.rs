//! Tools that use every capability, one host call a tool: what a grant allows they do, what it denies they tell.
//!
//! Invariant: built for `wasm32-wasip2` on stock `wasi:http` and both drafts of `wasi:keyvalue`, so what is tested is
//! what any toolchain makes. On any other target there is nothing: it has no use without a gateway.

#![cfg(target_arch = "wasm32")]

mod bindings;
mod floods;
mod keys;
mod leaks;
mod own;
mod requests;

openclaw_guest::skill!(
    floods::events,
    floods::fill,
    floods::headers,
    floods::opens,
    floods::progress,
    floods::spin,
    keys::cas,
    keys::count,
    keys::count_old,
    keys::get,
    keys::get_old,
    keys::hoard,
    keys::keys,
    keys::keys_old,
    keys::many,
    keys::same,
    keys::set,
    leaks::leak,
    own::config,
    own::config_all,
    own::emit,
    own::exists,
    own::report,
    own::sign,
    requests::crowd,
    requests::fetch,
    requests::fetch_anyway,
    requests::fetch_late,
    requests::fetch_then_get,
    requests::long_texts,
);
