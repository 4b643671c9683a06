//! What the reply of a call, or its failure, means.
//! Does not know: which calls come next.

use std::time::Duration;

use crate::call::{Call, CallId, Event, Failed, NodeId, Reply};
use crate::lease::Outcome;
use crate::reconcile::{Reconciler, Timer};
use crate::session::Entry;
use crate::trust::Channel;
use crate::user::User;
use crate::work::{Pending, Sent};

impl<U: Clone + Ord, S: Clone + Ord, I: Clone + Eq> Reconciler<U, S, I> {
    /// A call has been answered, or has failed. What is not in flight any more is passed over.
    pub fn handle_reply(&mut self, now: Duration, id: CallId, reply: Result<Reply<U, S, I>, Failed>) {
        self.begin(now);
        if let Some(Sent { at, pending }) = self.in_flight.remove(&id) {
            match reply {
                Ok(reply) => self.answer(pending, at, reply),
                Err(failed) => self.fail(pending, at, failed),
            }
        }
        self.end();
    }

    fn answer(&mut self, pending: Pending<U>, sent: Duration, reply: Reply<U, S, I>) {
        if !matches!(pending, Pending::Subscribe(_)) {
            self.trust.handle_answer(true);
        }
        match (pending, reply) {
            (Pending::Subscribe(node), Reply::Done) => self.subscribed(node),
            (Pending::Claim | Pending::Renew, Reply::Held(is_held)) => self.leased(sent, Some(is_held)),
            (Pending::Nodes, Reply::Nodes(table)) => self.looked(sent, &table),
            (Pending::AddUser { node, user }, Reply::Done) => self.added(node, &user),
            (Pending::RemoveUser { user, .. }, Reply::Done) => self.removed(&user),
            (Pending::Sync { node, user, round, held }, Reply::Synced(synced)) => {
                self.synced(node, user, round, held, synced);
            }
            (Pending::Publish(Some(user)), Reply::Done) => {
                if let Some(known) = self.users.get_mut(&user) {
                    // Unless a later sync has failed, of which they may know nothing.
                    known.owes_publish = known.is_dirty && known.attempts > 0;
                    if !known.owes_publish {
                        known.attempts = 0;
                    }
                }
                self.check_forget(&user);
            }
            (Pending::UsersOf(node), Reply::Users(users, cursor)) => {
                self.reaper.handle_page(node, Some((users, cursor)), self.random);
            }
            (Pending::Reap { node, user }, Reply::Reaped { revision, holders, lost }) => {
                self.tell_lost(&user, lost);
                self.reaped(node, user, revision, holders);
            }
            (Pending::RemoveDead(node), Reply::Done) => self.reaper.handle_removed(node),
            (Pending::Publish(None) | Pending::Announce(_) | Pending::Forget, Reply::Done) => {}
            // A reply of another kind than its call: the script of another release, or a broken driver.
            (pending, _) => self.fail(pending, sent, Failed::Error),
        }
    }

    pub(crate) fn fail(&mut self, pending: Pending<U>, sent: Duration, failed: Failed) {
        match pending {
            Pending::Subscribe(node) => {
                if self.trust.channel == Channel::Subscribing(node) {
                    self.trust.channel = Channel::Up;
                    self.trust.subscribe_at = self.now + RETRY;
                }
            }
            Pending::Claim | Pending::Renew => {
                self.trust.handle_answer(false);
                self.leased(sent, None);
            }
            Pending::Nodes => {
                self.trust.handle_answer(false);
                self.peers.handle_table(self.now, sent, None);
            }
            Pending::AddUser { user, .. } | Pending::Sync { user, .. } => {
                if let Some(known) = self.users.get_mut(&user) {
                    known.busy -= 1;
                    known.fail();
                }
                self.retry(&user, failed);
            }
            Pending::RemoveUser { node, user } => {
                if let Some(known) = self.users.get_mut(&user) {
                    known.busy -= 1;
                    // It may be there still, and is removed once more if nobody has come.
                    known.may_be_listed = node == self.lease.node();
                    self.timers.insert((self.now + RETRY, Timer::Forget, user.clone()));
                }
                self.enqueue(&user);
            }
            Pending::Publish(Some(user)) => {
                // Who holds the user may be others by now, so it is asked again.
                if let Some(known) = self.users.get_mut(&user) {
                    known.is_dirty = true;
                    known.owes_publish = true;
                    known.attempts = known.attempts.saturating_add(1);
                }
                self.retry(&user, failed);
            }
            // Each has something that makes up for it: the next sync of the holder, its own finding, the end of a lease.
            Pending::Announce(message) if failed == Failed::NoAnswer && self.trust.is_in_loss() => {
                self.backlog.push_back((Pending::Announce(message.clone()), Call::Announce(message)));
            }
            Pending::Publish(None) | Pending::Announce(_) | Pending::Forget => {}
            Pending::UsersOf(node) => self.reaper.handle_page(node, None, 0),
            Pending::Reap { node, user } => {
                let _ = self.reaper.handle_reaped::<S, I>(node, user, false);
            }
            Pending::RemoveDead(node) => self.reaper.handle_removed(node),
        }
    }

