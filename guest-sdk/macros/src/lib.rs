//! The attribute macros of the guest SDK. Use them through `openclaw_guest`, which they name in what they generate.
//!
//! A macro leaves the author's function as it is, so it is called and tested like any other, and adds a type of
//! the same name beside it. Invariant: what cannot become a tool is a compile error that says what to write.

mod signature;
mod tool;
mod transform;

use proc_macro::TokenStream;

/// Makes a function a tool of a skill. Its doc comment is the tool's description, its name in kebab case the
/// tool's name; its parameters are none, the arguments (`Deserialize + JsonSchema`, by value or by reference),
/// `&Context`, or both.
///
/// Options: `#[tool(name = "…", title = "…", read_only, destructive, idempotent, open_world)]`.
#[proc_macro_attribute]
pub fn tool(options: TokenStream, item: TokenStream) -> TokenStream {
    tool::expand(options.into(), item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a function the ingress transform this crate exports: `fn(Request) -> Result<Outcome, Failure>` or
/// the same with `&Request`, once a crate.
#[proc_macro_attribute]
pub fn ingress_transform(options: TokenStream, item: TokenStream) -> TokenStream {
    transform::INGRESS.expand(options.into(), item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a function the egress transform this crate exports: `fn(Event) -> Result<Outcome, Failure>` or the same with
/// `&Event`, once a crate. A crate may have an ingress transform beside it; its world is then `transform`.
#[proc_macro_attribute]
pub fn egress_transform(options: TokenStream, item: TokenStream) -> TokenStream {
    transform::EGRESS.expand(options.into(), item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}
