//! Percentiles and ratios. Does not know: what was measured.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// The `percent`-th percentile of `sorted` by nearest rank: the smallest value that at least `percent` in 100 do not
/// exceed. `None` of nothing. `sorted` rises; `percent` above 100 counts as 100.
pub(crate) fn percentile(sorted: &[u32], percent: u32) -> Option<u32> {
    let rank = (sorted.len() as u64 * u64::from(percent)).div_ceil(100).max(1);
    let last = sorted.len().checked_sub(1)?;
    sorted.get(last.min(rank as usize - 1)).copied()
}

/// `now` against `before` in percent of `before`: 5.0 stands for five more in a hundred. `None` when `before` was
/// nothing.
pub(crate) fn growth_percent(before: f64, now: f64) -> Option<f64> {
    (before > 0.0).then(|| (now - before) / before * 100.0)
}

/// `duration` in whole microseconds; more than an hour is as good as an hour.
pub(crate) fn micros_u32(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

/// The percentiles of `latencies`, microseconds in any order; all zero of nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50_ms: f64,
    pub(crate) p90_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
    /// How many were measured.
    pub(crate) count: usize,
}

impl Latency {
    /// Sorts them first.
    pub(crate) fn of(latencies: &mut [u32]) -> Self {
        latencies.sort_unstable();
        let millis = |percent| percentile(latencies, percent).map_or(0.0, |micros| f64::from(micros) / 1e3);
        Self {
            p50_ms: millis(50),
            p90_ms: millis(90),
            p99_ms: millis(99),
            max_ms: millis(100),
            count: latencies.len(),
        }
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p50_ms, p90_ms, p99_ms, max_ms, count } = self;
        write!(f, "p50 {p50_ms:.2} ms, p90 {p90_ms:.2} ms, p99 {p99_ms:.2} ms, max {max_ms:.2} ms of {count}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let hundred: Vec<u32> = (1..=100).collect();
        let check =
            |sorted: &[u32], percent, value| assert_eq!(percentile(sorted, percent), value, "{percent}");
        check(&hundred, 50, Some(50));
        check(&hundred, 99, Some(99));
        check(&hundred, 100, Some(100));
        check(&hundred, 0, Some(1));
        check(&hundred, 200, Some(100));
        check(&[7], 50, Some(7));
        check(&[7], 99, Some(7));
        check(&[1, 9], 50, Some(1));
        check(&[1, 9], 51, Some(9));
        check(&[], 50, None);
    }

    #[test]
    fn latencies_are_told_in_milliseconds_from_any_order() {
        let mut micros: Vec<u32> = (1..=1_000).rev().map(|number| number * 10).collect();
        let latency = Latency::of(&mut micros);
        let expected = Latency { p50_ms: 5.0, p90_ms: 9.0, p99_ms: 9.9, max_ms: 10.0, count: 1_000 };
        assert_eq!(latency, expected);
        assert_eq!(Latency::of(&mut []), Latency::default());
        assert_eq!(micros_u32(Duration::from_secs(7_200)), u32::MAX);
    }

    #[test]
    fn growth_is_in_percent_of_what_was() {
        assert_eq!(growth_percent(200.0, 210.0), Some(5.0));
        assert_eq!(growth_percent(200.0, 100.0), Some(-50.0));
        assert_eq!(growth_percent(0.0, 100.0), None);
    }
}
