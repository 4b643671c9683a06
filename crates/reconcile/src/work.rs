//! What is to be done next: which calls go out, and in which order.
//! Does not know: what a reply means.

use std::time::Duration;

use crate::call::{Call, CallId, Event, Failed, Message, NodeId, Sync};
use crate::queue::Place;
use crate::reconcile::{Reconciler, Timer};
use crate::trust::Channel;

/// What a call was for.
#[derive(Debug, Clone)]
pub(crate) enum Pending<U> {
    Subscribe(NodeId),
    Claim,
    Renew,
    Nodes,
    AddUser {
        node: NodeId,
        user: U,
    },
    RemoveUser {
        node: NodeId,
        user: U,
    },
    /// `round` is that of its start: what was sent before everything had to be said again is not that saying.
    Sync {
        node: NodeId,
        user: U,
        round: u64,
        held: u64,
    },
    /// To be made up for if it fails, when it is for a user here.
    Publish(Option<U>),
    Announce(Message<U>),
    UsersOf(NodeId),
    Reap {
        node: NodeId,
        user: U,
    },
    RemoveDead(NodeId),
    Forget,
}

/// A call without a reply.
#[derive(Debug)]
pub(crate) struct Sent<U> {
    pub(crate) at: Duration,
    pub(crate) pending: Pending<U>,
}

impl<U: Clone + Ord, S: Clone + Ord, I: Clone + Eq> Reconciler<U, S, I> {
    /// The next call to make, until there is none. Calls are made in this order.
    pub fn poll_call(&mut self) -> Option<(CallId, Call<U, S, I>)> {
        let (pending, call) = self.next_vital_call().or_else(|| self.next_users_call())?;
        self.last_call += 1;
        let id = CallId(self.last_call);
        self.in_flight.insert(id, Sent { at: self.now, pending });
        Some((id, call))
    }

    /// What all else rests on. Not bounded with the rest: there is one of each, and they are never behind a million syncs.
    fn next_vital_call(&mut self) -> Option<(Pending<U>, Call<U, S, I>)> {
        let (now, node, ttl) = (self.now, self.lease.node(), self.config.ttl());
        let is_fresh = !self.lease.wants_id(now);
        match self.trust.channel {
            // Before the claim, so that nothing is said under an id at which nobody listens; usually it is answered first.
            Channel::Up if is_fresh && now >= self.trust.subscribe_at => return Some(self.subscribe(node)),
            Channel::Subscribed(other) if other != node && is_fresh => return Some(self.subscribe(node)),
            Channel::Subscribing(other) if other != node && is_fresh => return Some(self.subscribe(node)),
            _ => {}
        }
        if !self.trust.is_connected() {
            return None;
        }
        match self.lease.poll(now) {
            Some(true) => return Some((Pending::Claim, Call::Claim { node, ttl })),
            Some(false) => return Some((Pending::Renew, Call::Renew { node, ttl })),
            None => {}
        }
        if self.peers.poll(now) {
            return Some((Pending::Nodes, Call::Nodes));
        }
        self.next_of_backlog()
    }

    fn next_of_backlog(&mut self) -> Option<(Pending<U>, Call<U, S, I>)> {
        loop {
            let (pending, call) = self.backlog.pop_front()?;
            let is_lapsed = match &pending {
                Pending::AddUser { node, .. }
                | Pending::RemoveUser { node, .. }
                | Pending::Sync { node, .. } => *node != self.lease.node() || !self.lease.is_held(self.now),
                _ => false,
            };
            if !is_lapsed {
                return Some((pending, call));
            }
            // The lease has ended since it was made up: nothing is written under it any more.
            self.fail(pending, self.now, Failed::Error);
        }
    }

    fn subscribe(&mut self, node: NodeId) -> (Pending<U>, Call<U, S, I>) {
        self.trust.channel = Channel::Subscribing(node);
        (Pending::Subscribe(node), Call::Subscribe { node })
    }

