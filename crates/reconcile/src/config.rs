//! The lengths and bounds that the reconciler keeps.

use std::time::Duration;

/// The lengths and bounds that the reconciler keeps.
#[derive(Debug, Clone)]
pub struct Config {
    /// After a node dies its sessions are gone within this and one second.
    pub lease: Duration,
    /// How long a local change waits for Redis before it is told from what is known.
    pub ready_timeout: Duration,
    /// How many sessions there may be.
    pub caps: Caps,
    /// Calls without a reply yet; bounds what one slow Redis makes us keep.
    pub calls_in_flight: usize,
    /// Fields in one sync; a script that runs longer holds up everybody.
    pub fields_per_sync: usize,
    /// Redis Cluster keeps no order between two slots, so the node's set of users is awaited before the first sync.
    pub is_cluster: bool,
}

/// How many sessions there may be, and what happens to one more. Counted when a session joins, after the one that it
/// replaces has gone. All nodes have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Of one user; `usize::MAX` for any number.
    pub per_user: usize,
    /// Of one login; `usize::MAX` for any number.
    pub per_login: usize,
    /// One more is let in, and the oldest of its login ends, or, where its login has room, of the login that has most.
    /// Otherwise it is refused.
    pub evict_oldest: bool,
}

impl Config {
    /// The defaults of the contract for this length of a lease, without caps.
    pub fn new(lease: Duration) -> Self {
        Self {
            lease,
            ready_timeout: Duration::from_millis(1000),
            caps: Caps::NONE,
            calls_in_flight: 64,
            fields_per_sync: 500,
            is_cluster: false,
        }
    }

    /// How long the key of a lease lives: shorter than the promise, so that finding out and reaping fit into it too.
    pub fn ttl(&self) -> Duration {
        self.lease * 4 / 5
    }

    /// How long a user's revision outlives the last session, and how long nothing is taken from a dead id: a late write
    /// may arrive so late. As long a node remembers what it has asked to end.
    pub fn keep(&self) -> Duration {
        self.lease * 4
    }

    /// How long the mark of an ended session is kept for a node that does not come to take it in: cut off from Redis, it
    /// goes on, and would say the session again when it is back.
    pub fn keep_ended(&self) -> Duration {
        Duration::from_hours(24)
    }
}

impl Caps {
    /// Any number.
    pub const NONE: Self = Self { per_user: usize::MAX, per_login: usize::MAX, evict_oldest: false };
}
