//! Saying everything again, after a loss or a gap, and what that means for the completeness of lists.
//! Does not know: how a loss is found, how one user is said.

use std::time::Duration;

use crate::call::{Call, Message, NodeId};
use crate::queue::Place;
use crate::reconcile::Reconciler;
use crate::user::User;
use crate::work::Pending;

impl<U: Clone + Ord, S: Clone + Ord, I: Clone + Eq> Reconciler<U, S, I> {
    /// Everything is said again, in the order of the users. Redis has forgotten it, or takes it for a dead node's.
    pub(crate) fn say_all(&mut self) {
        self.round += 1;
        self.unsaid = 0;
        for (user, known) in &mut self.users {
            known.ends.say_again();
            if known.locals.is_empty() && !known.is_dirty && known.busy == 0 && !known.ends.has_asked() {
                known.round = self.round;
                continue;
            }
            known.is_dirty = true;
            self.unsaid += 1;
            self.queue.push(user, &mut known.place, Place::Again);
        }
        self.check_all_said();
    }

    /// Redis has lost data.
    pub(crate) fn lose(&mut self, is_own_finding: bool) {
        let own = [self.lease.node()].into_iter().chain(self.lease.former.iter().copied()).collect();
        self.trust.handle_loss(self.now, self.peers.alive(), own);
        self.peers.distrust(self.now);
        // The lease was lost as well, or it is known at once that it was not.
        self.lease.hurry(self.now);
        self.users.values_mut().for_each(User::forget_stored);
        // What listed them may be gone too, where it is not beside the lease.
        self.users.values_mut().for_each(|known| known.is_listed = false);
        if is_own_finding {
            self.announce(Message::Loss { from: self.lease.node() });
        }
        self.say_all();
    }

    pub(crate) fn check_all_said(&mut self) {
        if self.unsaid > 0 {
            return;
        }
        self.lease.former.clear();
        let asked_as = std::mem::take(&mut self.asked_as);
        if !asked_as.is_empty() {
            self.announce(Message::Said { nodes: asked_as });
        }
        if let Some(mut nodes) = self.trust.handle_all_said() {
            nodes.push(self.lease.node());
            self.announce(Message::Said { nodes });
        }
    }

    /// It is asked whether these, ids of this node, have said everything again.
    pub(crate) fn answer_ask(&mut self, own: Vec<NodeId>, age: Duration) {
        if own.is_empty() {
            return;
        }
        // All find the same loss within half a lease.
        if !self.trust.is_loss_known(self.now.saturating_sub(age + self.config.lease / 2)) {
            // What was said of it has not come here. What has been lost of this node shows when it is said.
            self.trust.handle_asked(self.now);
            self.say_all();
        }
        if self.unsaid == 0 {
            self.announce(Message::Said { nodes: own });
        } else {
            self.asked_as = own; // told when it has been
        }
    }

    pub(crate) fn announce(&mut self, message: Message<U>) {
        self.backlog.push_back((Pending::Announce(message.clone()), Call::Announce(message)));
    }

    /// After each input: has completeness changed? A change of it alone is a change.
    pub(crate) fn end(&mut self) {
        let is_away = self.trust.is_away();
        if is_away && !std::mem::replace(&mut self.was_away, is_away) {
            self.tell_waiting();
        }
        self.was_away = is_away;
        let is_complete = self.is_complete();
        if !self.trust.handle_completeness(self.now, is_complete) {
            return;
        }
        for (user, known) in &mut self.users {
            // Who is still to be said again is told of its completeness when it has been.
            let is_news = match is_complete {
                true => !known.told_complete && known.is_sure(self.round),
                false => known.told_complete,
            };
            if is_news && !std::mem::replace(&mut known.is_tell_queued, true) {
                self.to_tell.push_back(user.clone());
            }
        }
    }
}