    /// Calls that were made up and not made.
    pub(crate) fn drop_backlog(&mut self) {
        for (pending, _) in std::mem::take(&mut self.backlog) {
            self.fail(pending, self.now, Failed::NoAnswer);
        }
    }

    fn subscribed(&mut self, node: NodeId) {
        if self.trust.channel != Channel::Subscribing(node) {
            return;
        }
        self.trust.channel = Channel::Subscribed(node);
        if self.lease.is_held(self.now) {
            self.say_all(); // what was said while nobody listened here is found so
        }
    }

    fn leased(&mut self, sent: Duration, is_held: Option<bool>) {
        match self.lease.handle_reply(self.now, sent, is_held) {
            Outcome::Same => {}
            Outcome::Claimed { ended } => {
                // Taken for dead so long ago, what it had may have been reaped and the revisions forgotten. That is no loss.
                if ended.is_some_and(|ended| self.now >= ended + self.config.keep()) {
                    self.users.values_mut().for_each(User::forget_stored);
                }
            }
            // Not confirmed since the last loss was found: it is the same loss, and is being seen to.
            Outcome::Lost { confirmed } if self.trust.is_loss_known(confirmed) => {}
            Outcome::Lost { .. } => self.lose(true),
        }
    }

    fn looked(&mut self, sent: Duration, table: &[(NodeId, bool)]) {
        let is_listed = table.iter().any(|(node, is_alive)| *node == self.lease.node() && *is_alive);
        let is_ours = self.lease.held_since(self.now).is_none_or(|since| since > sent) || is_listed;
        if is_ours {
            self.peers.handle_table(self.now, sent, Some(table));
            self.drop_dead();
        } else {
            // A table without this node has been lost; the lease tells whether everything has.
            self.peers.handle_table(self.now, sent, None);
            self.lease.hurry(self.now);
        }
    }

    fn added(&mut self, node: NodeId, user: &U) {
        if let Some(known) = self.users.get_mut(user) {
            known.busy -= 1;
            known.is_listed = node == self.lease.node();
        }
        self.enqueue(user);
    }

    fn removed(&mut self, user: &U) {
        if let Some(known) = self.users.get_mut(user) {
            known.busy -= 1;
            known.may_be_listed = false;
        }
        self.enqueue(user);
        self.check_forget(user);
    }

    fn reaped(&mut self, node: NodeId, user: U, revision: u64, mut holders: Vec<NodeId>) {
        let own = self.lease.node();
        if holders.contains(&own) {
            self.hear(user.clone(), revision);
        }
        holders.retain(|holder| *holder != own);
        if !holders.is_empty() {
            let call = Call::Publish { to: holders, user: user.clone(), revision, list: Vec::new() };
            self.backlog.push_back((Pending::Publish(None), call));
        }
        if let Some(call) = self.reaper.handle_reaped(node, user, true) {
            self.backlog.push_back((Pending::RemoveDead(node), call));
        }
    }

    /// What this node has had under a former id is its caller's affair.
    pub(crate) fn tell_lost(&mut self, user: &U, lost: Vec<Entry<S, I>>) {
        for entry in lost {
            if !self.lease.is_own(entry.node) {
                self.events.push_back(Event::Lost { user: user.clone(), entry });
            }
        }
    }

    fn retry(&mut self, user: &U, failed: Failed) {
        let Some(known) = self.users.get(user) else {
            return;
        };
        // The first call without an answer has waited long enough.
        if failed == Failed::NoAnswer && known.attempts <= 1 {
            return self.enqueue(user);
        }
        let delay = RETRY * (1 << known.attempts.clamp(1, RETRY_DOUBLINGS) >> 1);
        self.timers.insert((self.now + delay, Timer::Retry, user.clone()));
    }

    pub(crate) fn check_forget(&mut self, user: &U) {
        if let Some(since) = self.users.get(user).and_then(|known| known.empty_since) {
            let at = self.now.max(since + self.config.lease);
            self.timers.insert((at, Timer::Forget, user.clone()));
        }
    }
}

/// The first time that a sync is tried again, doubled with each failure: Redis that says no says so for a while.
const RETRY: Duration = Duration::from_millis(100);
/// Up to 3.2 s: a third of a lease, since within one everything has to be right again.
const RETRY_DOUBLINGS: u32 = 6;
