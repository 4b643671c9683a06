//! What is known of one user: the sessions here, those elsewhere, and what of it Redis and the sockets have been told.
//! Does not know: calls, leases, other users.

use std::collections::VecDeque;
use std::time::Duration;

use crate::call::NodeId;
use crate::caps::{Present, make_room};
use crate::config::Caps;
use crate::ends::Ends;
use crate::held::{Held, Standing};
use crate::queue::Place;
use crate::session::{Entry, Field, Local, Why};

/// clean --change--> dirty --queued, sent--> busy --reply--> clean, or dirty again
#[derive(Debug)]
pub(crate) struct User<S, I> {
    pub(crate) locals: Vec<Held<S, I>>,
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
    /// What of it was known when the sync under way was sent.
    pub(crate) asked: u64,
    /// Redis has not been told of the sessions here.
    pub(crate) is_dirty: bool,
    /// The sockets have not been told of a change here, of what they know or may know.
    pub(crate) is_untold: bool,
    /// Redis did not answer in time: what is known may not be all.
    pub(crate) is_late: bool,
    /// The other nodes may not have been told of a change.
    pub(crate) owes_publish: bool,
    pub(crate) place: Place,
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
    /// Sessions that are to end, and that have.
    pub(crate) ends: Ends<S>,
}

#[derive(Debug)]
pub(crate) struct Parts<S, I> {
    pub(crate) seq: u64,
    /// The round in which the first of them was sent: what was sent before a loss is not said again by the rest.
    pub(crate) round: u64,
    pub(crate) next: u32,
    /// One of those before has changed something.
    pub(crate) has_changed: bool,
    /// Said with the first.
    pub(crate) ends: Vec<S>,
    pub(crate) rest: VecDeque<Vec<Field<S, I>>>,
}

impl<S: Clone + Ord, I: Clone + Eq> User<S, I> {
    pub(crate) fn new(round: u64) -> Self {
        Self {
            locals: Vec::new(),
            others: Vec::new(),
            told: 0,
            told_complete: true,
            stored: 0,
            wanted: 0,
            asked: 0,
            is_dirty: false,
            is_untold: false,
            is_late: false,
            owes_publish: false,
            place: Place::None,
            is_tell_queued: false,
            is_listed: false,
            may_be_listed: false,
            busy: 0,
            attempts: 0,
            round,
            changed_at: None,
            empty_since: None,
            parts: None,
            ends: Ends::new(),
        }
    }

    /// These are the sessions here, and no others; `false` when it was so already.
    pub(crate) fn set(&mut self, now: Duration, mut named: Vec<Local<S, I>>) -> bool {
        named.retain(|local| !self.ends.is_gone(&local.session));
        named.sort_unstable_by(|one, other| one.session.cmp(&other.session));
        named.dedup_by(|one, other| one.session == other.session);
        let mut is_new = vec![true; named.len()];
        let mut has_changed = false;
        self.locals.retain_mut(|held| {
            let Ok(place) = named.binary_search_by(|local| local.session.cmp(&held.session)) else {
                // Nobody has heard of a session that was not let in yet, so nobody is to hear that it has gone.
                self.is_untold |= held.standing == Standing::Taken;
                has_changed = true;
                return false;
            };
            is_new[place] = false;
            if held.update(&mut named[place]) {
                self.is_untold |= held.standing == Standing::Taken;
                has_changed = true;
            }
            true
        });
        let joining = named.into_iter().zip(&is_new).filter(|(_, is_new)| **is_new);
        self.locals.extend(joining.map(|(local, _)| Held::new(local)));
        has_changed |= is_new.contains(&true);
        self.note_empty(now);
        has_changed
    }

    /// A session here is not known any more; `false` when it was not here.
    pub(crate) fn drop_local(&mut self, now: Duration, session: &S) -> bool {
        let Some(place) = self.locals.iter().position(|held| held.session == *session) else {
            return false;
        };
        self.is_untold |= self.locals.remove(place).standing == Standing::Taken;
        self.ends.note_gone(session.clone());
        self.note_empty(now);
        true
    }

    /// Redis may have less than it had: to find that missing is no loss, or no other one.
    pub(crate) fn forget_stored(&mut self) {
        self.stored = 0;
        self.wanted = 0;
    }

    pub(crate) fn note_empty(&mut self, now: Duration) {
        let since = self.empty_since.unwrap_or(now);
        self.empty_since = self.locals.is_empty().then_some(since);
    }

    /// The time of those that wait to be let in is up: they are judged by what is known here. Gives those that go, and why;
    /// without a reason they are refused.
    pub(crate) fn take_all(&mut self, now: Duration, caps: &Caps) -> Vec<(S, Option<Why>)> {
        let mut gone = Vec::new();
        self.sort();
        let joining = self.locals.iter().filter(|held| held.standing != Standing::Taken);
        let joining: Vec<S> = joining.map(|held| held.session.clone()).collect();
        for session in joining {
            let Some(held) = self.locals.iter().find(|held| held.session == session) else {
                continue;
            };
            match self.make_room(held, caps) {
                Some(leaving) => {
                    let own = leaving.into_iter().filter(|(leaving, _)| self.drop_local(now, leaving));
                    gone.extend(own.map(|(leaving, why)| (leaving, Some(why))).collect::<Vec<_>>());
                    if let Some(held) = self.locals.iter_mut().find(|held| held.session == session) {
                        held.standing = Standing::Taken;
                    }
                }
                None => {
                    self.drop_local(now, &session);
                    gone.push((session, None));
                }
            }
        }
        gone
    }

