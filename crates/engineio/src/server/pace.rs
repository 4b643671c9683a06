//! How many packets one client may send, or how often somebody may do something else: a token bucket in eight bytes,
//! kept as the instant at which it would be full again (the generic cell rate algorithm). Does not know: what it counts.

use std::time::{Duration, Instant};

/// The bucket of one client.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    /// Nanoseconds after the server's start at which the bucket is full again.
    full_at: u64,
}

/// The rate and burst of all clients.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    interval: u64,
    burst: u64,
    start: Instant,
}

impl Rate {
    /// So many a second on average and so many at once; `start` is before every `now` that will come.
    pub fn new(per_second: u32, burst: u32, start: Instant) -> Self {
        let interval = 1_000_000_000 / u64::from(per_second.max(1));
        Self { interval, burst: interval * u64::from(burst.max(1)), start }
    }
}

impl Pace {
    /// A full bucket.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one packet; `false` when the bucket is empty.
    pub fn take(&mut self, rate: &Rate, now: Instant) -> bool {
        self.try_take(rate, now).is_ok()
    }

    /// Takes one packet.
    ///
    /// # Errors
    /// The time until there will be one again.
    pub fn try_take(&mut self, rate: &Rate, now: Instant) -> Result<(), Duration> {
        let now = u64::try_from(now.saturating_duration_since(rate.start).as_nanos()).unwrap_or(u64::MAX);
        let full_at = self.full_at.max(now).saturating_add(rate.interval);
        match (full_at - now).checked_sub(rate.burst) {
            None | Some(0) => {
                self.full_at = full_at;
                Ok(())
            }
            Some(early) => Err(Duration::from_nanos(early)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let start = super::super::clock::now();
        let rate = Rate::new(200, 1000, start);
        let mut pace = Pace::new();
        assert_eq!((0..2000).filter(|_| pace.take(&rate, start)).count(), 1000);
        let later = start + Duration::from_secs(1);
        assert_eq!((0..2000).filter(|_| pace.take(&rate, later)).count(), 200);
        assert_eq!(pace.try_take(&rate, later), Err(Duration::from_millis(5)));
        let rested = later + Duration::from_secs(3600);
        assert_eq!((0..2000).filter(|_| pace.take(&rate, rested)).count(), 1000);
    }
}
