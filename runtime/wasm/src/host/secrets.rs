//! `openclaw:gateway/secrets`: use of values that never come near a guest.
//!
//! Invariant: what is asked of the port is done in a task of its own; only a yes, a no or a code comes back here.

use std::collections::BTreeSet;
use std::sync::Arc;

use openclaw_domain::{Capability, Powers, Refusal, SecretName, SecretPurpose, SecretUse, TenantId, secret_command};

use crate::bindings::skill::openclaw::gateway::secrets as wit;
use crate::reach::{Allowed, Denied, Reach};
use crate::state::HostState;

/// Bytes of a message that is signed.
const MESSAGE_BYTES: usize = 1 << 20;

fn named(name: &str) -> Result<SecretName, wit::Error> {
    name.parse().map_err(|error: openclaw_domain::IdError| wit::Error::Invalid(error.to_string()))
}

fn missing(tenant: &TenantId, name: &SecretName) -> wit::Error {
    let command = secret_command(tenant, name);
    wit::Error::Missing(format!("the secret `{name}` has no value; an operator sets it: `{command}`"))
}

fn unavailable(refusal: &Refusal) -> wit::Error {
    tracing::error!(%refusal, "a secret could not be used");
    wit::Error::Unavailable("the secret cannot be read now".to_owned())
}

fn hmac_of(name: &SecretName) -> SecretUse {
    SecretUse { name: name.clone(), purpose: SecretPurpose::Hmac }
}

/// Asks for a use of a secret that `is_granted` finds in the grant; the least that allows it is to sign with it.
fn require(
    reach: &Reach,
    name: &SecretName,
    wanted: String,
    is_granted: impl Fn(&SecretUse) -> bool,
) -> Result<Allowed, wit::Error> {
    let allowed = reach.require(
        Capability::Secrets,
        |powers| powers.secrets.iter().any(&is_granted),
        || wanted,
        || Powers { secrets: BTreeSet::from([hmac_of(name)]), ..Powers::default() },
    );
    allowed.map_err(|Denied(text)| wit::Error::Denied(text))
}

impl wit::Host for HostState {
    async fn exists(&mut self, name: String) -> wasmtime::Result<Result<bool, wit::Error>> {
        self.spend()?;
        let reach = Arc::clone(self.reach()?);
        Ok(exists(&reach, &name).await)
    }

    async fn hmac_sha256(&mut self, name: String, message: Vec<u8>) -> wasmtime::Result<Result<Vec<u8>, wit::Error>> {
        self.spend()?;
        let reach = Arc::clone(self.reach()?);
        Ok(hmac_sha256(&reach, &name, message).await)
    }
}

async fn exists(reach: &Reach, name: &str) -> Result<bool, wit::Error> {
    let name = named(name)?;
    require(reach, &name, format!("whether `{name}` exists"), |granted| granted.name == name)?;
    let (secrets, tenant) = (Arc::clone(&reach.ports.secrets), reach.serving.tenant.clone());
    let asked = reach.aside(async move { secrets.exists(&tenant, &name).await }).await;
    asked.and_then(|exists| exists).map_err(|refusal| unavailable(&refusal))
}

async fn hmac_sha256(reach: &Reach, name: &str, message: Vec<u8>) -> Result<Vec<u8>, wit::Error> {
    let name = named(name)?;
    if message.len() > MESSAGE_BYTES {
        return Err(wit::Error::Invalid(format!("the message has {} bytes; at most {MESSAGE_BYTES}", message.len())));
    }
    let wish = hmac_of(&name);
    let allowed = require(reach, &name, wish.to_string(), |granted| *granted == wish)?;
    if allowed == Allowed::Learned {
        // A run that finds out what is needed signs nothing: a signature is what the secret is there to keep.
        return Ok(vec![0; 32]);
    }
    let (secrets, tenant, asked) = (Arc::clone(&reach.ports.secrets), reach.serving.tenant.clone(), name.clone());
    let signed = reach.aside(async move { secrets.hmac_sha256(&tenant, &asked, message.into()).await }).await;
    match signed.and_then(|signed| signed) {
        Ok(Some(code)) => Ok(code.to_vec()),
        Ok(None) => Err(missing(&reach.serving.tenant, &name)),
        Err(refusal) => Err(unavailable(&refusal)),
    }
}