    fn make_room(&self, joining: &Held<S, I>, caps: &Caps) -> Option<Vec<(S, Why)>> {
        let here = self.locals.iter().filter(|held| held.standing == Standing::Taken);
        let here = here.map(|held| Present {
            session: &held.session,
            login: &held.login,
            order: held.order,
            may_go: true,
        });
        let elsewhere = self.elsewhere().map(|entry| Present {
            session: &entry.session,
            login: &entry.login,
            order: entry.order,
            may_go: false,
        });
        let replaces = joining.replaces.as_ref().map(|replaces| &replaces.session);
        make_room(here.chain(elsewhere).collect(), &joining.login, replaces, caps)
    }

    /// Whether Redis has to be asked. Nobody here wants to know what has become of a user without sessions.
    pub(crate) fn needs_sync(&self) -> bool {
        self.is_dirty || self.wanted > self.stored && !self.locals.is_empty()
    }

    /// The full set, in parts of this size; at least one.
    pub(crate) fn start_parts(&mut self, seq: u64, round: u64, size: usize) {
        self.sort();
        let fields: Vec<_> = self.locals.iter_mut().map(Held::send).collect();
        let mut rest: VecDeque<_> = fields.chunks(size.max(1)).map(<[_]>::to_vec).collect();
        if rest.is_empty() {
            rest.push_back(Vec::new());
        }
        self.parts =
            Some(Box::new(Parts { seq, round, next: 0, has_changed: false, ends: self.ends.send(), rest }));
        self.is_dirty = false;
        self.asked = self.wanted;
    }

    /// Joins last, the oldest first: what has gone is removed with the last part, before the cap is judged.
    fn sort(&mut self) {
        self.locals.sort_unstable_by(|one, other| one.place().cmp(&other.place()));
    }

    /// A sync has failed: it may or may not have been done, so it is said again, and so it is to the other nodes.
    pub(crate) fn fail(&mut self) {
        self.parts = None;
        self.is_dirty = true;
        self.owes_publish = true;
        self.attempts = self.attempts.saturating_add(1);
        self.ends.fail();
        self.locals.iter_mut().for_each(Held::fail);
    }

    /// The cap has not let these in; gives those that go. A session that was told meanwhile stays: it is said again.
    pub(crate) fn refuse(&mut self, now: Duration, refused: Vec<S>) -> Vec<S> {
        let mut gone = Vec::new();
        for session in refused {
            match self.locals.iter().find(|local| local.session == session).map(|local| local.standing) {
                Some(Standing::Joining { is_sent: true }) => {
                    self.drop_local(now, &session);
                    gone.push(session);
                }
                // Told meanwhile.
                Some(_) => self.is_dirty = true,
                None => {}
            }
        }
        gone
    }

    /// These have been ended; gives those that were here.
    pub(crate) fn end(&mut self, now: Duration, ended: Vec<(S, Why)>) -> Vec<(S, Why)> {
        let gone: Vec<_> = ended.into_iter().filter(|(session, _)| self.drop_local(now, session)).collect();
        self.is_dirty |= !gone.is_empty(); // Redis keeps the mark until they are no longer named
        gone
    }

    /// All parts have been written: what they named is in.
    pub(crate) fn take_sent(&mut self) {
        for held in &mut self.locals {
            self.is_untold |= held.take_sent();
        }
    }

    /// All that is known here, Redis has been told of, and nothing is on its way to it or from it.
    pub(crate) fn is_at_rest(&self, round: u64) -> bool {
        self.busy == 0
            && self.parts.is_none()
            && !self.is_dirty
            && !self.owes_publish
            && !self.is_untold
            && !self.has_joining()
            && self.is_sure(round)
    }

    /// This list has the sessions here, no other ones of this node, and says of them what is said here.
    pub(crate) fn has_as_here(&self, node: NodeId, list: &[Entry<S, I>]) -> bool {
        let of_here = list.iter().filter(|entry| entry.node == node).count();
        let is_listed = |held: &Held<S, I>| list.iter().any(|entry| held.is_as(node, entry));
        of_here == self.locals.len() && self.locals.iter().all(is_listed)
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
        let here = self.locals.iter().filter(|held| held.standing == Standing::Taken);
        let mut list: Vec<_> = here.map(|held| held.entry(node)).collect();
        list.extend(self.elsewhere().cloned());
        (self.told, list)
    }

    /// A session that the list still has under a former id of this node is here.
    fn elsewhere(&self) -> impl Iterator<Item = &Entry<S, I>> {
        self.others.iter().filter(|entry| self.locals.iter().all(|held| held.session != entry.session))
    }

    /// Nothing is known or owed that is worth keeping. Of whom Redis was never told it need not be told the end.
    pub(crate) fn may_be_forgotten(&self, now: Duration, after: Duration) -> bool {
        self.locals.is_empty()
            && self.busy == 0
            && (!self.is_dirty && !self.owes_publish || self.stored == 0 && !self.may_be_listed)
            && self.ends.is_empty()
            && self.empty_since.is_none_or(|since| now >= since + after)
    }
}
