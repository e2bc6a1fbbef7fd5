//! The way out seen from its callers: what is refused, and that each refusal is the only thing in the way.
fn main() {}
