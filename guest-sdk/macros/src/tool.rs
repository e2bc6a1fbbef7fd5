//! `#[tool]`: a function becomes a `Tool` of the same name.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::{FnArg, ItemFn, LitStr, ReturnType, Type};

use crate::signature::{check_plain, doc_text};

/// What stands between the parentheses of `#[tool(…)]`.
#[derive(Default)]
struct Options {
    name: Option<LitStr>,
    title: Option<LitStr>,
    hints: Vec<&'static str>,
}

impl Options {
    fn parse(tokens: TokenStream) -> syn::Result<Self> {
        let mut options = Self::default();
        let parser = syn::meta::parser(|meta| {
            if meta.path.is_ident("name") {
                options.name = Some(meta.value()?.parse()?);
                return Ok(());
            }
            if meta.path.is_ident("title") {
                options.title = Some(meta.value()?.parse()?);
                return Ok(());
            }
            for hint in ["read_only", "destructive", "idempotent", "open_world"] {
                if meta.path.is_ident(hint) {
                    options.hints.push(hint);
                    return Ok(());
                }
            }
            Err(meta.error("unknown option: use name, title, read_only, destructive, idempotent or open_world"))
        });
        syn::parse::Parser::parse2(parser, tokens)?;
        Ok(options)
    }
}

pub(crate) fn expand(options: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let options = Options::parse(options)?;
    let function: ItemFn = syn::parse2(item)?;
    check_plain(&function)?;
    let ident = &function.sig.ident;
    let name = tool_name(&function, options.name.as_ref())?;
    let description = doc_text(&function.attrs);
    if description.is_empty() {
        return Err(syn::Error::new(
            ident.span(),
            "a tool needs a doc comment: it is the description people and models choose it by",
        ));
    }
    let title = match &options.title {
        Some(title) => quote!(::std::option::Option::Some(::std::borrow::ToOwned::to_owned(#title))),
        None => quote!(::std::option::Option::None),
    };
    let hints = options.hints.iter().map(|hint| format_ident!("{}", hint.to_uppercase()));
    let (schema, arguments) = parameters(&function)?;
    let returned = match &function.sig.output {
        ReturnType::Default => quote!(()),
        ReturnType::Type(_, ty) => quote!(#ty),
    };
    let visibility = &function.vis;
    Ok(quote! {
        #function

        #[doc(hidden)]
        #[allow(non_camel_case_types, reason = "it has the function's name, in the namespace of types")]
        #visibility enum #ident {}

        impl ::openclaw_guest::tools::Tool for #ident {
            const NAME: &'static str = #name;

            fn declare() -> ::openclaw_guest::bindings::skill::exports::openclaw::gateway::tools::Tool {
                use ::openclaw_guest::bindings::skill::exports::openclaw::gateway::tools as wit;
                wit::Tool {
                    name: ::std::borrow::ToOwned::to_owned(#name),
                    title: #title,
                    description: ::std::borrow::ToOwned::to_owned(#description),
                    input_schema: #schema,
                    output_schema: <#returned as ::openclaw_guest::IntoOutput>::output_schema(),
                    hints: wit::ToolHints::empty() #( | wit::ToolHints::#hints )*,
                }
            }

            fn call(
                arguments: &str,
                context: &::openclaw_guest::Context,
            ) -> ::std::result::Result<
                ::openclaw_guest::bindings::skill::exports::openclaw::gateway::tools::Output,
                ::openclaw_guest::Failure,
            > {
                let _ = (arguments, context);
                ::openclaw_guest::IntoOutput::into_output(#ident(#(#arguments),*))
            }
        }
    })
}

/// The schema of the arguments, and what the function is called with.
fn parameters(function: &ItemFn) -> syn::Result<(TokenStream, Vec<TokenStream>)> {
    let mut schema = quote!(::openclaw_guest::tools::no_arguments_schema());
    let mut passed = Vec::new();
    let count = function.sig.inputs.len();
    for (position, input) in function.sig.inputs.iter().enumerate() {
        let FnArg::Typed(parameter) = input else { continue };
        let (ty, borrow) = match &*parameter.ty {
            Type::Reference(reference) => (&*reference.elem, quote!(&)),
            ty => (ty, quote!()),
        };
        match (is_context(ty), position) {
            (true, _) if position + 1 == count => passed.push(quote!(context)),
            (false, 0) => {
                schema = quote!(::openclaw_guest::tools::arguments_schema::<#ty>());
                passed.push(quote!(#borrow ::openclaw_guest::tools::read_arguments::<#ty>(arguments)?));
            }
            _ => {
                let message = "a tool takes one struct of arguments, and after it `&Context` at most";
                return Err(syn::Error::new_spanned(parameter, message));
            }
        }
    }
    Ok((schema, passed))
}

/// The call's context is told by its name: a macro sees no types.
fn is_context(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Context"))
}

/// The name callers use: given, or the function's in kebab case.
fn tool_name(function: &ItemFn, given: Option<&LitStr>) -> syn::Result<String> {
    let ident = function.sig.ident.to_string();
    let (name, span): (String, Span) = match given {
        Some(literal) => (literal.value(), literal.span()),
        None => (ident.trim_start_matches("r#").replace('_', "-"), function.sig.ident.span()),
    };
    let letters = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !letters || !(1..=64).contains(&name.len()) || name.starts_with('-') || name.ends_with('-') {
        let message = format!("`{name}` is not a tool name: 1 to 64 of `a-z`, `0-9` and inner `-`");
        return Err(syn::Error::new(span, message));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(options: TokenStream, item: TokenStream) -> String {
        expand(options, item).expect_err("it cannot become a tool").to_string()
    }

    #[test]
    fn what_cannot_become_a_tool_says_what_to_write() {
        let none = TokenStream::new;
        for (error, expected) in [
            (
                error(
                    none(),
                    quote!(
                        fn a() {}
                    ),
                ),
                "a tool needs a doc comment",
            ),
            (
                error(
                    none(),
                    quote!(
                        #[doc = " A."]
                        async fn a() {}
                    ),
                ),
                "not async",
            ),
            (
                error(
                    none(),
                    quote!(
                        #[doc = " A."]
                        fn a<T>(t: T) {}
                    ),
                ),
                "no generic parameters",
            ),
            (
                error(
                    none(),
                    quote!(
                        #[doc = " A."]
                        fn a(&self) {}
                    ),
                ),
                "no `self`",
            ),
            (
                error(
                    none(),
                    quote!(
                        #[doc = " A."]
                        fn a(x: X, y: Y) {}
                    ),
                ),
                "one struct of arguments",
            ),
            (
                error(
                    none(),
                    quote!(
                        #[doc = " A."]
                        fn a(context: &Context, x: X) {}
                    ),
                ),
                "one struct of arguments",
            ),
            (
                error(
                    none(),
                    quote!(
                        #[doc = " A."]
                        fn _a() {}
                    ),
                ),
                "`-a` is not a tool name",
            ),
            (
                error(
                    quote!(name = "A b"),
                    quote!(
                        #[doc = " A."]
                        fn a() {}
                    ),
                ),
                "`A b` is not a tool name",
            ),
            (
                error(
                    quote!(readonly),
                    quote!(
                        #[doc = " A."]
                        fn a() {}
                    ),
                ),
                "unknown option",
            ),
        ] {
            assert!(error.contains(expected), "{error}");
        }
    }
}
