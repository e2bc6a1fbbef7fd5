//! `#[ingress_transform]`: a function becomes the component's only export.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{FnArg, ItemFn, Type};

use crate::signature::check_plain;

pub(crate) fn expand(options: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    if !options.is_empty() {
        return Err(syn::Error::new_spanned(options, "`#[ingress_transform]` has no options"));
    }
    let function: ItemFn = syn::parse2(item)?;
    check_plain(&function)?;
    let mut inputs = function.sig.inputs.iter();
    let (Some(FnArg::Typed(parameter)), None) = (inputs.next(), inputs.next()) else {
        return Err(syn::Error::new_spanned(&function.sig, "a transform takes one parameter, the `Request`"));
    };
    let borrow = matches!(&*parameter.ty, Type::Reference(_)).then(|| quote!(&));
    let ident = &function.sig.ident;
    Ok(quote! {
        #function

        const _: () = {
            use ::openclaw_guest::bindings::ingress::exports::openclaw::gateway::ingress as wit;

            struct Component;

            impl wit::Guest for Component {
                fn transform(request: wit::Request) -> ::std::result::Result<wit::Outcome, wit::Failure> {
                    #ident(#borrow request)
                }
            }

            ::openclaw_guest::bindings::ingress::export!(
                Component with_types_in ::openclaw_guest::bindings::ingress
            );
        };
    })
}
