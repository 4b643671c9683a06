//! How often somebody may try: by client address, so that nobody floods, and by name, so that nobody guesses. A name is
//! never locked: its tries are only spaced out. Who must wait is told when the try is theirs, and then it is, whatever
//! others do; an address from which the name has logged in keeps a count of its own. Does not know: passwords, whether a
//! name exists.

use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use quick_cache::unsync::Cache;

use crate::config::AccountsConfig;
use crate::overload::network;

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
    names: Mutex<Names>,
}

struct Names {
    /// By name, and by name and address where it has logged in from.
    failures: Cache<u64, Failures>,
    /// By name and address: when its next try is, in milliseconds since `begun`.
    places: Cache<u64, u64>,
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
    /// It had waited for this.
    had_place: bool,
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
    /// When the try of the last in line is, if anybody waits.
    line_ends: u64,
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
            names: Mutex::new(Names { failures: Cache::new(KEYS), places: Cache::new(KEYS) }),
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

    /// Whether this name may be tried once more from this address; counts the try. Who must wait has a place in the line
    /// of the name from then on, one an address: its time comes whatever others do, and is kept for a while.
    pub fn begin(&self, now: Instant, name: &str, address: IpAddr) -> Result<Try, Wait> {
        let now = self.millis(now);
        let pair = self.pair(name, address);
        let mut names = lock(&self.names);
        let known_here =
            names.failures.get(&pair).is_some_and(|known| now.saturating_sub(known.last_at) < KNOWN_FOR);
        let key = if known_here { pair } else { self.hasher.hash_one(name) };
        let begins = Failures { count: 0, last_at: now, line_ends: 0 };
        let mut failures = names.failures.get(&key).copied().unwrap_or(begins);
        // Of two at once the one that comes second may have read the clock first.
        let now = now.max(failures.last_at);
        if now - failures.last_at >= FORGOTTEN_AFTER {
            failures.count = 0;
        }
        let place = names.places.get(&pair).copied().filter(|at| now <= at.saturating_add(PLACE_KEPT));
        let at = place.unwrap_or_else(|| self.next_place(now, &mut failures));
        if now < at {
            if place.is_none() {
                names.places.insert(pair, at);
                names.failures.insert(key, failures);
            }
            return Err(Wait(Duration::from_millis(at - now)));
        }
        names.places.remove(&pair);
        (failures.count, failures.last_at) = (failures.count.saturating_add(1), now);
        names.failures.insert(key, failures);
        Ok(Try { key, pair, had_place: place.is_some() })
    }

    /// What a try came to. One that is never settled was a wrong one.
    pub fn settle(&self, now: Instant, one: Try, outcome: TryOutcome) {
        let now = self.millis(now);
        let mut names = lock(&self.names);
        match outcome {
            TryOutcome::Right => {
                names.failures.remove(&one.key);
                names.know(now, one.pair);
            }
            TryOutcome::NotJudged => {
                if let Some(mut failures) = names.failures.get_mut(&one.key) {
                    failures.count = failures.count.saturating_sub(1);
                }
                if one.had_place {
                    names.places.insert(one.pair, now);
                }
            }
        }
    }

    /// This name belongs to who is at this address: from there it has a count of its own.
    pub fn know(&self, now: Instant, name: &str, address: IpAddr) {
        lock(&self.names).know(self.millis(now), self.pair(name, address));
    }

    /// When one that has no place yet may try: now, or one delay after the last in line. Of a line that is full the last
    /// place is shared: who has a thousand addresses must not make the owner wait a thousand delays.
    fn next_place(&self, now: u64, failures: &mut Failures) -> u64 {
        let delay = self.delay(failures.count);
        let at = failures.last_at.max(failures.line_ends).saturating_add(delay);
        if delay == 0 || at <= now {
            return now;
        }
        if at <= now.saturating_add(delay.saturating_mul(PLACES)) {
            failures.line_ends = at;
        }
        failures.line_ends.max(now)
    }

    fn pair(&self, name: &str, address: IpAddr) -> u64 {
        self.hasher.hash_one((name, network(address)))
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

impl Names {
    fn know(&mut self, now: u64, pair: u64) {
        self.failures.insert(pair, Failures { count: 0, last_at: now, line_ends: 0 });
    }
}

/// No code that runs under the lock can leave half a change behind.
fn lock<T>(table: &Mutex<T>) -> MutexGuard<'_, T> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keys of each of the three tables, which grow as they are needed to some 30 MB each.
const KEYS: usize = 500_000;
/// Wrong passwords of one name before tries are spaced out: what somebody types who has several.
const FREE_TRIES: u32 = 5;
/// Places in the line of one name. Half an hour at the longest delay of a minute: what the owner waits, once, at an
/// address that is new, while thirty others guess.
const PLACES: u64 = 30;
/// Milliseconds for which a place is kept for who does not come in time: a person reads, and types.
const PLACE_KEPT: u64 = MINUTE;
/// Milliseconds.
const MINUTE: u64 = 60 * 1000;
/// Without a try for this long, a name begins anew.
const FORGOTTEN_AFTER: u64 = 60 * MINUTE;
/// An address from which nobody has tried for this long is a stranger's again.
const KNOWN_FOR: u64 = 30 * 24 * 60 * MINUTE;

#[cfg(test)]
mod tests;
