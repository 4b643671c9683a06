//! What goes in and out of the reconciler, as plain values: calls and their replies, messages, events.
//! Does not know: why a call is made, how it is carried out.

use std::time::Duration;

/// One lease of a node: random, never used again after the lease has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

/// Ties a reply to its call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// The lengths and bounds that the reconciler keeps.
#[derive(Debug, Clone)]
pub struct Config {
    /// After a node dies its sessions are gone within this and one second.
    pub lease: Duration,
    /// How long a local change waits for Redis before it is told from what is known.
    pub ready_timeout: Duration,
    /// Calls without a reply yet; bounds what one slow Redis makes us keep.
    pub calls_in_flight: usize,
    /// Fields in one sync; a script that runs longer holds up everybody.
    pub fields_per_sync: usize,
    /// Redis Cluster keeps no order between two slots, so the node's set of users is awaited before the first sync.
    pub is_cluster: bool,
}

impl Config {
    /// The defaults of the contract for this length of a lease.
    pub fn new(lease: Duration) -> Self {
        Self {
            lease,
            ready_timeout: Duration::from_millis(1000),
            calls_in_flight: 64,
            fields_per_sync: 500,
            is_cluster: false,
        }
    }

    /// How long the key of a lease lives: shorter than the promise, so that finding out and reaping fit into it too.
    pub fn ttl(&self) -> Duration {
        self.lease * 4 / 5
    }
}

/// A session as the others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<S, I> {
    /// Which session.
    pub session: S,
    /// Where its socket is.
    pub node: NodeId,
    /// What is told of it.
    pub item: I,
}

/// A session of this node, as a sync says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field<S, I> {
    /// Which session.
    pub session: S,
    /// What is told of it.
    pub item: I,
    /// Nobody was told of it yet, so the cap may refuse it. What is said again is always taken.
    pub is_join: bool,
}

/// The full set of this node's sessions of one user, or a part of it.
#[derive(Debug, Clone)]
pub struct Sync<U, S, I> {
    /// Whose sessions.
    pub user: U,
    /// Under which lease.
    pub node: NodeId,
    /// Grows with each set of this node, the same for all its parts: a set that arrives late is not written.
    pub seq: u64,
    /// Counted from 0.
    pub part: u32,
    /// Fields of this node that no part has named are removed now.
    pub is_last: bool,
    /// The sessions.
    pub fields: Vec<Field<S, I>>,
    /// The revision that Redis gave last, 0 for none: if Redis has less now, it has lost data.
    pub held: u64,
    /// The highest revision that was told here: the next one has to be above it.
    pub highest: u64,
    /// Ids whose fields are dropped, and from which nothing is taken any more.
    pub dead: Vec<NodeId>,
}

/// One round trip to Redis.
#[derive(Debug, Clone)]
pub enum Call<U, S, I> {
    /// Subscribe to this node's channel and to the common one, on the second connection. Reply: `Done`.
    Subscribe {
        /** Whose channel. */
        node: NodeId,
    },
    /// `SET lease:<node> NX PX ttl`, then add it to the table: in this order, since an id in the table without a lease is dead. Reply: `Held`.
    Claim {
        /** Whose lease. */
        node: NodeId,
        /** Its length. */
        ttl: Duration,
    },
    /// `SET lease:<node> XX PX ttl`, then add it to the table again, should that have been lost. Reply: `Held`.
    Renew {
        /** Whose lease. */
        node: NodeId,
        /** Its length. */
        ttl: Duration,
    },
    /// Add a user to the node's set, with the score `seq` unless it has a higher one. Reply: `Done`.
    AddUser {
        /** Whose set. */
        node: NodeId,
        /** Who. */
        user: U,
        /** When. */
        seq: u64,
    },
    /// Remove a user from a node's set unless its score is higher than `seq`: it was added again. Reply: `Done`.
    RemoveUser {
        /** Whose set. */
        node: NodeId,
        /** Who. */
        user: U,
        /** When. */
        seq: u64,
    },
    /// `sync.lua`. Reply: `Synced`.
    Sync(Sync<U, S, I>),
    /// [`Message::Changed`] on the channels of these nodes. Reply: `Done`.
    Publish {
        /** To whom. */
        to: Vec<NodeId>,
        /** Who has changed. */
        user: U,
        /** To which revision. */
        revision: u64,
    },
    /// A message on the common channel. Reply: `Done`.
    Announce(Message<U>),
    /// Read the table of nodes, and of each whether its lease is there. Reply: `Nodes`.
    Nodes,
    /// Read a page of a node's set of users, from cursor 0 on. Reply: `Users`.
    UsersOf {
        /** Whose set. */
        node: NodeId,
        /** Where to go on. */
        cursor: u64,
    },
    /// Drop the fields of a dead id of one user, and take nothing from it any more. Reply: `Reaped`.
    Reap {
        /** The dead id. */
        node: NodeId,
        /** Whose fields. */
        user: U,
    },
    /// Remove a dead id from the table. Reply: `Done`.
    Forget {
        /** The dead id. */
        node: NodeId,
    },
}

/// What a call gave.
#[derive(Debug, Clone)]
pub enum Reply<U, S, I> {
    /// It is done.
    Done,
    /// Whether the lease is held.
    Held(bool),
    /// Of a sync.
    Synced(Synced<S, I>),
    /// The table, with whether each lease is there.
    Nodes(Vec<(NodeId, bool)>),
    /// A page, and where to go on; 0 at the end.
    Users(Vec<U>, u64),
    /// The revision, and who is to be told of it: nobody when there was nothing to drop.
    Reaped {
        /** The revision now. */
        revision: u64,
        /** Who holds the user. */
        holders: Vec<NodeId>,
    },
}

/// What a sync gave.
#[derive(Debug, Clone)]
pub struct Synced<S, I> {
    /// The revision before, 0 for none.
    pub before: u64,
    /// The revision now; the same when nothing has changed, or two nodes would tell one another for ever.
    pub revision: u64,
    /// Nothing was written: a later set, or the end of the id, was there before.
    pub is_stale: bool,
    /// The whole list.
    pub list: Vec<Entry<S, I>>,
    /// Joins that the cap did not let in; they were not written.
    pub refused: Vec<S>,
}

/// Why a call gave nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// The time-out of the call, or the end of the connection: it may have been done, or be done later.
    NoAnswer,
    /// Redis said no: out of memory, read-only, wrong type.
    Error,
}

/// What one node says to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message<U> {
    /// A user has this revision.
    Changed {
        /** Who. */
        user: U,
        /** Which. */
        revision: u64,
    },
    /// Redis has lost data: say everything again.
    Loss {
        /** Who says so. */
        from: NodeId,
    },
    /// After a loss: everything has been said again.
    Said {
        /** The id, and those that the node had when it heard of the loss. */
        nodes: Vec<NodeId>,
    },
}

/// What is to be told to the sockets of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot<U, S, I> {
    /// Whose.
    pub user: U,
    /// Larger than that of any snapshot of this user before, on this node.
    pub revision: u64,
    /// The list holds the sessions of all nodes.
    pub complete: bool,
    /// The sessions of this node first; not sorted.
    pub list: Vec<Entry<S, I>>,
}

/// What has come of it all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<U, S, I> {
    /// Tell this.
    Tell(Snapshot<U, S, I>),
    /// The cap has not let this session in; it is no longer known here.
    Refused {
        /** Whose. */
        user: U,
        /** Which. */
        session: S,
    },
}
