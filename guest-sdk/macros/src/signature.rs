//! What all exported functions have in common.

use syn::spanned::Spanned as _;
use syn::{Attribute, Expr, ExprLit, ItemFn, Lit, Meta};

/// Refuses functions that a component cannot export as they are.
pub(crate) fn check_plain(function: &ItemFn) -> syn::Result<()> {
    let signature = &function.sig;
    if let Some(keyword) = &signature.asyncness {
        return Err(syn::Error::new(keyword.span(), "a guest function is not async: call and return"));
    }
    if !signature.generics.params.is_empty() {
        return Err(syn::Error::new(signature.generics.span(), "a guest function has no generic parameters"));
    }
    if let Some(receiver) = signature.receiver() {
        return Err(syn::Error::new(receiver.span(), "a guest function has no `self`: every call is a fresh instance"));
    }
    Ok(())
}

/// The doc comment as text: one line of source a line, without the space after `///`.
pub(crate) fn doc_text(attributes: &[Attribute]) -> String {
    let mut text = String::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("doc")) {
        if let Meta::NameValue(pair) = &attribute.meta
            && let Expr::Lit(ExprLit { lit: Lit::Str(line), .. }) = &pair.value
        {
            let line = line.value();
            text.push_str(line.strip_prefix(' ').unwrap_or(&line).trim_end());
            text.push('\n');
        }
    }
    text.trim().to_owned()
}
