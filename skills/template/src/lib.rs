//! The `template` transform: an endpoint's `message` with its placeholders filled from the body.
//!
//! It runs on every webhook whose endpoint names no other transform, so it reads bodies in place and
//! allocates little more than the message it says.

pub mod placeholder;
pub mod refusal;
pub mod render;
