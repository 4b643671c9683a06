//! A model of Redis: what each call does there, as `sync.lua` and the plain commands do it, by Redis's own clock.

use std::collections::{BTreeMap, BTreeSet};

use reconcile::{Call, Entry, Failed, Message, NodeId, Reply, Sync, Synced};

pub type Calls = Call<u64, u64, u64>;
pub type Replies = Reply<u64, u64, u64>;

/// What survives a restart with data.
#[derive(Debug, Clone, Default)]
pub struct Data {
    pub hashes: BTreeMap<u64, BTreeMap<u64, Value>>,
    pub revisions: BTreeMap<u64, Revision>,
    pub leases: BTreeMap<NodeId, u64>,
    pub table: BTreeSet<NodeId>,
    pub sets: BTreeMap<NodeId, BTreeMap<u64, u64>>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    pub node: NodeId,
    pub seq: u64,
    pub item: u64,
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
    Seq(u64),
    /// Nothing of this id is taken any more, until then.
    Dead(u64),
}

#[derive(Debug)]
pub struct Redis {
    pub data: Data,
    pub lease_us: u64,
    pub cap: usize,
    /// What it has to publish: to these ids, or to all.
    pub outbox: Vec<(Option<Vec<NodeId>>, Message<u64>)>,
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
            Call::Sync(sync) => Reply::Synced(self.sync(now, Some(sync.node), sync)),
            Call::Reap { node, user } => {
                let sync = Sync {
                    user: *user,
                    node: *node,
                    seq: 0,
                    part: 0,
                    is_last: true,
                    fields: Vec::new(),
                    held: 0,
                    highest: 0,
                    dead: vec![*node],
                };
                let synced = self.sync(now, None, &sync);
                let mut holders: Vec<_> = synced.list.iter().map(|entry| entry.node).collect();
                holders.dedup();
                if synced.revision == synced.before {
                    holders.clear();
                }
                Reply::Reaped { revision: synced.revision, holders }
            }
            Call::Publish { to, user, revision } => {
                let message = Message::Changed { user: *user, revision: *revision };
                self.outbox.push((Some(to.clone()), message));
                Reply::Done
            }
            Call::Announce(message) => {
                self.outbox.push((None, message.clone()));
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

    /// `sync.lua`; without `own` it only drops what is dead.
    fn sync(&mut self, now: u64, own: Option<NodeId>, sync: &Sync<u64, u64, u64>) -> Synced<u64, u64> {
        let hash = self.data.hashes.entry(sync.user).or_default();
        let revision = self.data.revisions.entry(sync.user).or_default();
        let before = revision.revision;
        let fence = own.and_then(|own| revision.fences.get(&own));
        let is_stale = own.is_some()
            && match fence {
                Some(Fence::Dead(until)) if *until >= now => true,
                Some(Fence::Seq(seq)) if sync.part == 0 => sync.seq <= *seq,
                Some(Fence::Seq(seq)) => sync.seq != *seq,
                _ => sync.part > 0,
            };
        let mut refused = Vec::new();
        if !is_stale {
            let mut has_changed = false;
            let named = |session: &u64| sync.fields.iter().any(|field| field.session == *session);
            hash.retain(|session, value| {
                let is_dead = sync.dead.contains(&value.node);
                let is_gone =
                    Some(value.node) == own && sync.is_last && value.seq < sync.seq && !named(session);
                has_changed |= is_dead || is_gone;
                !is_dead && !is_gone
            });
            for field in &sync.fields {
                let value = Value { node: sync.node, seq: sync.seq, item: field.item };
                match hash.get(&field.session) {
                    None if field.is_join && hash.len() >= self.cap => refused.push(field.session),
                    Some(old) if old.node == sync.node && old.item == field.item => {
                        hash.insert(field.session, value);
                    }
                    // A later life of the same node has said it: this one comes late.
                    Some(old) if old.node != sync.node && old.seq > sync.seq => {}
                    _ => {
                        hash.insert(field.session, value);
                        has_changed = true;
                    }
                }
            }
            if let Some(own) = own {
                revision.fences.insert(own, Fence::Seq(sync.seq));
            }
            for dead in &sync.dead {
                revision.fences.insert(*dead, Fence::Dead(now + 4 * self.lease_us));
            }
            revision.fences.retain(|_, fence| !matches!(fence, Fence::Dead(until) if *until < now));
            if has_changed || sync.highest > before && !hash.is_empty() {
                revision.revision = (before + 1).max(sync.highest + 1).max(now);
            }
            revision.until = hash.is_empty().then_some(now + 4 * self.lease_us);
        }
        let list = hash.iter().map(|(session, value)| Entry {
            session: *session,
            node: value.node,
            item: value.item,
        });
        let synced = Synced { before, revision: revision.revision, is_stale, list: list.collect(), refused };
        if hash.is_empty() {
            self.data.hashes.remove(&sync.user);
        }
        synced
    }
}
