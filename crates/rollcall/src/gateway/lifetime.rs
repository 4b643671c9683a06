//! How long a token lets its session be open: when its client is told that the end is near, and when the end is. Both are
//! seconds of the wall clock; a socket's timer runs by the monotonic one, and [`Anchor`] says how the two stand.
//! Does not know: tokens, sockets.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::config::IdentityConfig;

/// The token of one open session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lifetime {
    /// `exp`, in seconds since the epoch.
    pub(super) expires_at: u32,
    /// The client knows that the end is near.
    is_told: bool,
}

/// What the passing of time means for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    /// The client is to be told.
    Expiring,
    /// The token is not good any more.
    Expired,
}

/// The times that are the same for all tokens.
#[derive(Debug)]
pub(super) struct Lifetimes {
    notice: u64,
    leeway: u64,
    anchor: Anchor,
}

/// How the wall clock stands to the monotonic one: read every second and with each look at a token, so that a step of
/// the wall clock shows. One for all sockets: an idle one reads no clock.
#[derive(Debug)]
struct Anchor {
    start: Instant,
    /// Milliseconds since the epoch at `start`, by the newest reading.
    unix_millis: AtomicU64,
}

impl Lifetime {
    pub(super) fn new(expires_at: u32) -> Self {
        Self { expires_at, is_told: false }
    }

    /// What is due now; a client is told once.
    pub(super) fn look(&mut self, lifetimes: &Lifetimes, clock: &Clock) -> Due {
        let now = lifetimes.anchor.read(clock);
        let expires_at = u64::from(self.expires_at) * 1000;
        if expires_at + lifetimes.leeway <= now {
            return Due::Expired;
        }
        if !self.is_told && expires_at <= now + lifetimes.notice {
            self.is_told = true;
            return Due::Expiring;
        }
        Due::Nothing
    }

    /// When [`Self::look`] has something to say, if the wall clock goes on as it does; `None` for never.
    pub(super) fn next_look(&self, lifetimes: &Lifetimes) -> Option<Instant> {
        let expires_at = u64::from(self.expires_at) * 1000;
        lifetimes.anchor.instant_of(match self.is_told {
            true => expires_at + lifetimes.leeway,
            false => expires_at.saturating_sub(lifetimes.notice),
        })
    }

    /// Whole seconds until the token expires; 0 when it has.
    pub(super) fn seconds_left(&self, clock: &Clock) -> u64 {
        (u64::from(self.expires_at) * 1000).saturating_sub(clock.unix_millis()) / 1000
    }
}

impl Lifetimes {
    pub(super) fn new(config: &IdentityConfig, clock: &Clock) -> Self {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 4);
        let anchor = Anchor { start: clock.now(), unix_millis: AtomicU64::new(clock.unix_millis()) };
        // A token is compared in whole seconds, leeway included.
        Self { notice: millis(config.expiring_notice), leeway: config.leeway.as_secs() * 1000, anchor }
    }

    /// Reads both clocks; to be called about every second.
    pub(super) fn read_clocks(&self, clock: &Clock) {
        self.anchor.read(clock);
    }
}

impl Anchor {
    /// Gives the wall clock's milliseconds since the epoch.
    fn read(&self, clock: &Clock) -> u64 {
        let (now, unix_millis) = (clock.now(), clock.unix_millis());
        let since_start = now.saturating_duration_since(self.start).as_millis();
        let at_start = unix_millis.saturating_sub(u64::try_from(since_start).unwrap_or(u64::MAX));
        self.unix_millis.store(at_start, Ordering::Relaxed);
        unix_millis
    }

    fn instant_of(&self, unix_millis: u64) -> Option<Instant> {
        let since_start = unix_millis.saturating_sub(self.unix_millis.load(Ordering::Relaxed));
        self.start.checked_add(Duration::from_millis(since_start))
    }
}

/// A session holds one.
const _: () = assert!(size_of::<Lifetime>() <= 8);

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;
    const SECONDS: u32 = 1_800_000_000;

    fn open() -> (Clock, Lifetimes) {
        let clock = Clock::manual(NOW);
        let config = IdentityConfig {
            leeway: Duration::from_secs(30),
            expiring_notice: Duration::from_secs(60),
            ..IdentityConfig::default()
        };
        let lifetimes = Lifetimes::new(&config, &clock);
        (clock, lifetimes)
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_is_told_once_a_minute_before_and_ends_after_the_leeway() {
        let (clock, lifetimes) = open();
        let start = clock.now();
        let mut lifetime = Lifetime::new(SECONDS + 900);
        assert_eq!(lifetime.look(&lifetimes, &clock), Due::Nothing);
        assert_eq!(lifetime.next_look(&lifetimes), Some(start + Duration::from_secs(840)));
        let at = |millis| {
            clock.set_unix_millis(NOW + millis);
            &clock
        };
        assert_eq!(lifetime.look(&lifetimes, at(839_999)), Due::Nothing);
        assert_eq!(lifetime.look(&lifetimes, at(840_000)), Due::Expiring);
        assert_eq!(lifetime.seconds_left(&clock), 60);
        assert_eq!(lifetime.look(&lifetimes, at(929_999)), Due::Nothing);
        assert_eq!(lifetime.seconds_left(&clock), 0);
        assert_eq!(lifetime.look(&lifetimes, at(930_000)), Due::Expired);
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_of_the_wall_clock_moves_the_end() {
        let (clock, lifetimes) = open();
        let start = clock.now();
        let lifetime = Lifetime::new(SECONDS + 900);
        clock.set_unix_millis(NOW + 3_600_000);
        lifetimes.read_clocks(&clock);
        assert_eq!(lifetime.next_look(&lifetimes), Some(start), "due at once");
        clock.set_unix_millis(NOW - 3_600_000);
        lifetimes.read_clocks(&clock);
        assert_eq!(lifetime.next_look(&lifetimes), Some(start + Duration::from_secs(3600 + 840)));
        clock.set_unix_millis(0);
        lifetimes.read_clocks(&clock);
        assert!(lifetime.next_look(&lifetimes).is_some_and(|at| at > start));
    }

    #[tokio::test(start_paused = true)]
    async fn the_look_comes_when_it_was_asked_for_while_both_clocks_go_on() {
        let (clock, lifetimes) = open();
        let mut lifetime = Lifetime::new(SECONDS + 100);
        let first = lifetime.next_look(&lifetimes).unwrap();
        let wait = first - clock.now();
        tokio::time::advance(wait).await;
        clock.set_unix_millis(NOW + u64::try_from(wait.as_millis()).unwrap());
        assert_eq!(lifetime.look(&lifetimes, &clock), Due::Expiring);
        assert_eq!(lifetime.next_look(&lifetimes), Some(first + Duration::from_secs(90)));
    }
}
