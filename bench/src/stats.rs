//! Percentiles and ratios. Does not know: what was measured.

/// The `percent`-th percentile of `sorted` by nearest rank: the smallest value that at least `percent` in 100 do not
/// exceed. `None` of nothing. `sorted` rises; `percent` above 100 counts as 100.
pub(crate) fn percentile(sorted: &[u32], percent: u32) -> Option<u32> {
    let rank = (sorted.len() as u64 * u64::from(percent)).div_ceil(100).max(1);
    let last = sorted.len().checked_sub(1)?;
    sorted.get(last.min(rank as usize - 1)).copied()
}

/// `now` against `before` in percent of `before`: 5.0 stands for five more in a hundred. 0 when `before` is 0.
pub(crate) fn growth_percent(before: u64, now: u64) -> f64 {
    if before == 0 {
        return 0.0;
    }
    (now as f64 - before as f64) / before as f64 * 100.0
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
    fn growth_is_in_percent_of_what_was() {
        assert_eq!(growth_percent(200, 210), 5.0);
        assert_eq!(growth_percent(200, 100), -50.0);
        assert_eq!(growth_percent(0, 100), 0.0);
    }
}
