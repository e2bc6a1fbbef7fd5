//! How a webhook's sender proves itself: `auth` of an endpoint, a word or an object with a `scheme`.
//!
//! Invariant: a key that its scheme does not read is an error, so nobody believes in a check that is not made.

use std::time::Duration;

use openclaw_domain::Secret;
use openclaw_server::settings::{EndpointAuth, HmacRecipe, RecipeParts, Scheme, Signing};
use serde_json::Value;

use super::file::At;
use super::problem::Problems;
use super::read::Object;

/// Every scheme, as it is written.
const SCHEMES: [&str; 15] = [
    "shared-secret",
    "github",
    "slack",
    "slack-token",
    "stripe",
    "shopify",
    "gitlab",
    "gitlab-token",
    "pagerduty",
    "twilio",
    "discord",
    "zoom",
    "meta",
    "standard-webhooks",
    "hmac",
];
/// The schemes that sign a time.
const TIMED: [&str; 6] = ["slack", "stripe", "gitlab", "discord", "zoom", "standard-webhooks"];
/// How far a signed time may lie from the gateway's, if the configuration does not say: what the senders' own
/// libraries take.
const DEFAULT_TOLERANCE: u64 = 300;
/// The farthest it may be set to: past it a captured request could be sent again days later.
const MOST_TOLERANCE: u64 = 86_400;

/// `auth` of an endpoint.
#[derive(Debug)]
pub(crate) struct SenderFile {
    /// Its scheme.
    pub(crate) scheme: &'static str,
    tolerance: Option<u64>,
    verify_tokens: Vec<At<String>>,
    public_url: Option<String>,
    recipe: Option<HmacRecipe>,
}

impl Default for SenderFile {
    fn default() -> Self {
        Self::of("shared-secret")
    }
}

impl SenderFile {
    const fn of(scheme: &'static str) -> Self {
        Self { scheme, tolerance: None, verify_tokens: Vec::new(), public_url: None, recipe: None }
    }

    /// Reads `auth`; `None` if there is none, or none that makes sense.
    pub(crate) fn read(endpoint: &Object<'_>, problems: &mut Problems) -> Option<Self> {
        if !matches!(endpoint.value("auth")?, Value::Object(_)) {
            let scheme = endpoint.word("auth", &SCHEMES, problems)?;
            if scheme == "hmac" {
                let fix = "write `\"auth\": {\"scheme\": \"hmac\", \"header\": …, \"signed\": [\"body\"]}`";
                problems.error(endpoint.at("auth"), "cannot be `hmac` alone: it is a recipe", fix);
                return None;
            }
            return Some(Self::of(scheme));
        }
        let any = endpoint.object("auth", &[], problems)?;
        any.require("scheme", "add `\"scheme\"` with the name of one", problems);
        let scheme = any.word("scheme", &SCHEMES, problems)?;
        let auth = endpoint.object("auth", &keys(scheme), problems)?;
        Some(Self {
            tolerance: auth.whole("tolerance", 1..=MOST_TOLERANCE, problems),
            verify_tokens: auth.text_or_texts("verifyToken", problems).unwrap_or_default(),
            public_url: public_url(&auth, problems),
            recipe: if scheme == "hmac" { Some(recipe(&auth, problems)?) } else { None },
            ..Self::of(scheme)
        })
    }

    /// The scheme with its secrets, each checked; `at` is where secrets that do not fit are reported.
    pub(crate) fn endpoint_auth(
        &self,
        endpoint: &str,
        secrets: Vec<Secret<String>>,
        secrets_at: &[String],
        problems: &mut Problems,
    ) -> EndpointAuth {
        let scheme = match self.scheme {
            "shared-secret" => return EndpointAuth::SharedSecret(secrets),
            "slack-token" => return EndpointAuth::SlackToken(secrets),
            "gitlab-token" => return EndpointAuth::GitlabToken(secrets),
            "github" => Scheme::Github,
            "slack" => Scheme::Slack,
            "stripe" => Scheme::Stripe,
            "shopify" => Scheme::Shopify,
            "gitlab" => Scheme::Gitlab,
            "pagerduty" => Scheme::Pagerduty,
            "twilio" => Scheme::Twilio { public_url: self.public_url.as_deref().map(Into::into) },
            "discord" => Scheme::Discord,
            "zoom" => Scheme::Zoom,
            "meta" => Scheme::Meta { verify_tokens: self.verify_tokens(endpoint, problems) },
            "standard-webhooks" => Scheme::StandardWebhooks,
            _ => match &self.recipe {
                Some(recipe) => Scheme::Hmac(recipe.clone()),
                // Reading it was an error already; a closed endpoint is never served.
                None => return EndpointAuth::SharedSecret(Vec::new()),
            },
        };
        for (index, secret) in secrets.iter().enumerate() {
            if let Err(wanted) = scheme.check_secret(secret.expose()) {
                problems.error(
                    secrets_at.get(index).map_or(endpoint, String::as_str),
                    format!("is no secret of `{}`", self.scheme),
                    format!("the endpoint's `secret` is {wanted}"),
                );
            }
        }
        let tolerance = Duration::from_secs(self.tolerance.unwrap_or(DEFAULT_TOLERANCE));
        EndpointAuth::Signed(Signing { scheme, secrets, tolerance })
    }

