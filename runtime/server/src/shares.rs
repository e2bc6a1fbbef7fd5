//! How much of something each tenant, or each address, holds: so that one of them never holds all of it.
//!
//! Invariant: nobody holds more than its share, and what is given back is forgotten, so the table is no larger than
//! what is held.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// What one of several tenants may hold of `all`: three quarters, and at least one.
pub(crate) const fn share_of(all: usize) -> usize {
    let share = all / 4 * 3 + all % 4 * 3 / 4;
    if share == 0 { 1 } else { share }
}

/// Counts by holder.
pub(crate) struct Shares<Holder> {
    held: Arc<Mutex<HashMap<Holder, usize>>>,
}

impl<Holder> Default for Shares<Holder> {
    fn default() -> Self {
        Self { held: Arc::default() }
    }
}

impl<Holder: Clone + Eq + Hash> Shares<Holder> {
    /// Counts one more for a holder that has fewer than `share`, until the [`Part`] is dropped.
    pub(crate) fn take(&self, holder: &Holder, share: usize) -> Option<Part<Holder>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match held.get_mut(holder) {
            Some(count) if *count >= share => return None,
            Some(count) => *count += 1,
            None if share == 0 => return None,
            None => {
                held.insert(holder.clone(), 1);
            }
        }
        drop(held);
        Some(Part { held: Arc::clone(&self.held), holder: holder.clone() })
    }
}

/// One part of a share.
pub(crate) struct Part<Holder: Eq + Hash> {
    held: Arc<Mutex<HashMap<Holder, usize>>>,
    holder: Holder,
}

impl<Holder: Eq + Hash> Drop for Part<Holder> {
    fn drop(&mut self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.holder) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_holds_more_than_its_share_and_what_is_given_back_is_forgotten() {
        let shares = Shares::default();
        let parts: Vec<_> = std::iter::from_fn(|| shares.take(&"one", 3)).collect();
        assert_eq!(parts.len(), 3);
        assert!(shares.take(&"two", 3).is_some());
        drop(parts);
        assert!(shares.held.lock().unwrap().is_empty());
        assert!(shares.take(&"one", 3).is_some());
    }

    #[test]
    fn a_share_is_three_quarters_and_at_least_one() {
        assert_eq!([0, 1, 2, 3, 4, 10, 64, 256].map(share_of), [1, 1, 1, 2, 3, 7, 48, 192]);
    }
}
