//! What one call of a guest may use.

use std::time::Duration;

use crate::ports::KvUse;

/// The bounds of one call. Each has a hostile guest in the test suite that runs into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimits {
    /// Wall-clock time of the whole call, guest and host calls together. Default 30 s.
    pub deadline: Duration,
    /// Linear memory in bytes, summed over all memories of the call. Default 64 MiB.
    pub memory: usize,
    /// Table elements, summed over all tables of the call. Default 20,000.
    pub table_elements: usize,
    /// Host calls of any kind. Default 100,000.
    pub host_calls: u64,
    /// Handles to host resources open at one time. Default 256.
    pub handles: usize,
    /// Bytes of log lines that are kept; what is over is counted and dropped. Default 64 KiB.
    pub log_bytes: usize,
    /// Bytes of the result. Default 1 MiB.
    pub output_bytes: usize,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(30),
            memory: 64 << 20,
            table_elements: 20_000,
            host_calls: 100_000,
            handles: 256,
            log_bytes: 64 << 10,
            output_bytes: 1 << 20,
        }
    }
}

/// The bounds of one tenant, over all its skills. A grant can narrow them for one skill, never widen them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenantLimits {
    /// Bounds of one call.
    pub call: CallLimits,
    /// Bytes one call may send and receive over HTTP, headers and bodies. Default 16 MiB.
    pub egress_bytes: u64,
    /// Bytes one skill may keep in its buckets. Default 4 MiB.
    pub kv_bytes: u64,
    /// Calls begun within one minute, over all skills; one more is `RATE_LIMITED`. Default 10,000,000, which no machine
    /// reaches: how much is too much is for whoever has tenants to say.
    pub calls_per_minute: u32,
    /// Calls at one time, over all skills. Default 48; one more waits in the tenant's queue.
    pub concurrent_calls: u32,
    /// Bytes of events its guests emit within one minute, over all skills, in steps of 256 bytes an event. Default
    /// 16 MiB; from 4 GiB on there is no bound.
    pub event_bytes_per_minute: u64,
}

impl Default for TenantLimits {
    fn default() -> Self {
        Self {
            call: CallLimits::default(),
            egress_bytes: 16 << 20,
            kv_bytes: 4 << 20,
            calls_per_minute: 10_000_000,
            concurrent_calls: 48,
            event_bytes_per_minute: 16 << 20,
        }
    }
}

/// How much of its limits a tenant uses at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TenantUse {
    /// Calls that run or wait.
    pub calls_now: u32,
    /// Calls begun within the last minute, to the nearest the limit can tell.
    pub calls_last_minute: u32,
    /// Bytes sent and received over HTTP by its guests since the gateway started.
    pub egress_bytes: u64,
    /// What its skills keep.
    pub kv: KvUse,
}
