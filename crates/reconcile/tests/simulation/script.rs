//! `sync.lua`, once more.

use std::collections::BTreeMap;

use reconcile::caps::{Present, make_room};
use reconcile::{Config, Entry, Field, NodeId, Sync, Synced, Why};

use super::redis::{Data, Fence, Mark, Revision, Value};

/// What a run of the script works on.
struct Run<'a> {
    live: &'a mut BTreeMap<u64, Value>,
    marks: &'a mut BTreeMap<u64, Mark>,
    config: &'a Config,
    now: u64,
    own: Option<NodeId>,
    sync: &'a Sync<u64, u64, u64>,
    has_changed: bool,
    refused: Vec<u64>,
    lost: Vec<Entry<u64, u64>>,
}

/// Without `own` it only drops what is dead, and without any dead only reads.
pub fn sync(
    data: &mut Data,
    config: &Config,
    now: u64,
    own: Option<NodeId>,
    sync: &Sync<u64, u64, u64>,
) -> Synced<u64, u64> {
    let revision = data.revisions.entry(sync.user).or_default();
    let live = data.hashes.entry(sync.user).or_default();
    let marks = data.marks.entry(sync.user).or_default();
    let before = revision.revision;
    let is_stale = own.is_some_and(|own| is_stale(revision, now, own, sync));
    let mut run = Run {
        live,
        marks,
        config,
        now,
        own,
        sync,
        has_changed: false,
        refused: Vec::new(),
        lost: Vec::new(),
    };
    let is_reader = own.is_none() && sync.dead.is_empty() && sync.ends.is_empty();
    if !is_stale && !is_reader {
        run.write();
        let (has_changed, is_empty) = (run.has_changed, run.live.is_empty());
        let keep = config.keep().as_micros() as u64;
        if let Some(own) = own {
            let is_here = run.live.values().any(|value| value.node == own)
                || run.marks.values().any(|mark| mark.node == Some(own));
            let until = if is_here { None } else { Some(now + keep) };
            revision.fences.insert(own, Fence::Seq(sync.seq, until));
        }
        for dead in &sync.dead {
            revision.fences.insert(*dead, Fence::Dead(now + keep));
        }
        revision.fences.retain(|_, fence| fence.until().is_none_or(|until| until >= now));
        if has_changed || sync.highest > before && !is_empty {
            revision.revision = (before + 1).max(sync.highest + 1).max(now);
        }
        revision.until = is_empty.then_some(now + keep);
    }
    let mut robbed = Vec::new();
    if !is_stale && !is_reader {
        let has_nothing = |node: &NodeId| {
            run.live.values().all(|value| value.node != *node)
                && run.marks.values().all(|mark| mark.node != Some(*node))
        };
        let here = revision.fences.iter().filter(|(_, fence)| matches!(fence, Fence::Seq(_, None)));
        robbed.extend(here.map(|(node, _)| *node).filter(|node| Some(*node) != own && has_nothing(node)));
    }
    let mut synced = run.reply(before, revision.revision, is_stale);
    synced.owners.extend(robbed);
    data.hashes.retain(|_, live| !live.is_empty());
    data.marks.retain(|_, marks| !marks.is_empty());
    data.revisions.retain(|_, revision| revision.revision > 0 || !revision.fences.is_empty());
    synced
}

fn is_stale(revision: &Revision, now: u64, own: NodeId, sync: &Sync<u64, u64, u64>) -> bool {
    let fence = revision.fences.get(&own).filter(|fence| fence.until().is_none_or(|until| until >= now));
    match fence {
        Some(Fence::Dead(_)) => true,
        Some(Fence::Seq(seq, _)) if sync.part == 0 => sync.seq <= *seq,
        Some(Fence::Seq(seq, _)) => sync.seq != *seq,
        None => sync.part > 0,
    }
}

