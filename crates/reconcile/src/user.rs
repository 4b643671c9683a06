//! What is known of one user: the sessions here, those elsewhere, and what of it Redis and the sockets have been told.
//! Does not know: calls, leases, other users.

use std::collections::VecDeque;
use std::time::Duration;

use crate::call::{Entry, Field, NodeId};

/// clean --change--> dirty --queued, sent--> busy --reply--> clean, or dirty again
#[derive(Debug)]
pub(crate) struct User<S, I> {
    pub(crate) locals: Vec<Local<S, I>>,
    /// The sessions of other nodes, as last known.
    pub(crate) others: Vec<Entry<S, I>>,
    /// The revision that was told last.
    pub(crate) told: u64,
    /// What was said of completeness with it.
    pub(crate) told_complete: bool,
    /// The revision that Redis gave last.
    pub(crate) stored: u64,
    /// The highest that another node has spoken of.
    pub(crate) wanted: u64,
    /// Redis has not been told of the sessions here.
    pub(crate) is_dirty: bool,
    /// The sockets have not been told of a change here, of what they know or may know.
    pub(crate) is_untold: bool,
    /// Redis did not answer in time: what is known may not be all.
    pub(crate) is_late: bool,
    /// The other nodes may not have been told of a change.
    pub(crate) owes_publish: bool,
    pub(crate) is_queued: bool,
    pub(crate) is_tell_queued: bool,
    /// Is in the set of users of the current id.
    pub(crate) is_listed: bool,
    /// May be in it: a call that would have put it there was made.
    pub(crate) may_be_listed: bool,
    /// Calls without a reply that change this user in Redis.
    pub(crate) busy: u32,
    /// Syncs that failed in a row.
    pub(crate) attempts: u32,
    /// The last round of saying everything in which this user was said.
    pub(crate) round: u64,
    /// When the oldest change was made of which nobody has been told.
    pub(crate) changed_at: Option<Duration>,
    /// When the last session left.
    pub(crate) empty_since: Option<Duration>,
    /// The parts of a large set that are still to be sent.
    pub(crate) parts: Option<Box<Parts<S, I>>>,
}

#[derive(Debug)]
pub(crate) struct Local<S, I> {
    pub(crate) session: S,
    pub(crate) item: I,
    pub(crate) standing: Standing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nobody was told of it; the cap may refuse it. A sync without a reply yet may name it.
    Joining { is_sent: bool },
    /// It is listed, and stays.
    Taken,
}

#[derive(Debug)]
pub(crate) struct Parts<S, I> {
    pub(crate) seq: u64,
    /// The round in which the first of them was sent: what was sent before a loss is not said again by the rest.
    pub(crate) round: u64,
    pub(crate) next: u32,
    pub(crate) rest: VecDeque<Vec<Field<S, I>>>,
}

impl<S: Clone + Eq, I: Clone + Eq> User<S, I> {
    pub(crate) fn new(round: u64) -> Self {
        Self {
            locals: Vec::new(),
            others: Vec::new(),
            told: 0,
            told_complete: true,
            stored: 0,
            wanted: 0,
            is_dirty: false,
            is_untold: false,
            is_late: false,
            owes_publish: false,
            is_queued: false,
            is_tell_queued: false,
            is_listed: false,
            may_be_listed: false,
            busy: 0,
            attempts: 0,
            round,
            changed_at: None,
            empty_since: None,
            parts: None,
        }
    }

    /// A session is here, new or with another item; `false` when it was so already.
    pub(crate) fn put(&mut self, session: S, item: I) -> bool {
        self.empty_since = None;
        match self.locals.iter_mut().find(|local| local.session == session) {
            Some(local) if local.item == item => return false,
            Some(local) => {
                local.item = item;
                self.is_untold |= local.standing == Standing::Taken;
            }
            None => self.locals.push(Local { session, item, standing: Standing::Joining { is_sent: false } }),
        }
        true
    }

    /// A session has gone; `false` when it was not here.
    pub(crate) fn remove(&mut self, now: Duration, session: &S) -> bool {
        let Some(place) = self.locals.iter().position(|local| local.session == *session) else {
            return false;
        };
        // Nobody has heard of a session that was not let in yet, so nobody is to hear that it has gone.
        self.is_untold |= self.locals.swap_remove(place).standing == Standing::Taken;
        if self.locals.is_empty() {
            self.empty_since = Some(now);
        }
        true
    }

