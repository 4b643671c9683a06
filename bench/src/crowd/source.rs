//! Source addresses for a crowd of connections. Does not know: sockets.
//!
//! A kernel that must find a free port crawls when one address has many connections to one port. So each connection
//! brings its own pair of address and port, and nothing is searched. (The option `IP_BIND_ADDRESS_NO_PORT` would leave
//! the search to `connect`; no safe wrapper offers it.)

use std::net::{Ipv4Addr, SocketAddrV4};

/// Hands out pairs of address and port, none of them twice before all were used.
#[derive(Debug)]
pub(crate) struct Sources {
    next: u32,
}

impl Sources {
    /// Starts at a place that `seed`, the process id, moves: two runs soon after one another then do not meet the
    /// closed connections that the kernel remembers for a minute.
    pub(crate) fn new(seed: u32) -> Self {
        Self { next: seed % (ADDRESSES / ADDRESSES_APART) * ADDRESSES_APART * PORTS_PER_ADDRESS }
    }

    /// The next pair: [`PORTS_PER_ADDRESS`] ports of an address of 127.0.0.0/16, then the next address.
    pub(crate) fn next(&mut self) -> SocketAddrV4 {
        let number = self.next;
        self.next = (number + 1) % (ADDRESSES * PORTS_PER_ADDRESS);
        let address = number / PORTS_PER_ADDRESS;
        let [third, fourth] = [1 + address / HOSTS, 1 + address % HOSTS].map(|byte| byte as u8);
        SocketAddrV4::new(
            Ipv4Addr::new(127, 0, third, fourth),
            FIRST_PORT + (number % PORTS_PER_ADDRESS) as u16,
        )
    }
}

/// Connections from one address: few enough for short chains in the kernel's tables.
const PORTS_PER_ADDRESS: u32 = 2_000;
/// Below the range that the kernel picks from (32768 to 60999), and away from the ports of well-known services.
const FIRST_PORT: u16 = 20_000;
const HOSTS: u32 = 250;
const ADDRESSES: u32 = 250 * HOSTS;
/// Between the starts of two runs: room for 128,000 connects.
const ADDRESSES_APART: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_pair_comes_twice_and_no_address_more_than_2000_times() {
        let mut sources = Sources::new(0);
        let pairs: Vec<SocketAddrV4> = (0..100_000).map(|_| sources.next()).collect();
        assert_eq!(pairs.iter().collect::<HashSet<_>>().len(), pairs.len());
        let first: Vec<_> = pairs.iter().filter(|pair| pair.ip() == pairs[0].ip()).collect();
        assert_eq!(first.len(), 2_000);
        assert_eq!(pairs[0], "127.0.1.1:20000".parse().unwrap());
        assert_eq!(pairs[99_999], "127.0.1.50:21999".parse().unwrap());
    }

    #[test]
    fn every_start_is_on_the_own_machine_and_the_end_wraps() {
        for seed in [0, 1, 975, 976, 4_000_000, u32::MAX] {
            let mut sources = Sources::new(seed);
            assert!(sources.next().ip().octets().starts_with(&[127, 0]), "{seed}");
        }
        let mut sources = Sources { next: ADDRESSES * PORTS_PER_ADDRESS - 1 };
        assert_eq!(sources.next(), "127.0.250.250:21999".parse().unwrap());
        assert_eq!(sources.next(), "127.0.1.1:20000".parse().unwrap());
    }
}
