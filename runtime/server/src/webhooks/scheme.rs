//! How a webhook's sender signs, as configured: the closed table of schemes, and the recipe for those not in it.
//!
//! Invariant: a recipe that exists signs the body, and a time only together with the header it stands in, so no
//! configuration makes an endpoint that verifies less than it seems to.

use std::time::Duration;

use http::header::HeaderName;
use openclaw_domain::Secret;

use super::verify::key::{Algorithm, Encoding};
use super::verify::standard::StandardKey;
use super::verify::{discord, standard};

/// Bytes that Standard Webhooks asks of a shared key, at least. Text of any length can stand for a key of one byte.
const LEAST_STANDARD_KEY: usize = 24;

/// What a signed endpoint expects.
#[derive(Clone, Debug)]
pub struct Signing {
    /// Whose way of signing it is.
    pub scheme: Scheme,
    /// The secrets, or public keys; several while one replaces another. None at all: everything is refused.
    pub secrets: Vec<Secret<String>>,
    /// How far a signed time may lie from this gateway's, in the past and in the future. Default 300 s.
    /// Of no effect where the scheme signs no time.
    pub tolerance: Duration,
}

/// A way of signing.
#[derive(Clone, Debug)]
pub enum Scheme {
    /// `X-Hub-Signature-256: sha256=<hex>` over the body.
    Github,
    /// `X-Slack-Signature: v0=<hex>` over `v0:<X-Slack-Request-Timestamp>:<body>`.
    Slack,
    /// `Stripe-Signature: t=<time>,v1=<hex>` over `<time>.<body>`.
    Stripe,
    /// `X-Shopify-Hmac-Sha256: <base64>` over the body.
    Shopify,
    /// GitLab's signing token: [`Scheme::StandardWebhooks`] by another name.
    Gitlab,
    /// `X-PagerDuty-Signature: v1=<hex>[,v1=<hex>…]` over the body.
    Pagerduty,
    /// `X-Twilio-Signature: <base64>`, HMAC-SHA-1 over the public URL and the sorted form fields.
    Twilio {
        /// The URL Twilio calls, without its query. `None`: it is put together from `Host`, or from what a trusted
        /// proxy forwards.
        public_url: Option<Box<str>>,
    },
    /// `X-Signature-Ed25519: <hex>` over `<X-Signature-Timestamp><body>`; the secrets are public keys in hex.
    Discord,
    /// `x-zm-signature: v0=<hex>` over `v0:<x-zm-request-timestamp>:<body>`.
    Zoom,
    /// As GitHub's, and a GET that subscribes.
    Meta {
        /// What `hub.verify_token` must equal; none at all: nobody can subscribe.
        verify_tokens: Vec<Secret<String>>,
    },
    /// `webhook-signature: v1,<base64> v1a,<base64>…` over `<webhook-id>.<webhook-timestamp>.<body>`, or the same with
    /// `svix-`. Secrets begin with `whsec_`, public keys with `whpk_`.
    StandardWebhooks,
    /// Anything else that is an HMAC.
    Hmac(HmacRecipe),
}