    /// Takes all sessions that wait to be let in: their time is up.
    pub(crate) fn take_all(&mut self) {
        for local in &mut self.locals {
            local.standing = Standing::Taken;
        }
    }

    /// Whether Redis has to be asked. Nobody here wants to know what has become of a user without sessions.
    pub(crate) fn needs_sync(&self) -> bool {
        self.is_dirty || self.wanted > self.stored && !self.locals.is_empty()
    }

    /// The full set, in parts of this size; at least one.
    pub(crate) fn start_parts(&mut self, seq: u64, round: u64, size: usize) {
        // Joins last: what has gone is removed with the last part, before the cap is judged.
        self.locals.sort_by_key(|local| local.standing != Standing::Taken);
        let mut fields = Vec::with_capacity(self.locals.len());
        for local in &mut self.locals {
            let is_join = local.standing != Standing::Taken;
            if is_join {
                local.standing = Standing::Joining { is_sent: true };
            }
            fields.push(Field { session: local.session.clone(), item: local.item.clone(), is_join });
        }
        let mut rest: VecDeque<_> = fields.chunks(size.max(1)).map(<[_]>::to_vec).collect();
        if rest.is_empty() {
            rest.push_back(Vec::new());
        }
        self.parts = Some(Box::new(Parts { seq, round, next: 0, rest }));
        self.is_dirty = false;
    }

    /// A sync has failed: it may or may not have been done, so it is said again, and so it is to the other nodes.
    pub(crate) fn fail(&mut self) {
        self.parts = None;
        self.is_dirty = true;
        self.owes_publish = true;
        self.attempts = self.attempts.saturating_add(1);
        for local in &mut self.locals {
            if local.standing == (Standing::Joining { is_sent: true }) {
                local.standing = Standing::Joining { is_sent: false };
            }
        }
    }

    /// The cap has not let these in; gives those that go. A session that was told meanwhile stays: it is said again.
    pub(crate) fn refuse(&mut self, now: Duration, refused: Vec<S>) -> Vec<S> {
        let mut gone = Vec::new();
        for session in refused {
            match self.locals.iter().find(|local| local.session == session).map(|local| local.standing) {
                Some(Standing::Joining { is_sent: true }) => {
                    self.remove(now, &session);
                    gone.push(session);
                }
                // Told meanwhile, or left and came again.
                Some(_) => self.is_dirty = true,
                None => {}
            }
        }
        gone
    }

    /// All parts have been written: what they named is in.
    pub(crate) fn take_sent(&mut self) {
        for local in &mut self.locals {
            if local.standing == (Standing::Joining { is_sent: true }) {
                local.standing = Standing::Taken;
                self.is_untold = true;
            }
        }
    }

    /// Some session here waits to be let in.
    pub(crate) fn has_joining(&self) -> bool {
        self.locals.iter().any(|local| local.standing != Standing::Taken)
    }

    /// What is known is all that Redis knew when it was last asked, and that was after anything went wrong.
    pub(crate) fn is_sure(&self, round: u64) -> bool {
        self.round == round && !self.is_late
    }

    /// Some session here is listed, so there is somebody to tell.
    pub(crate) fn has_audience(&self) -> bool {
        self.locals.iter().any(|local| local.standing == Standing::Taken)
    }

    /// The next snapshot's revision and list. A change that Redis does not know counts on from what was told; where Redis
    /// has given nothing yet, from the `highest` of all users, since an earlier life of this user may have told as much.
    pub(crate) fn tell(&mut self, node: NodeId, complete: bool, highest: u64) -> (u64, Vec<Entry<S, I>>) {
        let base = if self.stored == 0 { self.told.max(highest) } else { self.told };
        self.told = self.stored.max(base + 1);
        self.told_complete = complete;
        self.is_untold = false;
        let here = self.locals.iter().filter(|local| local.standing == Standing::Taken);
        let here = here.map(|local| Entry { session: local.session.clone(), node, item: local.item.clone() });
        let mut list: Vec<_> = here.collect();
        // A session that the list still has under a former id of this node is told once.
        let elsewhere = |entry: &&Entry<S, I>| self.locals.iter().all(|local| local.session != entry.session);
        list.extend(self.others.iter().filter(elsewhere).cloned());
        (self.told, list)
    }

    /// Nothing is known or owed that is worth keeping.
    pub(crate) fn may_be_forgotten(&self, now: Duration, after: Duration) -> bool {
        self.locals.is_empty()
            && self.busy == 0
            && !self.is_dirty
            && !self.owes_publish
            && self.empty_since.is_none_or(|since| now >= since + after)
    }
}