    fn verify_tokens(&self, endpoint: &str, problems: &mut Problems) -> Vec<Secret<String>> {
        if self.verify_tokens.is_empty() {
            problems.warn(
                format!("{endpoint}.auth"),
                "has no `verifyToken`: Meta's request to subscribe is answered 403",
                "write `{\"scheme\": \"meta\", \"verifyToken\": \"${META_VERIFY_TOKEN}\"}`",
            );
        }
        self.verify_tokens.iter().map(|(_, token)| Secret::new(token.clone())).collect()
    }

    /// Whether its secrets are known to everybody, so that their length is no concern.
    pub(crate) fn has_public_keys(&self) -> bool {
        self.scheme == "discord"
    }

    /// Largest body, if the endpoint does not say: GitHub's are up to 25 MB.
    pub(crate) fn default_max_bytes(&self) -> usize {
        if self.scheme == "github" { 25 << 20 } else { 1 << 20 }
    }
}

/// The keys of an object whose scheme is this.
fn keys(scheme: &str) -> Vec<&'static str> {
    let mut keys = vec!["scheme"];
    match scheme {
        "hmac" => keys.extend([
            "header",
            "prefix",
            "encoding",
            "algorithm",
            "signed",
            "timestampHeader",
            "tolerance",
            "idHeader",
        ]),
        "meta" => keys.push("verifyToken"),
        "twilio" => keys.push("publicUrl"),
        scheme if TIMED.contains(&scheme) => keys.push("tolerance"),
        _ => {}
    }
    keys
}

fn public_url(auth: &Object<'_>, problems: &mut Problems) -> Option<String> {
    let url = auth.text("publicUrl", problems)?;
    let is_url = url.starts_with("https://") || url.starts_with("http://");
    if !is_url || url.contains(['?', '#']) {
        problems.error(
            auth.at("publicUrl"),
            "is not the URL of this endpoint without its query",
            "write what Twilio calls: `https://gateway.example/webhook/sms`",
        );
    }
    Some(url)
}

fn recipe(auth: &Object<'_>, problems: &mut Problems) -> Option<HmacRecipe> {
    auth.require("header", "add the name of the header with the signature", problems);
    auth.require(
        "signed",
        "add what is signed, in order: `[\"body\"]`, or `[\"timestamp\", \".\", \"body\"]`",
        problems,
    );
    let (header, prefix) = (auth.text("header", problems), auth.text("prefix", problems));
    let (timestamp_header, id_header) = (auth.text("timestampHeader", problems), auth.text("idHeader", problems));
    let encoding = auth.word("encoding", &["hex", "base64", "base64url"], problems);
    let algorithm = auth.word("algorithm", &["sha256", "sha1", "sha512"], problems);
    let signed = auth.texts("signed", problems);
    if !auth.has("signed") || !auth.has("header") {
        return None;
    }
    let parts = RecipeParts {
        header: header.as_deref()?,
        prefix: prefix.as_deref().unwrap_or_default(),
        encoding,
        algorithm,
        signed: signed.iter().map(|(_, part)| part.as_str()).collect(),
        timestamp_header: timestamp_header.as_deref(),
        id_header: id_header.as_deref(),
    };
    match HmacRecipe::new(&parts) {
        Ok(recipe) => Some(recipe),
        Err(error) => {
            problems.error(auth.at(error.key), error.reason, error.fix);
            None
        }
    }
}
