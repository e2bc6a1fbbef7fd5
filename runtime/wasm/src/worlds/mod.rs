//! The typed entry to each world: conversions between domain types and the generated ones, and the call itself.

pub(crate) mod egress_transform;
pub(crate) mod ingress_transform;
pub(crate) mod tools;
