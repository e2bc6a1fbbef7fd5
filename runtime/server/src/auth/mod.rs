//! Who is asking: address, `Host`, `Origin`, credential.
//!
//! Invariant: loopback is not trust. What a client may do follows from a server-side credential alone, and wrong ones
//! are throttled wherever they come from.

mod account;
mod origin;
mod throttle;
mod tokens;
mod trusted_proxy;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use openclaw_domain::Refusal;

pub(crate) use account::Account;
pub(crate) use origin::{check_host, check_origin, check_site};
pub(crate) use throttle::{Throttle, is_guessable};
pub(crate) use tokens::{Access, TokenBook};
pub(crate) use trusted_proxy::{ClientAddress, client_address, is_trusted};

#[cfg(test)]
pub(crate) use throttle::FREE_FAILURES;

use crate::state::State;

/// The credential of a request, looked up.
///
/// # Errors
/// [`Refusal::AuthRequired`] without a token, [`Refusal::AuthInvalid`] with a wrong one, [`Refusal::RateLimited`]
/// while the address showed too many wrong ones and this one is wrong or could be a guess.
pub(crate) fn authenticate(
    state: &State,
    address: ClientAddress,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Result<Access, Refusal> {
    let required = state.settings.load().auth_required;
    let Some(token) = shown_token(query, headers) else {
        return if required { Err(Refusal::AuthRequired) } else { Ok(state.tokens.anonymous()) };
    };
    if required && is_guessable(token.as_bytes()) {
        state.throttle.check(address)?;
    }
    match state.tokens.find(&token, state.clock.now()) {
        Some(access) => Ok(access),
        // Without authentication a token says nothing; the guide's clients may send one all the same.
        None if !required => Ok(state.tokens.anonymous()),
        None => {
            state.measures.failed_authentications.increment(1);
            Err(state.throttle.failed(address))
        }
    }
}

/// The token a request shows: `Authorization: Bearer …` before `?token=…`; an empty one is none.
fn shown_token(query: Option<&str>, headers: &HeaderMap) -> Option<String> {
    let bearer = headers.get(AUTHORIZATION).map(|value| {
        // Another scheme, or bytes that are no text, is still an attempt with a credential, and a wrong one.
        let text = value.to_str().unwrap_or("?");
        match text.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim().to_owned(),
            _ => text.to_owned(),
        }
    });
    let in_query = || {
        let pairs = form_pairs(query.unwrap_or_default());
        pairs.into_iter().find_map(|(name, value)| (name == "token").then_some(value))
    };
    bearer.or_else(in_query).filter(|token| !token.is_empty())
}

/// The pairs of a query, percent-decoded; `+` stays `+`, because tokens contain it and clients forget to encode it.
fn form_pairs(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent_decode(name), percent_decode(value))
        })
        .collect()
}

fn percent_decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_from_the_header_or_the_query() {
        let mut headers = HeaderMap::new();
        assert_eq!(shown_token(None, &headers), None);
        assert_eq!(shown_token(Some("token="), &headers), None);
        assert_eq!(shown_token(Some("a=b&token=x%2By+z%zz"), &headers).as_deref(), Some("x+y+z%zz"));
        headers.insert(AUTHORIZATION, "bearer  abc ".parse().unwrap());
        assert_eq!(shown_token(Some("token=x"), &headers).as_deref(), Some("abc"));
        headers.insert(AUTHORIZATION, "Basic abc".parse().unwrap());
        assert_eq!(shown_token(None, &headers).as_deref(), Some("Basic abc"), "any shape is an attempt");
    }
}
