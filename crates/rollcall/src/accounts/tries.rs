//! How often somebody may try: by client address, so that nobody floods, and by name, so that nobody guesses. A name is
//! never locked: its tries are only spaced out, and an address from which it has logged in keeps a count of its own, so
//! that whoever guesses from elsewhere does not keep the owner out. Does not know: passwords, whether a name exists.

use std::hash::{BuildHasher, Hash, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use quick_cache::unsync::Cache;

use crate::config::AccountsConfig;

/// Counts tries, in memory of a bounded size: of a million keys those go first that were met once.
pub struct Tries {
    begun: Instant,
    /// Keys are hashed with a secret of this process: nobody can choose one that meets another's.
    hasher: RandomState,
    logins: NonZeroU32,
    registrations: NonZeroU32,
    refreshes: NonZeroU32,
    longest_delay: Duration,
    /// By kind and address: when its allowance will be whole again, in milliseconds since `begun`.
    addresses: Mutex<Cache<u64, u64>>,
    /// By name, and by name and address where it has logged in from.
    names: Mutex<Cache<u64, Failures>>,
}

/// What is counted by address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TryKind {
    /// A password is to be judged.
    Login,
    /// An account is to be made.
    Register,
    /// A refresh token is to be looked up.
    Refresh,
}

/// Too many tries: the time after which the next one is allowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wait(pub Duration);

/// One try that is under way. It counts as a wrong one until [`Tries::settle`] is told otherwise: many at once do not
/// slip through before the first of them is judged.
#[derive(Debug)]
pub struct Try {
    key: u64,
    /// Of the name together with the address.
    pair: u64,
}

/// What a try came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TryOutcome {
    /// The password was right.
    Right,
    /// It was not judged, for a reason that is ours.
    NotJudged,
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    /// Milliseconds since `begun`.
    last_at: u64,
}

impl Tries {
    /// By these rules, from `now` on.
    pub fn new(config: &AccountsConfig, now: Instant) -> Self {
        Self {
            begun: now,
            hasher: RandomState::new(),
            logins: config.logins_per_minute,
            registrations: config.registrations_per_minute,
            refreshes: config.refreshes_per_minute,
            longest_delay: config.longest_delay,
            addresses: Mutex::new(Cache::new(KEYS)),
            names: Mutex::new(Cache::new(KEYS)),
        }
    }

    /// Whether this address may try once more. Its allowance is that of a minute and fills evenly (GCRA, the generic
    /// cell rate algorithm); all addresses of one IPv6 /64, which one client may have, share theirs.
    pub fn admit(&self, now: Instant, kind: TryKind, address: IpAddr) -> Result<(), Wait> {
        let per_minute = match kind {
            TryKind::Login => self.logins,
            TryKind::Register => self.registrations,
            TryKind::Refresh => self.refreshes,
        };
        let interval = MINUTE / u64::from(per_minute.get());
        let key = self.hasher.hash_one((kind, network(address)));
        let now = self.millis(now);
        let mut addresses = lock(&self.addresses);
        let whole_at = addresses.get(&key).map_or(now, |whole_at| now.max(*whole_at));
        let next = whole_at + interval.max(1);
        if next > now + MINUTE {
            return Err(Wait(Duration::from_millis(next - now - MINUTE)));
        }
        addresses.insert(key, next);
        Ok(())
    }

    /// Whether this name may be tried once more from this address; counts the try.
    pub fn begin(&self, now: Instant, name: &str, address: IpAddr) -> Result<Try, Wait> {
        let now = self.millis(now);
        let pair = self.hasher.hash_one((name, network(address)));
        let mut names = lock(&self.names);
        let known_here = names.get(&pair).is_some_and(|known| now.saturating_sub(known.last_at) < KNOWN_FOR);
        let key = if known_here { pair } else { self.hasher.hash_one(name) };
        let Failures { count, last_at } =
            names.get(&key).copied().unwrap_or(Failures { count: 0, last_at: now });
        // Of two at once the one that comes second may have read the clock first.
        let now = now.max(last_at);
        let allowed_at = last_at.saturating_add(self.delay(count));
        if now < allowed_at {
            return Err(Wait(Duration::from_millis(allowed_at - now)));
        }
        let count = if now - last_at >= FORGOTTEN_AFTER { 0 } else { count };
        names.insert(key, Failures { count: count.saturating_add(1), last_at: now });
        Ok(Try { key, pair })
    }

