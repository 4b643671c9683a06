//! When a client that was turned away tries again: as `socket.io-client` 4 does by its defaults. Does not know: why it
//! was turned away.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// The wait before the try `attempt`, counted from 0, of the client `index`: twice the last one from a second on, half
/// of it more or less, at most five seconds (`reconnectionDelay` 1000, `reconnectionDelayMax` 5000,
/// `randomizationFactor` 0.5). The chance in it is made of the numbers, so that a run can be repeated.
pub(crate) fn backoff(index: usize, attempt: u32) -> Duration {
    let delay = DELAY.saturating_mul(1 << attempt.min(ATTEMPTS_DISTINCT));
    delay.mul_f64(0.5 + chance(index, attempt)).min(DELAY_MAX)
}

/// Where in a span the client `index` falls: from 0 to less than 1, evenly.
pub(crate) fn chance(index: usize, attempt: u32) -> f64 {
    let mut hasher = DefaultHasher::new();
    (index, attempt).hash(&mut hasher);
    (hasher.finish() >> 11) as f64 / (1u64 << 53) as f64
}

const DELAY: Duration = Duration::from_secs(1);
const DELAY_MAX: Duration = Duration::from_secs(5);
/// Later ones are all beyond the greatest delay.
const ATTEMPTS_DISTINCT: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_try_waits_twice_as_long_up_to_five_seconds_give_or_take_a_half() {
        let check = |attempt, least, most| {
            let delays: Vec<f64> = (0..1_000).map(|index| backoff(index, attempt).as_secs_f64()).collect();
            let mean = delays.iter().sum::<f64>() / 1e3;
            assert!(delays.iter().all(|delay| (least..=most).contains(delay)), "{attempt}");
            assert!(mean >= least + 0.4 * (most - least), "{attempt}: {mean}");
        };
        check(0, 0.5, 1.5);
        check(1, 1.0, 3.0);
        check(2, 2.0, 5.0);
        check(9, 5.0, 5.0);
        assert_eq!(backoff(7, u32::MAX), Duration::from_secs(5));
    }

    #[test]
    fn clients_are_spread_evenly() {
        let early = (0..10_000).filter(|&index| chance(index, 0) < 0.25).count();
        assert!((2_300..2_700).contains(&early), "{early}");
    }
}