    /// Syncs and reaping take turns, so that neither the dead nor the living wait for all of the others.
    fn next_users_call(&mut self) -> Option<(Pending<U>, Call<U, S, I>)> {
        let is_full = self.in_flight.len() >= self.config.calls_in_flight;
        if is_full || !self.trust.is_connected() || !self.lease.is_held(self.now) {
            return None;
        }
        self.is_reapers_turn = !self.is_reapers_turn;
        match self.is_reapers_turn {
            true => self.next_reaping().or_else(|| self.next_sync()),
            false => self.next_sync().or_else(|| self.next_reaping()),
        }
    }

    fn next_reaping(&mut self) -> Option<(Pending<U>, Call<U, S, I>)> {
        if !self.reaper.is_working() && !self.may_reap() {
            return None;
        }
        let call = self.reaper.poll(self.now, &mut self.peers, self.random)?;
        let pending = match &call {
            Call::Reap { node, user } => Pending::Reap { node: *node, user: user.clone() },
            Call::UsersOf { node, .. } => Pending::UsersOf(*node),
            _ => Pending::Forget,
        };
        Some((pending, call))
    }

    fn next_sync(&mut self) -> Option<(Pending<U>, Call<U, S, I>)> {
        let node = self.lease.node();
        loop {
            let user = self.queue.pop()?;
            let Some(known) = self.users.get_mut(&user) else {
                continue;
            };
            if !self.queue.leave(&mut known.place) {
                continue; // said meanwhile
            }
            if known.busy > 0 {
                continue; // one at a time: its reply looks at the user again
            }
            if !known.needs_sync() {
                if !known.may_be_forgotten(self.now, self.config.lease) {
                    continue;
                }
                if !known.may_be_listed {
                    self.forget(&user); // what lists it under a former id is reaped
                    continue;
                }
                known.busy += 1;
                known.is_listed = false;
                self.seq += 1;
                let call = Call::RemoveUser { node, user: user.clone(), seq: self.seq };
                return Some((Pending::RemoveUser { node, user }, call));
            }
            if known.is_listed || known.locals.is_empty() && !known.ends.has_asked() {
                self.seq += 1;
                known.start_parts(self.seq, self.round, self.config.fields_per_sync);
                return self.next_part(&user);
            }
            // Before the first field: should this node die in between, the field is found. Before an end as well: whoever
            // finds the user then tells the nodes that it should have told.
            known.busy += 1;
            self.seq += 1;
            known.may_be_listed = true;
            let call = Call::AddUser { node, user: user.clone(), seq: self.seq };
            let pending = Pending::AddUser { node, user: user.clone() };
            if !self.config.is_cluster {
                self.seq += 1;
                known.start_parts(self.seq, self.round, self.config.fields_per_sync);
                let part = self.next_part(&user);
                self.backlog.extend(part);
            }
            return Some((pending, call));
        }
    }

    /// The next part of a user's set, if there is one.
    pub(crate) fn next_part(&mut self, user: &U) -> Option<(Pending<U>, Call<U, S, I>)> {
        let node = self.lease.node();
        let dead = self.dead_ids();
        let known = self.users.get_mut(user)?;
        let parts = known.parts.as_mut()?;
        let fields = parts.rest.pop_front()?;
        let (seq, round, part, is_last) = (parts.seq, parts.round, parts.next, parts.rest.is_empty());
        let ends = std::mem::take(&mut parts.ends);
        parts.next += 1;
        known.busy += 1;
        // Only the first part asks for a loss: a later one would find what the first has made.
        let held = if part == 0 { known.stored } else { 0 };
        let highest = known.told;
        let user = user.clone();
        let pending = Pending::Sync { node, user: user.clone(), round, held };
        Some((
            pending,
            Call::Sync(Sync { user, node, seq, part, is_last, fields, ends, held, highest, dead }),
        ))
    }

