//! `limits` and `tenants.<name>.limits`: what each tenant may use.
//!
//! Invariant: a tenant has the bounds of `limits` at the top, and of its own `limits` where it has some. A grant can
//! narrow them for one skill; nothing but this file can widen them.

use std::time::Duration;

use openclaw_domain::{CallLimits, TenantLimits};

use super::file::{LimitsFile, MOST_MEMORY};
use super::problem::Problems;
use super::read::Object;

const KEYS: [&str; 8] = [
    "memoryBytes",
    "deadlineMs",
    "hostCalls",
    "egressBytes",
    "kvBytes",
    "callsPerMinute",
    "concurrentCalls",
    "eventBytesPerMinute",
];
/// More than this in one place is a mistake in a unit.
const MOST_BYTES: u64 = 1 << 40;

/// `limits`, at the top or of a tenant.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TenantLimitsFile {
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) deadline_ms: Option<u64>,
    pub(crate) host_calls: Option<u64>,
    egress_bytes: Option<u64>,
    kv_bytes: Option<u64>,
    calls_per_minute: Option<u64>,
    concurrent_calls: Option<u64>,
    event_bytes_per_minute: Option<u64>,
}

impl TenantLimitsFile {
    /// Reads `limits` of an object, if it stands there.
    pub(crate) fn read(parent: &Object<'_>, problems: &mut Problems) -> Self {
        let Some(limits) = parent.object("limits", &KEYS, problems) else { return Self::default() };
        let most = u64::from(u32::MAX);
        Self {
            memory_bytes: limits.whole("memoryBytes", 64 << 10..=MOST_MEMORY, problems),
            deadline_ms: limits.whole("deadlineMs", 1..=3_600_000, problems),
            host_calls: limits.whole("hostCalls", 1..=most, problems),
            egress_bytes: limits.whole("egressBytes", 0..=MOST_BYTES, problems),
            kv_bytes: limits.whole("kvBytes", 0..=MOST_BYTES, problems),
            calls_per_minute: limits.whole("callsPerMinute", 1..=most, problems),
            concurrent_calls: limits.whole("concurrentCalls", 1..=100_000, problems),
            event_bytes_per_minute: limits.whole("eventBytesPerMinute", 0..=MOST_BYTES, problems),
        }
    }

    /// Some bounds, with what stands here in their place.
    pub(crate) fn over(&self, usual: TenantLimits) -> TenantLimits {
        let small = |given: Option<u64>, usual: u32| given.map_or(usual, |n| u32::try_from(n).unwrap_or(u32::MAX));
        TenantLimits {
            call: CallLimits {
                memory: self.memory_bytes.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(usual.call.memory),
                deadline: self.deadline_ms.map_or(usual.call.deadline, Duration::from_millis),
                host_calls: self.host_calls.unwrap_or(usual.call.host_calls),
                ..usual.call
            },
            egress_bytes: self.egress_bytes.unwrap_or(usual.egress_bytes),
            kv_bytes: self.kv_bytes.unwrap_or(usual.kv_bytes),
            calls_per_minute: small(self.calls_per_minute, usual.calls_per_minute),
            concurrent_calls: small(self.concurrent_calls, usual.concurrent_calls),
            event_bytes_per_minute: self.event_bytes_per_minute.unwrap_or(usual.event_bytes_per_minute),
        }
    }

    /// Three bounds may also stand in `skills.limits`; two that disagree are an error, since either could be meant.
    pub(crate) fn refuse_disagreement(&self, skills: &LimitsFile, problems: &mut Problems) {
        let pairs = [
            ("deadlineMs", self.deadline_ms, skills.deadline_ms),
            ("memoryBytes", self.memory_bytes, skills.memory_bytes),
            ("hostCalls", self.host_calls, skills.host_calls),
        ];
        for (key, here, there) in pairs {
            if let (Some(here), Some(there)) = (here, there)
                && here != there
            {
                let reason = format!("is {here}, and `skills.limits.{key}` is {there}");
                problems.error(format!("limits.{key}"), reason, "keep one of the two");
            }
        }
    }
}
