//! What the reply of a sync means: who is in, who is not, who has ended, and what the whole list is now; and when another
//! node's list is as good.
//! Does not know: other calls.

use std::time::Duration;

use crate::call::{Call, Event, Failed, NodeId, Synced};
use crate::reconcile::{Reconciler, Timer};
use crate::session::Entry;
use crate::work::Pending;

impl<U: Clone + Ord, S: Clone + Ord, I: Clone + Eq> Reconciler<U, S, I> {
    pub(crate) fn synced(&mut self, node: NodeId, user: U, round: u64, held: u64, mut synced: Synced<S, I>) {
        self.tell_lost(&user, std::mem::take(&mut synced.lost));
        let is_made = node == self.lease.node() && self.lease.is_held(self.now) && !synced.is_stale;
        if !is_made {
            // Made under a lease that has ended: others may have taken it away already.
            self.dropped += 1;
            return self.fail(Pending::Sync { node, user, round, held }, self.now, Failed::Error);
        }
        let now = self.now;
        let Some(known) = self.users.get_mut(&user) else {
            return;
        };
        known.busy -= 1;
        // `held` is what was known when it was sent; a loss found since has been dealt with.
        if synced.before < held && known.stored == held {
            known.fail();
            return self.lose(true);
        }
        if let Some(parts) = &mut known.parts {
            parts.has_changed |= synced.revision != synced.before;
        }
        let refused = known.refuse(now, std::mem::take(&mut synced.refused));
        let refused = refused.into_iter().map(|session| Event::Refused { user: user.clone(), session });
        self.events.extend(refused);
        let ended = known.end(now, std::mem::take(&mut synced.ended));
        if let Some(parts) = &mut known.parts {
            parts.has_changed |= !ended.is_empty(); // whoever has ended them may have died before it told the others
        }
        self.events.extend(ended.into_iter().map(|(session, why)| Event::Ended {
            user: user.clone(),
            session,
            why,
        }));
        if let Some(part) = self.next_part(&user) {
            return self.backlog.push_back(part);
        }
        let Some(known) = self.users.get_mut(&user) else {
            return;
        };
        // Without parts the call before it, which lists the user, has failed; that has been seen to.
        let parts = known.parts.take();
        // Now, and not with each part: the reply of a publish before may come between two of them.
        known.owes_publish |= parts.as_ref().is_none_or(|parts| parts.has_changed);
        if parts.is_none() || synced.revision < known.stored {
            self.dropped += 1;
            known.is_dirty = true; // or it is older than what is known here, and not to be told
            return self.enqueue(&user);
        }
        self.learn(node, user, round, synced);
    }