impl Run<'_> {
    fn write(&mut self) {
        self.drop_gone();
        for session in &self.sync.ends {
            if self.live.contains_key(session) {
                self.end(*session, Why::Asked);
            } else {
                let until = self.now + self.config.keep().as_micros() as u64;
                self.marks.entry(*session).or_insert(Mark { node: None, seq: 0, why: Why::Asked, until });
            }
        }
        for field in &self.sync.fields {
            self.say(field);
        }
    }

    fn drop_gone(&mut self) {
        let (own, sync, now) = (self.own, self.sync, self.now);
        let named = |session: &u64| sync.fields.iter().any(|field| field.session == *session);
        let is_left = |session: &u64, node: Option<NodeId>, seq: u64| {
            own.is_some() && node == own && sync.is_last && seq < sync.seq && !named(session)
        };
        let before = self.live.len();
        let lost = self.live.iter().filter(|(_, value)| sync.dead.contains(&value.node));
        self.lost.extend(lost.map(|(session, value)| entry(*session, value)));
        self.live.retain(|session, value| {
            !sync.dead.contains(&value.node) && !is_left(session, Some(value.node), value.seq)
        });
        self.has_changed |= self.live.len() < before;
        self.marks.retain(|session, mark| mark.until >= now && !is_left(session, mark.node, mark.seq));
        for mark in self.marks.values_mut() {
            mark.node.take_if(|node| sync.dead.contains(node));
        }
    }

    fn say(&mut self, field: &Field<u64, u64>) {
        let sync = self.sync;
        if let Some(mark) = self.marks.get_mut(&field.session) {
            if mark.seq <= sync.seq {
                let until = self.now + self.config.keep_ended().as_micros() as u64;
                *mark = Mark { node: self.own, seq: sync.seq, why: mark.why, until };
            }
            return;
        }
        let old = self.live.get(&field.session);
        let replaced = field.replaces.filter(|replaced| {
            let is_of_login = self.live.get(replaced).is_some_and(|value| value.login == field.login);
            *replaced != field.session && is_of_login
        });
        let leaving = if old.is_none() && field.is_join {
            let present = self.live.iter().map(|(session, value)| Present {
                session,
                login: &value.login,
                order: value.order,
                may_go: true,
            });
            make_room(present.collect(), &field.login, field.replaces.as_ref(), &self.config.caps)
        } else if old.is_some_and(|old| old.node != sync.node && old.seq > sync.seq) {
            return; // a later life of the same node has said it: this one comes late
        } else {
            Some(replaced.map(|replaced| (replaced, Why::Replaced)).into_iter().collect())
        };
        let Some(leaving) = leaving else {
            return self.refused.push(field.session);
        };
        let value = Value {
            node: sync.node,
            seq: sync.seq,
            order: field.order,
            login: field.login.clone(),
            item: field.item,
        };
        self.has_changed |= old != Some(&Value { seq: old.map_or(0, |old| old.seq), ..value.clone() });
        self.live.insert(field.session, value);
        leaving.into_iter().for_each(|(session, why)| self.end(session, why));
    }

    fn end(&mut self, session: u64, why: Why) {
        if let Some(value) = self.live.remove(&session) {
            let until = self.now + self.config.keep_ended().as_micros() as u64;
            self.marks.insert(session, Mark { node: Some(value.node), seq: value.seq, why, until });
            self.has_changed = true;
        }
    }

    fn reply(self, before: u64, revision: u64, is_stale: bool) -> Synced<u64, u64> {
        let named = |session: &u64| self.sync.fields.iter().any(|field| field.session == *session);
        let is_own =
            |session: &u64, mark: &Mark| named(session) || self.own.is_some() && mark.node == self.own;
        let ended = self.marks.iter().filter(|(session, mark)| is_own(session, mark));
        let ended = ended.map(|(session, mark)| (*session, mark.why)).collect();
        let owners = self.marks.values().filter_map(|mark| mark.node).filter(|node| Some(*node) != self.own);
        let list = self.live.iter().map(|(session, value)| entry(*session, value)).collect();
        let owners = owners.collect();
        Synced { before, revision, is_stale, list, refused: self.refused, ended, owners, lost: self.lost }
    }
}

fn entry(session: u64, value: &Value) -> Entry<u64, u64> {
    Entry { session, node: value.node, order: value.order, login: value.login.clone(), item: value.item }
}