    /// Own former ids, and the dead if it is known who they are.
    fn dead_ids(&self) -> Vec<NodeId> {
        let mut dead = self.lease.former.clone();
        if self.may_reap() {
            dead.extend(self.peers.dead(self.now).filter(|node| !self.lease.is_own(*node)));
        }
        dead
    }

    pub(crate) fn may_reap(&self) -> bool {
        self.peers.may_reap(self.now, self.lease.held_since(self.now))
    }

    /// Users here whose lists hold sessions of nodes that have died are asked for again, which drops these.
    pub(crate) fn drop_dead(&mut self) {
        if !self.may_reap() {
            return self.peers.handle_no_right();
        }
        let newly = self.peers.newly_dead(self.now);
        if newly.is_empty() {
            return;
        }
        for (user, known) in &mut self.users {
            if known.others.iter().any(|entry| newly.contains(&entry.node)) {
                known.is_dirty = true;
                self.queue.push(user, &mut known.place, Place::Again);
            }
        }
    }

    /// Something has changed here.
    pub(crate) fn change(&mut self, user: U) {
        let is_away = self.trust.is_away();
        let Some(known) = self.users.get_mut(&user) else {
            return;
        };
        known.is_dirty = true;
        if is_away {
            self.tell_late(&user);
        } else if known.changed_at.is_none() {
            known.changed_at = Some(self.now);
            self.timers.insert((self.now + self.config.ready_timeout, Timer::Ready, user.clone()));
        }
        self.check_forget(&user);
        self.enqueue(&user);
    }

    /// Judges and tells by what is known, without Redis. Who is told of is in, whatever the cap says later.
    pub(crate) fn tell_late(&mut self, user: &U) {
        if let Some(known) = self.users.get_mut(user) {
            let gone = known.take_all(self.now, &self.config.caps);
            known.is_dirty |= !gone.is_empty(); // a sync under way may name them
            known.is_late = true;
            known.changed_at = None;
            self.events.extend(gone.into_iter().map(|(session, why)| match why {
                Some(why) => Event::Ended { user: user.clone(), session, why },
                None => Event::Refused { user: user.clone(), session },
            }));
            self.tell(user);
            self.check_forget(user);
            self.enqueue(user);
        }
    }

    /// Redis is away: whoever waits for it is told now.
    pub(crate) fn tell_waiting(&mut self) {
        let is_ready = |(_, timer, _): &(Duration, Timer, U)| *timer == Timer::Ready;
        let waiting: Vec<_> = self.timers.extract_if(.., is_ready).map(|(.., user)| user).collect();
        for user in waiting {
            if self.users.get(&user).is_some_and(|known| known.changed_at.is_some()) {
                self.tell_late(&user);
            }
        }
    }

    pub(crate) fn tell(&mut self, user: &U) {
        if let Some(known) = self.users.get_mut(user)
            && !std::mem::replace(&mut known.is_tell_queued, true)
        {
            self.to_tell.push_back(user.clone());
        }
    }

    /// Something has changed of this user, or is wanted.
    pub(crate) fn enqueue(&mut self, user: &U) {
        self.enqueue_as(user, Place::Changed);
    }

    pub(crate) fn enqueue_as(&mut self, user: &U, place: Place) {
        if let Some(known) = self.users.get_mut(user)
            && known.needs_sync()
        {
            self.queue.push(user, &mut known.place, place);
        }
    }

    /// Nobody is here any more: it is taken out of the node's set.
    pub(crate) fn enqueue_leaving(&mut self, user: &U) {
        if let Some(known) = self.users.get_mut(user) {
            self.queue.push(user, &mut known.place, Place::Again);
        }
    }

    pub(crate) fn forget(&mut self, user: &U) {
        if let Some(mut known) = self.users.remove(user) {
            self.queue.leave(&mut known.place);
            if known.round != self.round {
                // It was to be said again; there is nothing to say.
                self.unsaid = self.unsaid.saturating_sub(1);
                self.check_all_said();
            }
            self.queue.tidy(&self.users, |known| known.place);
        }
    }
}
