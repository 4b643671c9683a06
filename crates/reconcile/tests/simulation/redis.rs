//! A model of Redis: what each call does there, as the plain commands do it, by Redis's own clock.

use std::collections::{BTreeMap, BTreeSet};

use reconcile::{Call, Config, Entry, Failed, Login, Message, NodeId, Reply, Sync, Why};

use super::script;

pub type Calls = Call<u64, u64, u64>;
pub type Replies = Reply<u64, u64, u64>;

/// What nodes say to one another.
#[derive(Debug, Clone)]
pub enum Said {
    Message(Message<u64>),
    List(u64, u64, Vec<Entry<u64, u64>>),
}

/// What survives a restart with data.
#[derive(Debug, Clone, Default)]
pub struct Data {
    /// The sessions in the hash of a user.
    pub hashes: BTreeMap<u64, BTreeMap<u64, Value>>,
    /// The marks of ended sessions in the same hash.
    pub marks: BTreeMap<u64, BTreeMap<u64, Mark>>,
    pub revisions: BTreeMap<u64, Revision>,
    pub leases: BTreeMap<NodeId, u64>,
    pub table: BTreeSet<NodeId>,
    pub sets: BTreeMap<NodeId, BTreeMap<u64, u64>>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    pub node: NodeId,
    pub seq: u64,
    pub order: u64,
    pub login: Login,
    pub item: u64,
}

/// A session that has ended, and whose node has not taken that in yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// `None` when its id is dead, or when nobody had said the session.
    pub node: Option<NodeId>,
    pub seq: u64,
    pub why: Why,
    pub until: u64,
}

#[derive(Debug, Clone, Default)]
pub struct Revision {
    pub revision: u64,
    pub fences: BTreeMap<NodeId, Fence>,
    /// When the key ends; not while the user has fields.
    pub until: Option<u64>,
}

#[derive(Debug, Clone)]
pub enum Fence {
    /// The last one, and until when that is known, when the node has nothing here any more.
    Seq(u64, Option<u64>),
    /// Nothing of this id is taken any more, until then.
    Dead(u64),
}

impl Fence {
    pub fn until(&self) -> Option<u64> {
        match self {
            Self::Seq(_, until) => *until,
            Self::Dead(until) => Some(*until),
        }
    }
}

#[derive(Debug)]
pub struct Redis {
    pub data: Data,
    pub config: Config,
    /// What it has to publish: to these ids, or to all.
    pub outbox: Vec<(Option<Vec<NodeId>>, Said)>,
    pub out_of_memory: bool,
}

impl Redis {
    /// Carries out a call at this time of Redis's clock, in microseconds.
    pub fn execute(&mut self, now: u64, call: &Calls) -> Result<Replies, Failed> {
        self.data.leases.retain(|_, until| *until > now);
        self.data.revisions.retain(|_, revision| revision.until.is_none_or(|until| until > now));
        let writes = matches!(
            call,
            Call::Sync(_)
                | Call::AddUser { .. }
                | Call::Claim { .. }
                | Call::Renew { .. }
                | Call::Reap { .. }
        );
        if self.out_of_memory && writes {
            return Err(Failed::Error);
        }
        Ok(match call {
            Call::Subscribe { .. } => Reply::Done,
            Call::Claim { node, ttl } | Call::Renew { node, ttl } => {
                let is_claim = matches!(call, Call::Claim { .. });
                let is_held = self.data.leases.contains_key(node) != is_claim;
                if is_held {
                    self.data.leases.insert(*node, now + ttl.as_micros() as u64);
                }
                self.data.table.insert(*node);
                Reply::Held(is_held)
            }
            Call::AddUser { node, user, seq } => {
                let score = self.data.sets.entry(*node).or_default().entry(*user).or_default();
                *score = (*score).max(*seq);
                Reply::Done
            }
            Call::RemoveUser { node, user, seq } => {
                if let Some(set) = self.data.sets.get_mut(node) {
                    set.retain(|member, score| member != user || *score > *seq);
                    if set.is_empty() {
                        self.data.sets.remove(node);
                    }
                }
                Reply::Done
            }
            Call::Sync(sync) => {
                Reply::Synced(script::sync(&mut self.data, &self.config, now, Some(sync.node), sync))
            }
            Call::Reap { node, user } => {
                let sync = Sync {
                    user: *user,
                    node: *node,
                    seq: 0,
                    part: 0,
                    is_last: true,
                    fields: Vec::new(),
                    ends: Vec::new(),
                    held: 0,
                    highest: 0,
                    dead: vec![*node],
                };
                let synced = script::sync(&mut self.data, &self.config, now, None, &sync);
                let mut holders: Vec<_> = synced.list.iter().map(|entry| entry.node).collect();
                holders.extend(synced.owners);
                holders.sort_unstable();
                holders.dedup();
                Reply::Reaped { revision: synced.revision, holders, lost: synced.lost }
            }
            Call::Publish { to, user, revision, list } => {
                let said = match list.is_empty() {
                    true => Said::Message(Message::Changed { user: *user, revision: *revision }),
                    false => Said::List(*user, *revision, list.clone()),
                };
                self.outbox.push((Some(to.clone()), said));
                Reply::Done
            }
            Call::Announce(message) => {
                self.outbox.push((None, Said::Message(message.clone())));
                Reply::Done
            }
            Call::Nodes => {
                let data = &self.data;
                Reply::Nodes(data.table.iter().map(|node| (*node, data.leases.contains_key(node))).collect())
            }
            Call::UsersOf { node, cursor } => {
                let set = self.data.sets.get(node);
                let rest = set.into_iter().flat_map(|set| set.range(cursor..).map(|(user, _)| *user));
                let page: Vec<u64> = rest.take(3).collect();
                let next = if page.len() == 3 { page[2] + 1 } else { 0 };
                Reply::Users(page, next)
            }
            Call::Forget { node } => {
                self.data.table.remove(node);
                Reply::Done
            }
        })
    }
}
