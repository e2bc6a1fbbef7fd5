//! The one integration binary: what a correct gateway does, a sentence a test.
//!
//! First the guest runtime: `hostile_*` and `install_refusals` attack it, the others hold it to what it promises to
//! guests that behave. Then whole gateways, in processes of their own. Invariant: no test depends on how fast the machine is.

#![expect(clippy::unwrap_used, reason = "what a test unwraps it expects; a panic is how it says no")]

mod guests {
    //! The components `build.rs` has built, by path.
    include!(concat!(env!("OUT_DIR"), "/guests.rs"));
}

mod cache_tamper;
mod cancel;
mod capability_config;
mod capability_events;
mod capability_http;
mod capability_kv;
mod capability_log;
mod capability_progress;
mod capability_secrets;
mod compile_bombs;
mod compile_jail;
mod determinism;
mod features;
mod foreign_guests;
mod grants_learned;
mod grants_limits;
mod grants_steps;
mod hostile_core;
mod hostile_raw;
mod hostile_wasi;
mod install_refusals;
mod isolation;
mod ladder;
mod loading;
mod neighbours;
mod octokit_component;
mod redteam_powers;
mod reload;
mod repository;
mod secret_search;
mod tenants_hostcalls;
mod world_egress_transform;
mod world_ingress_transform;
mod world_tools;

mod chat;
mod cli_audit;
mod cli_bundled;
mod cli_config;
mod cli_grant_files;
mod cli_grants;
mod cli_pause;
mod cli_secrets;
mod cli_skills;
mod cli_tenants;
mod deliveries;
mod deliveries_sink;
mod deliveries_verified;
mod drain;
mod hostile_receivers;
mod integration_pages;
mod integrations;
mod kill9_inbox;
mod kill9_outbox;
mod nginx;
mod pause_queue;
mod readme;
mod retention;
mod sync_before_200;
mod tenants;
mod tokens_live;
mod verifiers;
mod verifiers_vendors;
mod webhooks_over_http;
mod ws_calls;
