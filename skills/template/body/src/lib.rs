//! Reads webhook bodies where they lie: JSON and forms, borrowed from the request, nothing copied.
//!
//! The bundled transforms run on every webhook in a guest with a 32 KiB stack and an arena of about
//! 96 KiB, so a tree of the whole body is out of reach and recursion is a stack overflow somebody
//! else triggers. A body is checked once from end to end, by a loop; after that values are found by
//! skipping over their neighbours.
//!
//! Invariant: a [`Value`] is always valid JSON nested at most [`MAX_DEPTH`] deep, and no input panics.

mod body;
mod check;
mod escape;
mod form;
mod scan;
mod value;

pub use body::{Body, Json, Unreadable};
pub use check::{MAX_DEPTH, SyntaxError};
pub use escape::Chars;
pub use form::{Field, Fields, Form};
pub use value::{Elements, Kind, Members, Name, Pieces, Token, Tokens, Value};
