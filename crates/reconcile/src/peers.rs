//! The other nodes: the table as last read, who of them is dead, and whether this node may act on it.
//! Does not know: users, how a table is read.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::call::NodeId;

#[derive(Debug)]
pub(crate) struct Peers {
    lease: Duration,
    table: BTreeMap<NodeId, Peer>,
    /// Ids that a list has named and the table has not, and since when.
    strangers: BTreeMap<NodeId, Duration>,
    /// When Redis was last known to be away, or to have lost data.
    trouble: Duration,
    next_look: Duration,
    is_looking: bool,
    /// Dead ids whose users here have been told to drop them.
    handled: BTreeSet<NodeId>,
}

/// A node in the table.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    pub(crate) is_alive: bool,
    /// Since when its set of users is known to be empty.
    pub(crate) empty_since: Option<Duration>,
    /// When to look at its set again.
    pub(crate) look_at: Duration,
}

impl Peers {
    pub(crate) fn new(lease: Duration) -> Self {
        Self {
            lease,
            table: BTreeMap::new(),
            strangers: BTreeMap::new(),
            trouble: Duration::ZERO,
            next_look: Duration::ZERO,
            is_looking: false,
            handled: BTreeSet::new(),
        }
    }

    /// Whether to read the table now.
    pub(crate) fn poll(&mut self, now: Duration) -> bool {
        let is_due = !self.is_looking && now >= self.next_look;
        if is_due {
            self.is_looking = true;
            self.next_look = now + LOOK_EVERY;
        }
        is_due
    }

    /// The table was read, or not, by a call made at `sent`.
    pub(crate) fn handle_table(&mut self, now: Duration, sent: Duration, table: Option<&[(NodeId, bool)]>) {
        self.is_looking = false;
        let Some(table) = table else {
            return self.distrust(now);
        };
        if now.saturating_sub(sent) >= STALL {
            // Redis, or this process, stood still. Time to live runs on in a Redis that stands still, so leases that are
            // gone now may belong to nodes that could not renew them.
            return self.distrust(now);
        }
        self.table.retain(|node, _| table.iter().any(|(listed, _)| listed == node));
        for (node, is_alive) in table {
            self.table.entry(*node).or_default().is_alive = *is_alive;
            self.strangers.remove(node);
        }
        let forget_after = self.lease * STRANGER_LEASES;
        self.strangers.retain(|_, since| now < *since + forget_after);
        self.handled.retain(|node| self.table.contains_key(node) || self.strangers.contains_key(node));
    }

    /// Redis was away or has lost data: what looks dead may not be.
    pub(crate) fn distrust(&mut self, now: Duration) {
        self.trouble = self.trouble.max(now);
    }

    /// The connection has ended, with whatever was asked on it.
    pub(crate) fn handle_disconnected(&mut self, now: Duration) {
        self.is_looking = false;
        self.distrust(now);
    }

    /// A list names this node.
    pub(crate) fn handle_named(&mut self, now: Duration, node: NodeId) {
        if !self.table.contains_key(&node) {
            self.strangers.entry(node).or_insert(now);
        }
    }

    /// Whether what looks dead is dead; `held_since` is that of the own lease.
    pub(crate) fn may_reap(&self, now: Duration, held_since: Option<Duration>) -> bool {
        held_since.is_some_and(|since| now >= since + self.lease && now >= self.trouble + self.lease)
    }

    /// Ids without a lease. An id without a lease never gets one again, so this holds however late it is used. One that
    /// no table has named for a whole lease is dead too: whoever lives puts itself into the table with each renewal. It
    /// comes from a write that arrived after its id was removed.
    pub(crate) fn dead(&self, now: Duration) -> impl Iterator<Item = NodeId> {
        let dead = self.table.iter().filter(|(_, peer)| !peer.is_alive).map(|(node, _)| *node);
        let strangers = self.strangers.iter().filter(move |(_, since)| now >= **since + self.lease);
        dead.chain(strangers.map(|(node, _)| *node))
    }

    pub(crate) fn is_dead(&self, now: Duration, node: NodeId) -> bool {
        self.dead(now).any(|dead| dead == node)
    }

    /// Without the right to reap nobody is dropped; with it again, all are looked at afresh.
    pub(crate) fn handle_no_right(&mut self) {
        self.handled.clear();
    }

    /// Those of [`Self::dead`] that have not been given by this before.
    pub(crate) fn newly_dead(&mut self, now: Duration) -> Vec<NodeId> {
        let newly: Vec<_> = self.dead(now).filter(|node| !self.handled.contains(node)).collect();
        self.handled.extend(&newly);
        newly
    }

    /// Ids with a lease.
    pub(crate) fn alive(&self) -> impl Iterator<Item = NodeId> {
        self.table.iter().filter(|(_, peer)| peer.is_alive).map(|(node, _)| *node)
    }

    /// Dead ids in the table whose sets of users are to be looked at.
    pub(crate) fn to_look_at(&self, now: Duration) -> Vec<NodeId> {
        let due = self.table.iter().filter(|(_, peer)| !peer.is_alive && now >= peer.look_at);
        due.map(|(node, _)| *node).collect()
    }

    pub(crate) fn peer(&mut self, node: NodeId) -> Option<&mut Peer> {
        self.table.get_mut(&node)
    }

    /// When the table is to be read again.
    pub(crate) fn next_timeout(&self) -> Option<Duration> {
        (!self.is_looking).then_some(self.next_look)
    }
}

/// With a lease of 0.8 of the promise, half of what is left at the least goes to reaping.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A read that takes as long says more of Redis than of the nodes. Well below what is left of a lease renewed in time.
const STALL: Duration = Duration::from_millis(1000);
/// How long a stranger is remembered; if it is named again later, it is a stranger again.
const STRANGER_LEASES: u32 = 4;