    /// What a try came to. One that is never settled was a wrong one.
    pub fn settle(&self, now: Instant, one: Try, outcome: TryOutcome) {
        let mut names = lock(&self.names);
        match outcome {
            TryOutcome::Right => {
                names.remove(&one.key);
                names.insert(one.pair, Failures { count: 0, last_at: self.millis(now) });
            }
            TryOutcome::NotJudged => {
                if let Some(mut failures) = names.get_mut(&one.key) {
                    failures.count = failures.count.saturating_sub(1);
                }
            }
        }
    }

    /// Milliseconds between a try after `count` wrong ones and the one before.
    fn delay(&self, count: u32) -> u64 {
        match count.checked_sub(FREE_TRIES) {
            None => 0,
            Some(beyond) => {
                let longest = u64::try_from(self.longest_delay.as_millis()).unwrap_or(u64::MAX);
                (1000_u64 << beyond.min(32)).min(longest)
            }
        }
    }

    fn millis(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.begun).as_millis()).unwrap_or(u64::MAX)
    }
}

/// What one client has: an IPv4 address, or an IPv6 network of 64 bits.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// No code that runs under the lock can leave half a change behind.
fn lock<V>(table: &Mutex<Cache<u64, V>>) -> MutexGuard<'_, Cache<u64, V>> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keys of each of the two tables, which grow as they are needed to some 30 MB each.
const KEYS: usize = 500_000;
/// Wrong passwords of one name before tries are spaced out: what somebody types who has several.
const FREE_TRIES: u32 = 5;
/// Milliseconds.
const MINUTE: u64 = 60 * 1000;
/// Without a try for this long, a name begins anew.
const FORGOTTEN_AFTER: u64 = 60 * MINUTE;
/// An address from which nobody has tried for this long is a stranger's again.
const KNOWN_FOR: u64 = 30 * 24 * 60 * MINUTE;

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, 1));
    const THERE: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 2, 0, 0, 0, 1));

    fn tries(now: Instant) -> Tries {
        let per_minute = NonZeroU32::new(60).unwrap();
        let config = AccountsConfig {
            logins_per_minute: per_minute,
            refreshes_per_minute: per_minute,
            registrations_per_minute: NonZeroU32::new(2).unwrap(),
            longest_delay: Duration::from_secs(60),
            ..AccountsConfig::default()
        };
        Tries::new(&config, now)
    }

    fn now() -> Instant {
        crate::clock::Clock::system().now()
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_address_has_a_minutes_worth_at_once_and_then_the_rate() {
        let now = now();
        let tries = tries(now);
        for _ in 0..60 {
            tries.admit(now, TryKind::Login, HERE).unwrap();
        }
        assert_eq!(tries.admit(now, TryKind::Login, HERE), Err(Wait(SECOND)));
        assert_eq!(tries.admit(now + SECOND / 4, TryKind::Login, HERE), Err(Wait(SECOND * 3 / 4)));
        tries.admit(now + SECOND, TryKind::Login, HERE).unwrap();
        assert_eq!(tries.admit(now + SECOND, TryKind::Login, HERE), Err(Wait(SECOND)));
        // Other kinds and other addresses have their own.
        tries.admit(now, TryKind::Refresh, HERE).unwrap();
        tries.admit(now, TryKind::Register, HERE).unwrap();
        tries.admit(now, TryKind::Register, HERE).unwrap();
        assert_eq!(tries.admit(now, TryKind::Register, HERE), Err(Wait(SECOND * 30)));
        tries.admit(now, TryKind::Login, THERE).unwrap();
        for _ in 0..60 {
            tries.admit(now + SECOND * 61, TryKind::Login, HERE).unwrap();
        }
    }

    #[test]
    fn addresses_of_one_64_bit_network_are_one_client_and_ipv4_ones_are_each_their_own() {
        let same = |one: &str, other: &str| network(one.parse().unwrap()) == network(other.parse().unwrap());
        assert!(same("2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff"));
        assert!(!same("2001:db8:0:1::1", "2001:db8:0:2::1"));
        assert!(!same("192.0.2.1", "192.0.2.2"));
        assert!(same("192.0.2.1", "::ffff:192.0.2.1"));
    }

    #[test]
    fn wrong_passwords_are_spaced_out_more_and_more_and_never_locked() {
        let mut now = now();
        let tries = tries(now);
        for _ in 0..5 {
            tries.begin(now, "ada", HERE).unwrap();
        }
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            let wait = Duration::from_secs(seconds);
            assert_eq!(tries.begin(now, "ada", HERE).unwrap_err(), Wait(wait));
            // What is refused does not count; from elsewhere it is the same name.
            assert_eq!(tries.begin(now + wait / 2, "ada", THERE).unwrap_err(), Wait(wait / 2));
            now += wait;
            tries.begin(now, "ada", THERE).unwrap();
        }
        tries.begin(now, "bob", HERE).unwrap();
        now += Duration::from_millis(FORGOTTEN_AFTER);
        for _ in 0..5 {
            tries.begin(now, "ada", HERE).unwrap();
        }
        tries.begin(now, "ada", HERE).unwrap_err();
    }

    #[test]
    fn many_tries_at_once_count_before_they_are_judged() {
        let now = now();
        let tries = tries(now);
        let begun: Vec<_> = (0..100).map(|_| tries.begin(now, "ada", HERE)).filter_map(Result::ok).collect();
        assert_eq!(begun.len(), 5);
    }

    #[test]
    fn the_right_password_begins_anew_and_one_that_was_not_judged_does_not_count() {
        let now = now();
        let tries = tries(now);
        for _ in 0..20 {
            let one = tries.begin(now, "ada", HERE).unwrap();
            tries.settle(now, one, TryOutcome::NotJudged);
        }
        for _ in 0..4 {
            tries.begin(now, "ada", HERE).unwrap();
        }
        let right = tries.begin(now, "ada", HERE).unwrap();
        tries.settle(now, right, TryOutcome::Right);
        for _ in 0..5 {
            tries.begin(now, "ada", HERE).unwrap();
        }
        tries.begin(now, "ada", HERE).unwrap_err();
    }

    #[test]
    fn who_guesses_elsewhere_does_not_keep_the_owner_out() {
        let now = now();
        let tries = tries(now);
        let right = tries.begin(now, "ada", HERE).unwrap();
        tries.settle(now, right, TryOutcome::Right);
        while tries.begin(now, "ada", THERE).is_ok() {}
        let again = tries.begin(now, "ada", HERE).unwrap();
        tries.settle(now, again, TryOutcome::Right);
        tries.begin(now, "ada", THERE).unwrap_err();
        // Nor may the owner's address guess for ever.
        for _ in 0..5 {
            tries.begin(now, "ada", HERE).unwrap();
        }
        tries.begin(now, "ada", HERE).unwrap_err();
    }

    #[test]
    fn a_million_addresses_and_names_take_a_bounded_room() {
        let now = now();
        let tries = tries(now);
        // Whoever tries again and again is remembered while others come once.
        while tries.begin(now, "ada", HERE).is_ok() {}
        for number in 0..1_000_000_u32 {
            let address = IpAddr::V4(number.into());
            tries.admit(now, TryKind::Login, address).unwrap();
            tries.begin(now, &number.to_string(), address).unwrap();
            if number % 10_000 == 0 {
                tries.begin(now, "ada", HERE).unwrap_err();
            }
        }
        assert!(lock(&tries.addresses).len() <= KEYS && lock(&tries.names).len() <= KEYS);
        tries.begin(now, "ada", HERE).unwrap_err();
    }
}
