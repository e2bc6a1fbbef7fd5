//! The `hmac` recipe: an HMAC that the operator describes, so that the next provider needs no code.
//!
//! Invariant: every part the recipe names is in the request once, or the request is refused.

use std::borrow::Cow;

use http::header::HeaderName;
use openclaw_domain::Secret;

use super::body_mac::listed;
use super::key::MacKeys;
use super::{Presented, Proof, Rejection, single, time};
use crate::webhooks::scheme::{HmacRecipe, SignedPart};

/// Verifies by a recipe.
pub(super) struct Recipe {
    keys: MacKeys,
    recipe: HmacRecipe,
}

impl Recipe {
    pub(super) fn new(recipe: &HmacRecipe, secrets: &[Secret<String>]) -> Self {
        Self { keys: MacKeys::of_text(recipe.algorithm, secrets), recipe: recipe.clone() }
    }

    pub(super) fn headers(&self) -> &[HeaderName] {
        std::slice::from_ref(&self.recipe.header)
    }

    /// The header that names the delivery. Where a time is signed, one that is not signed names nothing: with it a
    /// captured request could be made a new one for as long as its time is taken.
    pub(super) fn id_header(&self) -> Option<&HeaderName> {
        let HmacRecipe { id_header, signed, timestamp_header, .. } = &self.recipe;
        let is_signed = |name: &HeaderName| signed.contains(&SignedPart::Header(name.clone()));
        id_header.as_ref().filter(|name| timestamp_header.is_none() || is_signed(name))
    }

    pub(super) fn verify(&self, presented: &Presented<'_>) -> Result<Proof, Rejection> {
        let HmacRecipe { header, prefix, encoding, timestamp_header, .. } = &self.recipe;
        let headers = &presented.head.headers;
        let text = single(headers, header)?;
        // `HMAC <signature>` in `Authorization` has a space that separates nothing.
        let shown = match prefix.contains([',', ' ']) {
            true => Ok(text.strip_prefix(&**prefix).and_then(|text| encoding.decode(text)).into_iter().collect()),
            false => listed(text, prefix, *encoding),
        };
        let shown = shown.map_err(|()| Rejection::Repeated(header.clone()))?;
        let timestamp = timestamp_header.as_ref().map(|name| time(headers, name)).transpose()?;
        let signed = self.signed(presented, timestamp)?;
        let signed: Vec<&[u8]> = signed.iter().map(AsRef::as_ref).collect();
        let key = self.keys.find(&signed, &shown)?;
        Ok(Proof { key, timestamp: timestamp.map(str::to_owned), id: None })
    }

    fn signed<'a>(
        &'a self,
        presented: &'a Presented<'_>,
        timestamp: Option<&'a str>,
    ) -> Result<Vec<Cow<'a, [u8]>>, Rejection> {
        let head = presented.head;
        let part = |part: &'a SignedPart| {
            Ok(Cow::Borrowed(match part {
                SignedPart::Body => presented.body,
                SignedPart::Timestamp => timestamp.unwrap_or_default().as_bytes(),
                SignedPart::Method => head.method.as_str().as_bytes(),
                SignedPart::Path => head.uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str).as_bytes(),
                SignedPart::Header(name) => single(&head.headers, name)?.as_bytes(),
                SignedPart::Literal(text) => text.as_bytes(),
            }))
        };
        self.recipe.signed.iter().map(part).collect()
    }
}
