//! `#[ingress_transform]` and `#[egress_transform]`: a function becomes an export of the component.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::{FnArg, ItemFn, Type};

use crate::signature::check_plain;

/// One direction.
pub(crate) struct Direction {
    attribute: &'static str,
    /// The module of the bindings and, in it, of the interface.
    module: &'static str,
    /// What the function takes.
    input: &'static str,
}

/// From a webhook to what the gateway does.
pub(crate) const INGRESS: Direction = Direction { attribute: "ingress_transform", module: "ingress", input: "Request" };
/// From an event to what an endpoint is sent.
pub(crate) const EGRESS: Direction = Direction { attribute: "egress_transform", module: "egress", input: "Event" };

impl Direction {
    pub(crate) fn expand(&self, options: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
        let Self { attribute, module, input } = self;
        if !options.is_empty() {
            return Err(syn::Error::new_spanned(options, format!("`#[{attribute}]` has no options")));
        }
        let function: ItemFn = syn::parse2(item)?;
        check_plain(&function)?;
        let mut inputs = function.sig.inputs.iter();
        let (Some(FnArg::Typed(parameter)), None) = (inputs.next(), inputs.next()) else {
            let message = format!("a transform takes one parameter, the `{input}`");
            return Err(syn::Error::new_spanned(&function.sig, message));
        };
        let borrow = matches!(&*parameter.ty, Type::Reference(_)).then(|| quote!(&));
        let ident = &function.sig.ident;
        let module = syn::Ident::new(module, Span::call_site());
        let input = format_ident!("{input}");
        Ok(quote! {
            #function

            const _: () = {
                use ::openclaw_guest::bindings::#module::exports::openclaw::gateway::#module as wit;

                struct Component;

                impl wit::Guest for Component {
                    fn transform(input: wit::#input) -> ::std::result::Result<wit::Outcome, wit::Failure> {
                        #ident(#borrow input)
                    }
                }

                ::openclaw_guest::bindings::#module::export!(
                    Component with_types_in ::openclaw_guest::bindings::#module
                );
            };
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_become_a_transform_says_what_to_write() {
        let error = |options, item| EGRESS.expand(options, item).expect_err("it cannot become a transform").to_string();
        let none = TokenStream::new;
        assert_eq!(error(none(), quote! { fn a() {} }), "a transform takes one parameter, the `Event`");
        assert_eq!(error(quote!(x), quote! { fn a(event: &Event) {} }), "`#[egress_transform]` has no options");
        assert!(error(none(), quote! { async fn a(event: &Event) {} }).contains("not async"));
    }
}
