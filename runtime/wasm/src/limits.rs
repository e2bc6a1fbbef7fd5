//! The limits of one store: memory summed over all its memories, table elements over all its tables.
//!
//! Invariant: what was once granted is never given back before the store is dropped, so a guest cannot grow twice on
//! one allowance.

use openclaw_domain::CallLimits;
use wasmtime::{Error, ResourceLimiter, Result};

use crate::engine::{CORE_INSTANCES_PER_COMPONENT, MEMORIES_PER_COMPONENT, TABLES_PER_COMPONENT};
use crate::stop::{Stopped, is_host_out_of_memory};

/// What a guest sees when growth is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnRefusal {
    /// `memory.grow` returns −1 and the guest may cope: skills.
    Tell,
    /// A trap: transforms, whose result must not depend on the host's limits.
    Trap,
}

/// Counts and refuses growth.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory_limit: usize,
    table_limit: usize,
    on_refusal: OnRefusal,
    memory: usize,
    table: usize,
    pub(crate) refused_memory: bool,
    pub(crate) refused_table: bool,
    /// The host had none to give: no fault of the guest.
    pub(crate) host_was_short: bool,
}

impl Limiter {
    pub(crate) const fn new(limits: &CallLimits, on_refusal: OnRefusal) -> Self {
        Self {
            memory_limit: limits.memory,
            table_limit: limits.table_elements,
            on_refusal,
            memory: 0,
            table: 0,
            refused_memory: false,
            refused_table: false,
            host_was_short: false,
        }
    }

    /// Bytes of all memories, which is also their peak: they never shrink.
    pub(crate) const fn peak_memory(&self) -> usize {
        self.memory
    }

    fn refuse(&self, why: Stopped) -> Result<bool> {
        match self.on_refusal {
            OnRefusal::Tell => Ok(false),
            OnRefusal::Trap => Err(why.into()),
        }
    }
}

impl ResourceLimiter for Limiter {
    // `current` and `desired` are of one memory; the sum over all of them is ours to keep.
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            // The component's own type forbids it: −1 by the specification, on every host.
            return Ok(false);
        }
        let wanted = self.memory.saturating_add(desired.saturating_sub(current));
        if wanted > self.memory_limit {
            self.refused_memory = true;
            return self.refuse(Stopped::Memory);
        }
        self.memory = wanted;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: Error) -> Result<()> {
        if is_host_out_of_memory(&error) {
            self.host_was_short = true;
            return self.refuse(Stopped::HostMemory).map(drop);
        }
        self.refused_memory = true;
        self.refuse(Stopped::Memory).map(drop)
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let wanted = self.table.saturating_add(desired.saturating_sub(current));
        if wanted > self.table_limit {
            self.refused_table = true;
            return self.refuse(Stopped::Tables);
        }
        self.table = wanted;
        Ok(true)
    }

    // Nothing is rolled back: this is also called for growth that was never approved.
    fn table_grow_failed(&mut self, _: Error) -> Result<()> {
        self.refused_table = true;
        self.refuse(Stopped::Tables).map(drop)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_PER_COMPONENT as usize
    }

    fn memories(&self) -> usize {
        MEMORIES_PER_COMPONENT as usize
    }

    fn tables(&self) -> usize {
        TABLES_PER_COMPONENT as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(on_refusal: OnRefusal) -> Limiter {
        let limits = CallLimits { memory: 1000, table_elements: 10, ..CallLimits::default() };
        Limiter::new(&limits, on_refusal)
    }

    #[test]
    fn memory_is_summed_over_all_memories() {
        let mut limiter = limiter(OnRefusal::Tell);
        assert!(limiter.memory_growing(0, 600, None).unwrap());
        assert!(limiter.memory_growing(0, 400, None).unwrap());
        assert!(!limiter.memory_growing(0, 1, None).unwrap());
        assert!(limiter.refused_memory);
        assert_eq!(limiter.peak_memory(), 1000);
    }

    #[test]
    fn a_refused_growth_does_not_count_and_a_failed_one_is_not_given_back() {
        let mut limiter = limiter(OnRefusal::Tell);
        assert!(!limiter.memory_growing(0, 2000, None).unwrap());
        assert!(limiter.memory_growing(0, 1000, None).unwrap());
        limiter.memory_grow_failed(Error::msg("no pages")).unwrap();
        assert!(!limiter.memory_growing(0, 1, None).unwrap());
    }

    #[test]
    fn a_transform_traps_where_a_skill_is_told() {
        let mut limiter = limiter(OnRefusal::Trap);
        let error = limiter.memory_growing(0, 2000, None).unwrap_err();
        assert_eq!(error.downcast_ref::<Stopped>(), Some(&Stopped::Memory));
        let error = limiter.table_growing(0, 11, None).unwrap_err();
        assert_eq!(error.downcast_ref::<Stopped>(), Some(&Stopped::Tables));
    }
}