impl Scheme {
    /// The word of the configuration.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Slack => "slack",
            Self::Stripe => "stripe",
            Self::Shopify => "shopify",
            Self::Gitlab => "gitlab",
            Self::Pagerduty => "pagerduty",
            Self::Twilio { .. } => "twilio",
            Self::Discord => "discord",
            Self::Zoom => "zoom",
            Self::Meta { .. } => "meta",
            Self::StandardWebhooks => "standard-webhooks",
            Self::Hmac(_) => "hmac",
        }
    }

    /// Whether this can be a secret of the scheme.
    ///
    /// # Errors
    /// What it should be instead. A secret that fails here would verify nothing.
    pub fn check_secret(&self, secret: &str) -> Result<(), &'static str> {
        match self {
            Self::Discord if discord::public_key(secret).is_none() => {
                Err("the application's public key: 64 hexadecimal digits")
            }
            Self::Gitlab | Self::StandardWebhooks => match standard::key(secret) {
                None => Err("`whsec_` or `whpk_` and base64"),
                Some(StandardKey::Shared(key)) if key.len() < LEAST_STANDARD_KEY => {
                    Err("`whsec_` and the base64 of 24 to 64 random bytes, and this one has fewer than 24")
                }
                Some(_) => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Whether its secrets may be known to everybody, so that their length is nobody's concern.
    pub const fn has_public_keys(&self) -> bool {
        matches!(self, Self::Discord)
    }
}

/// What a recipe is made of, as it stands in the configuration.
#[derive(Clone, Debug, Default)]
pub struct RecipeParts<'a> {
    /// The header with the signature, or with several of them, separated by commas or spaces.
    pub header: &'a str,
    /// What stands before each signature, `sha256=` for one.
    pub prefix: &'a str,
    /// `hex`, `base64` or `base64url`. Default `hex`.
    pub encoding: Option<&'a str>,
    /// `sha256`, `sha1` or `sha512`. Default `sha256`.
    pub algorithm: Option<&'a str>,
    /// What is signed, in order: `body`, `timestamp`, `method`, `path`, `header:<name>`; anything else is itself.
    pub signed: Vec<&'a str>,
    /// The header with the time, in seconds or milliseconds since 1970.
    pub timestamp_header: Option<&'a str>,
    /// The header that names the delivery, the same when it is repeated.
    pub id_header: Option<&'a str>,
}

/// What is wrong with a recipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipeError {
    /// The key.
    pub key: &'static str,
    /// What is wrong, as the rest of a sentence that begins with the key.
    pub reason: String,
    /// What to write instead.
    pub fix: &'static str,
}

/// How to verify an HMAC that no scheme of the table describes.
#[derive(Clone, Debug)]
pub struct HmacRecipe {
    pub(super) header: HeaderName,
    pub(super) prefix: Box<str>,
    pub(super) encoding: Encoding,
    pub(super) algorithm: Algorithm,
    pub(super) signed: Box<[SignedPart]>,
    pub(super) timestamp_header: Option<HeaderName>,
    pub(super) id_header: Option<HeaderName>,
}

/// One piece of what a recipe signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SignedPart {
    Body,
    Timestamp,
    Method,
    /// Path and query as they stand in the request.
    Path,
    Header(HeaderName),
    Literal(Box<str>),
}

/// The words of `signed` that stand for something.
const WORDS: [&str; 4] = ["body", "timestamp", "method", "path"];
const SIGNED_FIX: &str = "write the pieces in order, for example `[\"timestamp\", \".\", \"body\"]`";

impl HmacRecipe {
    /// Reads a recipe.
    ///
    /// # Errors
    /// The first key that makes no sense.
    pub fn new(parts: &RecipeParts<'_>) -> Result<Self, RecipeError> {
        let header_name = |key: &'static str, name: &str| {
            name.parse::<HeaderName>().map_err(|_| RecipeError {
                key,
                reason: "is no header's name".to_owned(),
                fix: "write the name of a header, for example `X-Signature`",
            })
        };
        let header = header_name("header", parts.header)?;
        let timestamp_header = parts.timestamp_header.map(|name| header_name("timestampHeader", name)).transpose()?;
        let id_header = parts.id_header.map(|name| header_name("idHeader", name)).transpose()?;
        let signed = parts.signed.iter().map(|part| signed_part(part)).collect::<Result<Box<[_]>, _>>()?;
        let count = |wanted: &SignedPart| signed.iter().filter(|part| *part == wanted).count();
        let wrong = |reason: &str| RecipeError { key: "signed", reason: reason.to_owned(), fix: SIGNED_FIX };
        if count(&SignedPart::Body) != 1 {
            return Err(wrong("does not name `body` exactly once, and what is not signed proves nothing"));
        }
        match (&timestamp_header, count(&SignedPart::Timestamp)) {
            (None, 0) | (Some(_), 1) => {}
            (None, _) => return Err(wrong("names `timestamp`, and no `timestampHeader` says where it stands")),
            (Some(_), _) => {
                return Err(wrong("does not name `timestamp` once: a time that is not signed can be changed"));
            }
        }
        Ok(Self {
            header,
            prefix: parts.prefix.into(),
            encoding: match parts.encoding {
                Some("base64") => Encoding::Base64,
                Some("base64url") => Encoding::Base64Url,
                _ => Encoding::Hex,
            },
            algorithm: match parts.algorithm {
                Some("sha1") => Algorithm::Sha1,
                Some("sha512") => Algorithm::Sha512,
                _ => Algorithm::Sha256,
            },
            signed,
            timestamp_header,
            id_header,
        })
    }
}

