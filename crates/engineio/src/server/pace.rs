//! How many packets one client may send: a token bucket in eight bytes, kept as the instant at which it would be full
//! again (the generic cell rate algorithm). Does not know: what a packet is.

use std::time::Instant;

/// The bucket of one client.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Nanoseconds after the server's start at which the bucket is full again.
    full_at: u64,
}

/// The rate and burst of all clients.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    interval: u64,
    burst: u64,
    start: Instant,
}

impl Rate {
    pub(super) fn new(per_second: u32, burst: u32, start: Instant) -> Self {
        let interval = 1_000_000_000 / u64::from(per_second.max(1));
        Self { interval, burst: interval * u64::from(burst.max(1)), start }
    }
}

impl Pace {
    /// A full bucket.
    pub(super) fn new() -> Self {
        Self { full_at: 0 }
    }

    /// Takes one packet; `false` when the bucket is empty.
    pub(super) fn take(&mut self, rate: &Rate, now: Instant) -> bool {
        let now = u64::try_from(now.saturating_duration_since(rate.start).as_nanos()).unwrap_or(u64::MAX);
        let full_at = self.full_at.max(now) + rate.interval;
        if full_at - now > rate.burst {
            return false;
        }
        self.full_at = full_at;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let start = super::super::clock::now();
        let rate = Rate::new(200, 1000, start);
        let mut pace = Pace::new();
        assert_eq!((0..2000).filter(|_| pace.take(&rate, start)).count(), 1000);
        let later = start + Duration::from_secs(1);
        assert_eq!((0..2000).filter(|_| pace.take(&rate, later)).count(), 200);
        let rested = later + Duration::from_secs(3600);
        assert_eq!((0..2000).filter(|_| pace.take(&rate, rested)).count(), 1000);
    }
}
