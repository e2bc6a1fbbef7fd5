//! A distribution of latencies, kept whole: counts are small enough that nothing needs to be estimated.

use std::time::Duration;

/// Latencies of one run, sorted.
#[derive(Clone, Debug)]
pub(crate) struct Quantiles(Vec<u64>);

impl Quantiles {
    /// From nanoseconds in any order.
    pub(crate) fn new(mut nanoseconds: Vec<u64>) -> Self {
        nanoseconds.sort_unstable();
        Self(nanoseconds)
    }

    /// Several runs as one.
    pub(crate) fn together(runs: Vec<Self>) -> Self {
        Self::new(runs.into_iter().flat_map(|run| run.0).collect())
    }

    /// The value below which `share` (0 to 1) of all lie; zero when there is none.
    pub(crate) fn at(&self, share: f64) -> Duration {
        let last = self.0.len().saturating_sub(1);
        // Nearest rank: a run has at most some 10^6 values, far inside f64's exact integers.
        let rank = (share * last as f64).round() as usize;
        Duration::from_nanos(self.0.get(rank.min(last)).copied().unwrap_or(0))
    }

    /// The median.
    pub(crate) fn p50(&self) -> Duration {
        self.at(0.5)
    }

    /// One in a hundred is slower.
    pub(crate) fn p99(&self) -> Duration {
        self.at(0.99)
    }
}

/// The median of a few repeated measurements.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let quantiles = Quantiles::new((1..=100).rev().collect());
        assert_eq!(quantiles.p50(), Duration::from_nanos(51));
        assert_eq!(quantiles.p99(), Duration::from_nanos(99));
        assert_eq!(Quantiles::new(Vec::new()).p99(), Duration::ZERO);
        let together = Quantiles::together(vec![Quantiles::new(vec![5, 3]), Quantiles::new(vec![1])]);
        assert_eq!(together.p50(), Duration::from_nanos(3));
    }

    #[test]
    fn the_median_of_three_is_the_middle_one() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
    }
}
