//! Tokens: what is left of a tenant's day, and counting what a model used.

use std::time::Duration;

use openclaw_domain::ports::{ModelReply, ModelUse, Usage};
use openclaw_domain::{Clock, Refusal, TenantId, Timestamp};

use crate::settings::LOCAL;

const DAY_MILLIS: i64 = 86_400_000;

/// Refuses a request to a model once the tenant's tokens of the day are spent. `local` costs nothing.
pub(crate) async fn check(
    usage: &dyn Usage,
    now: Timestamp,
    tenant: &TenantId,
    model: &str,
    limit: Option<u64>,
) -> Result<(), Refusal> {
    let Some(limit) = limit.filter(|_| model != LOCAL) else { return Ok(()) };
    let used = usage.used_since(tenant, ModelUse::day_of(now)).await?;
    if used.iter().map(ModelUse::tokens).sum::<u64>() < limit {
        return Ok(());
    }
    let left = DAY_MILLIS - now.as_millis().rem_euclid(DAY_MILLIS);
    Err(Refusal::RateLimited {
        what: format!("tokens of tenant `{tenant}` today (its limit is {limit})"),
        retry_after: Duration::from_millis(left.unsigned_abs()),
    })
}

/// Counts one request to a model.
pub(crate) async fn count(
    usage: &dyn Usage,
    clock: &dyn Clock,
    tenant: &TenantId,
    model: &str,
    reply: &ModelReply,
) -> Result<(), Refusal> {
    if model == LOCAL {
        return Ok(());
    }
    let used = ModelUse {
        day: ModelUse::day_of(clock.now()),
        model: model.to_owned(),
        requests: 1,
        input_tokens: reply.input_tokens,
        output_tokens: reply.output_tokens,
    };
    usage.add_use(tenant, used).await
}
