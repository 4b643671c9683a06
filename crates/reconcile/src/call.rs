//! What goes in and out of the reconciler, as plain values: calls and their replies, messages, events.
//! Does not know: why a call is made, how it is carried out.

use std::time::Duration;

use crate::session::{Entry, Field, Why};

/// One lease of a node: random, never used again after the lease has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

/// Ties a reply to its call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

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
    /// Sessions of other nodes that are to end.
    pub ends: Vec<S>,
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
    /// [`Message::Changed`] on the channels of these nodes, or the whole list: see
    /// [`Reconciler::handle_list`](crate::Reconciler::handle_list). Reply: `Done`.
    Publish {
        /** To whom. */
        to: Vec<NodeId>,
        /** Who has changed. */
        user: U,
        /** To which revision. */
        revision: u64,
        /** All sessions of that revision; empty when only that it has changed is to be said. */
        list: Vec<Entry<S, I>>,
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
    /// The revision, and who is to be told of it. Also when there was nothing to drop: whoever has dropped it, or the dead
    /// node itself, may have died before it told them.
    Reaped {
        /** The revision now. */
        revision: u64,
        /** The nodes in the list, and the owners of sessions that have been ended. */
        holders: Vec<NodeId>,
        /** As in [`Synced::lost`]. */
        lost: Vec<Entry<S, I>>,
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
    /// Sessions of this node that have been ended, those just named and others. They are not in the list, and not written
    /// again. Redis gives them with each reply until a full set of this node no longer names them.
    pub ended: Vec<(S, Why)>,
    /// Other nodes that have not seen yet that a session of theirs has been ended, or that Redis has lost all that they
    /// have said of this user.
    pub owners: Vec<NodeId>,
    /// Sessions that were in the list until now and whose node is dead. Whoever drops them gets them, and nobody else.
    pub lost: Vec<Entry<S, I>>,
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
    /// One that has not heard it asks whether these have said everything again.
    Ask {
        /** Their ids. */
        nodes: Vec<NodeId>,
        /** How long ago it was that it found, or heard of, the loss. */
        age: Duration,
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
    /// The sessions of this node first; not sorted further.
    pub list: Vec<Entry<S, I>>,
}

/// What has come of it all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<U, S, I> {
    /// Tell this.
    Tell(Snapshot<U, S, I>),
    /// The cap has not let this session in; it is no longer known here, even if it is named again.
    Refused {
        /** Whose. */
        user: U,
        /** Which. */
        session: S,
    },
    /// This session has to end; it is no longer known here, even if it is named again. Once for each, and also for one
    /// that no list here has held yet.
    Ended {
        /** Whose. */
        user: U,
        /** Which. */
        session: S,
        /** Why. */
        why: Why,
    },
    /// This session was on another node, which has died; it is in no list any more. Told on one node, once; nowhere when
    /// the reply of Redis was lost. A node that was only cut off may come back with it.
    Lost {
        /** Whose. */
        user: U,
        /** Which. */
        entry: Entry<S, I>,
    },
}
