//! How many of something each address has, exactly, in some twenty bytes an address that has any. Does not know: of what.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counts by address; all addresses of one IPv6 /64 are one.
#[derive(Debug)]
pub(super) struct Addresses {
    max: u32,
    /// With a secret of this process: nobody can choose an address that meets another's.
    hasher: RandomState,
    shards: [Mutex<HashMap<Key, u32>>; SHARDS],
}

/// 31 bits of an address' hash. Of a million addresses some hundred share theirs with one other, and count as one with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(pub(super) u32);

impl Addresses {
    /// Nobody has any; `max` are the most that one may have.
    pub(super) fn new(max: u32) -> Self {
        Self { max, hasher: RandomState::new(), shards: std::array::from_fn(|_| Mutex::default()) }
    }

    /// One more of this address; `None` when it has as many as it may.
    pub(super) fn enter(&self, address: IpAddr) -> Option<Key> {
        let key = Key((self.hasher.hash_one(network(address)) >> 33) as u32);
        let mut shard = self.shard(key);
        let count = shard.entry(key).or_default();
        // Who has none is not entered for being refused.
        debug_assert!(self.max > 0, "a configured limit is one or more");
        (*count < self.max).then(|| {
            *count += 1;
            key
        })
    }

    /// One less.
    pub(super) fn leave(&self, key: Key) {
        let mut shard = self.shard(key);
        if let Entry::Occupied(mut entry) = shard.entry(key) {
            *entry.get_mut() = entry.get().saturating_sub(1);
            if *entry.get() == 0 {
                entry.remove();
            }
        }
        // What a flood from many addresses has made large is not kept.
        if shard.capacity() > KEPT && shard.len() < shard.capacity() / 8 {
            shard.shrink_to(KEPT);
        }
    }

    pub(super) fn max(&self) -> u32 {
        self.max
    }

    /// Addresses that have any.
    pub(super) fn len(&self) -> usize {
        (0..SHARDS).map(|shard| lock(&self.shards[shard]).len()).sum()
    }

    fn shard(&self, key: Key) -> MutexGuard<'_, HashMap<Key, u32>> {
        lock(&self.shards[key.0 as usize % SHARDS])
    }
}

/// What one client has: an IPv4 address, or an IPv6 network of 64 bits.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// No code that runs under the lock can leave half a change behind.
fn lock<T>(table: &Mutex<T>) -> MutexGuard<'_, T> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

/// So that those who come and go at once seldom wait for one another, or for a table that grows.
const SHARDS: usize = 16;
/// Addresses a shard for which room is kept.
const KEPT: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_own_count_and_gives_it_back() {
        let addresses = Addresses::new(2);
        let (here, there) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let first = addresses.enter(here).unwrap();
        addresses.enter(here).unwrap();
        assert_eq!(addresses.enter(here), None);
        addresses.enter(there).unwrap();
        addresses.leave(first);
        addresses.enter(here).unwrap();
        assert_eq!(addresses.enter(here), None);
        assert_eq!(addresses.len(), 2);
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
    fn many_addresses_leave_neither_counts_nor_room_behind() {
        let addresses = Addresses::new(1);
        let keys: Vec<_> =
            (0..500_000_u32).filter_map(|number| addresses.enter(IpAddr::V4(number.into()))).collect();
        assert!(keys.len() > 499_000, "{} of 500,000 had an entry of their own", keys.len());
        keys.into_iter().for_each(|key| addresses.leave(key));
        let kept: usize = addresses.shards.iter().map(|shard| lock(shard).capacity()).sum();
        assert!(addresses.len() == 0 && kept <= 4 * SHARDS * KEPT, "room for {kept}");
    }
}