fn signed_part(text: &str) -> Result<SignedPart, RecipeError> {
    let wrong = |reason: String| RecipeError { key: "signed", reason, fix: SIGNED_FIX };
    Ok(match text {
        "body" => SignedPart::Body,
        "timestamp" => SignedPart::Timestamp,
        "method" => SignedPart::Method,
        "path" => SignedPart::Path,
        _ => match text.strip_prefix("header:") {
            Some(name) => {
                SignedPart::Header(name.parse().map_err(|_| wrong(format!("names `{text}`, which is no header")))?)
            }
            // A misspelt word would be signed as itself, and every honest request refused.
            None if text.len() > 3 && text.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
                return Err(wrong(format!("has `{text}`, which is none of {}", WORDS.join(", "))));
            }
            None => SignedPart::Literal(text.into()),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(signed: &[&'static str], timestamp_header: Option<&'static str>) -> Result<HmacRecipe, RecipeError> {
        HmacRecipe::new(&RecipeParts {
            header: "X-Signature",
            signed: signed.to_vec(),
            timestamp_header,
            ..RecipeParts::default()
        })
    }

    #[test]
    fn a_recipe_signs_the_body_and_a_time_only_with_its_header() {
        assert!(recipe(&["body"], None).is_ok());
        assert!(recipe(&["v0:", "timestamp", ":", "body"], Some("X-Time")).is_ok());
        assert!(recipe(&["method", "\n", "path", "\n", "header:X-Id", "\n", "body"], None).is_ok());
        for (signed, timestamp_header) in [
            (&[][..], None),
            (&["timestamp"], Some("X-Time")),
            (&["body", "body"], None),
            (&["timestamp", "body"], None),
            (&["body"], Some("X-Time")),
            (&["timestmp", ".", "body"], None),
            (&["header:no header", "body"], None),
        ] {
            assert_eq!(recipe(signed, timestamp_header).unwrap_err().key, "signed", "{signed:?}");
        }
        assert_eq!(recipe(&["timestamp", "body"], Some("no header")).unwrap_err().key, "timestampHeader");
    }

    #[test]
    fn a_secret_that_could_verify_nothing_is_none() {
        let key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        assert!(Scheme::Discord.check_secret(key).is_ok());
        for wrong in ["", "d75a98", &key.replace('d', "x"), &"00".repeat(32)] {
            assert!(Scheme::Discord.check_secret(wrong).is_err(), "{wrong}");
        }
        let standard = Scheme::StandardWebhooks;
        assert!(standard.check_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").is_ok());
        assert!(standard.check_secret("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").is_ok());
        assert!(standard.check_secret("whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=").is_ok());
        for wrong in ["", "whsec_", "whsec_not base64", "whpk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsk_AAAA"] {
            assert!(standard.check_secret(wrong).is_err(), "{wrong}");
        }
        for short in ["whsec_AA==", "AAAAAAAAAAA=", &format!("whsec_{}A=", "A".repeat(30))] {
            for scheme in [Scheme::Gitlab, Scheme::StandardWebhooks] {
                assert!(scheme.check_secret(short).unwrap_err().contains("fewer than 24"), "{short}");
            }
        }
        assert!(Scheme::Github.check_secret("anything").is_ok());
    }
}
