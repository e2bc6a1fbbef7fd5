//! Tools that misbehave, one way each, and a few that do not: the positive controls.
//!
//! They share one crate because their imports agree. Invariant: each tool runs into exactly one limit, so that the
//! refusal it ends in says which guard held.

mod controls;
mod endless;
mod memory;
mod trapping;

openclaw_guest::skill!(
    controls::echo,
    controls::ask,
    controls::tell_context,
    controls::count,
    controls::show,
    controls::fail,
    controls::log_much_and_finish,
    controls::write_pattern,
    controls::read_pattern,
    endless::spin,
    endless::log_forever,
    endless::recurse,
    memory::allocate_one,
    memory::allocate_politely,
    memory::return_much,
    trapping::trap,
    trapping::panic_now,
);