    /// All of a user's set has been written, and this is the whole list.
    fn learn(&mut self, node: NodeId, user: U, round: u64, synced: Synced<S, I>) {
        let revision = synced.revision;
        let (now, is_complete, may_reap) = (self.now, self.is_complete(), self.may_reap());
        let Some(known) = self.users.get_mut(&user) else {
            return;
        };
        if round == self.round {
            // Otherwise it may be of a time before Redis lost what it had; then it is no measure of a loss.
            known.stored = revision;
            self.highest = self.highest.max(revision);
        }
        // Spoken of before this was asked for, and Redis does not have it: it has lost what it had acknowledged.
        let is_lost = known.wanted > revision && known.wanted == known.asked;
        if known.wanted == known.asked {
            known.wanted = known.wanted.min(revision);
        }
        if !known.owes_publish {
            known.attempts = 0;
        }
        known.is_late = false;
        let is_said = round == self.round && known.round != round;
        known.round = known.round.max(round);
        known.take_sent();
        if known.ends.take_sent(now) {
            self.timers.insert((now + self.config.keep(), Timer::Forget, user.clone()));
        }
        let others = others(&synced.list, |of| of == node);
        let mut holders = holders(&others);
        let has_dead = may_reap && holders.iter().any(|holder| self.peers.is_dead(now, *holder));
        let has_changed = others != known.others || known.is_untold || known.stored > known.told;
        known.others = others;
        let complete = is_complete && known.round == self.round;
        let is_news = has_changed || complete != known.told_complete;
        if has_dead {
            known.is_dirty = true; // sent before it was known that they are dead
        }
        known.changed_at = None;
        if known.has_joining() {
            // It came meanwhile, and waits from now on. All other changes are told now.
            known.changed_at = Some(now);
            self.timers.insert((now + self.config.ready_timeout, Timer::Ready, user.clone()));
        }
        holders.iter().for_each(|of| self.peers.handle_named(now, *of));
        // Whose last session has ended has to hear of it as well.
        holders.extend(synced.owners);
        holders.sort_unstable();
        holders.dedup();
        known.owes_publish &= !holders.is_empty();
        if known.owes_publish {
            let call = Call::Publish { to: holders, user: user.clone(), revision, list: synced.list };
            self.backlog.push_back((Pending::Publish(Some(user.clone())), call));
        }
        if is_news {
            self.tell(&user);
        }
        self.enqueue(&user);
        self.check_forget(&user);
        if is_said {
            self.unsaid = self.unsaid.saturating_sub(1);
            self.check_all_said();
        }
        if is_lost && round == self.round {
            self.lose(true);
        }
    }

    /// Another node has published the whole list of a user, as it had it from Redis with this revision. It is taken over
    /// as it is, without asking Redis, when nothing speaks against it; else it counts as [`Message::Changed`].
    ///
    /// [`Message::Changed`]: crate::Message::Changed
    pub fn handle_list(&mut self, now: Duration, user: U, revision: u64, list: &[Entry<S, I>]) {
        self.begin(now);
        match self.may_take_over(&user, revision, list) {
            true => self.take_over(&user, revision, list),
            false => self.hear(user, revision),
        }
        self.end();
    }

    /// Nothing of the user is under way or owed, what is known was said since the last loss, and the list is a later one
    /// that has the sessions here as they are, and none of a node that has died.
    fn may_take_over(&self, user: &U, revision: u64, list: &[Entry<S, I>]) -> bool {
        let Some(known) = self.users.get(user) else { return false };
        let may_reap = self.may_reap();
        let is_gone =
            |of: NodeId| self.lease.former.contains(&of) || may_reap && self.peers.is_dead(self.now, of);
        self.is_complete()
            && known.is_at_rest(self.round)
            && revision > known.stored.max(known.wanted)
            && known.has_as_here(self.lease.node(), list)
            && !list.iter().any(|entry| is_gone(entry.node))
    }

    fn take_over(&mut self, user: &U, revision: u64, list: &[Entry<S, I>]) {
        let (now, own) = (self.now, self.lease.node());
        let Some(known) = self.users.get_mut(user) else { return };
        known.others = others(list, |of| of == own);
        known.stored = revision;
        known.wanted = revision;
        known.asked = revision;
        self.highest = self.highest.max(revision);
        holders(&known.others).into_iter().for_each(|of| self.peers.handle_named(now, of));
        self.tell(user);
    }
}

/// The sessions of a list that are elsewhere, in order.
fn others<S: Clone + Ord, I: Clone>(
    list: &[Entry<S, I>],
    is_own: impl Fn(NodeId) -> bool,
) -> Vec<Entry<S, I>> {
    let mut others: Vec<_> = list.iter().filter(|entry| !is_own(entry.node)).cloned().collect();
    others.sort_unstable_by(|one, other| (one.order, &one.session).cmp(&(other.order, &other.session)));
    others
}

/// The nodes of these sessions.
fn holders<S, I>(sessions: &[Entry<S, I>]) -> Vec<NodeId> {
    let mut holders: Vec<NodeId> = sessions.iter().map(|entry| entry.node).collect();
    holders.sort_unstable();
    holders.dedup();
    holders
}
