//! The reconciler of one node: what the world tells it, and what it tells the sockets. The calls are made up in
//! `work`, their replies understood in `answer`.
//! Does not know: Redis, sockets, channels, the clock, randomness.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::call::{Call, CallId, Event, Failed, Message, NodeId, Snapshot};
use crate::config::Config;
use crate::lease::Lease;
use crate::peers::Peers;
use crate::queue::{Place, Queue};
use crate::reap::Reaper;
use crate::session::{Local, Why};
use crate::trust::{Channel, Trust};
use crate::user::User;
use crate::work::{Pending, Sent};

/// Brings the sessions of this node and those in Redis together.
///
/// `handle_*` is what the world tells, `poll_*` what the caller asks until there is no more, after each `handle_*`.
/// Whoever carries out the calls keeps their order on one connection and answers each, by a time-out at the latest.
#[derive(Debug)]
pub struct Reconciler<U, S, I> {
    pub(crate) config: Config,
    pub(crate) now: Duration,
    pub(crate) random: u64,
    pub(crate) lease: Lease,
    pub(crate) trust: Trust,
    pub(crate) peers: Peers,
    pub(crate) reaper: Reaper<U>,
    pub(crate) users: BTreeMap<U, User<S, I>>,
    /// Users with something to say.
    pub(crate) queue: Queue<U>,
    pub(crate) timers: BTreeSet<(Duration, Timer, U)>,
    /// Calls made up already, a few for each reply at the most.
    pub(crate) backlog: VecDeque<(Pending<U>, Call<U, S, I>)>,
    pub(crate) in_flight: BTreeMap<CallId, Sent<U>>,
    /// What is to be said before any list.
    pub(crate) events: VecDeque<Event<U, S, I>>,
    pub(crate) to_tell: VecDeque<U>,
    /// How often everything was to be said, and how many users of this time have not been said yet.
    pub(crate) round: u64,
    pub(crate) unsaid: usize,
    /// Under these ids others have asked whether all has been said.
    pub(crate) asked_as: Vec<NodeId>,
    pub(crate) last_call: u64,
    pub(crate) seq: u64,
    /// The highest revision of all users.
    pub(crate) highest: u64,
    /// Lists that were not taken over.
    pub(crate) dropped: u64,
    pub(crate) is_reapers_turn: bool,
    pub(crate) was_away: bool,
}

/// What a user waits for; an idle one for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A change here is told without Redis.
    Ready,
    /// A sync that failed is tried again.
    Retry,
    /// A user without sessions is forgotten, or what was asked of others for one.
    Forget,
}

impl<U: Clone + Ord, S: Clone + Ord, I: Clone + Eq> Reconciler<U, S, I> {
    /// A node that starts, with a random id.
    pub fn new(config: Config, random: u64) -> Self {
        Self {
            now: Duration::ZERO,
            random,
            lease: Lease::new(NodeId(random), config.ttl()),
            trust: Trust::new(config.lease, config.ready_timeout),
            peers: Peers::new(config.lease),
            reaper: Reaper::new(config.lease),
            users: BTreeMap::new(),
            queue: Queue::new(),
            timers: BTreeSet::new(),
            backlog: VecDeque::new(),
            in_flight: BTreeMap::new(),
            events: VecDeque::new(),
            to_tell: VecDeque::new(),
            round: 0,
            unsaid: 0,
            asked_as: Vec::new(),
            last_call: 0,
            seq: 0,
            highest: 0,
            dropped: 0,
            is_reapers_turn: false,
            was_away: false,
            config,
        }
    }

    /// Its sets are numbered from here. Of a process that begins anew they have to be above those of before, which are
    /// still in Redis.
    pub fn numbered_from(mut self, seq: u64) -> Self {
        self.seq = seq;
        self
    }

    /// These are the sessions of a user on this node, all of them. Those that it does not name have gone, those that are
    /// new want to join. Nothing happens when it is what was said before.
    ///
    /// A session that was refused or has ended may be named until the caller has taken that in: it stays gone.
    pub fn handle_sessions(&mut self, now: Duration, user: U, locals: Vec<Local<S, I>>) {
        self.begin(now);
        if !locals.is_empty() || self.users.contains_key(&user) {
            let known = self.users.entry(user.clone()).or_insert_with(|| User::new(self.round));
            if known.ends.keep_named(|gone| locals.iter().any(|local| local.session == *gone)) {
                self.check_forget(&user);
            }
        }
        if self.users.get_mut(&user).is_some_and(|known| known.set(now, locals)) {
            self.change(user);
        }
        self.end();
    }

    /// A session of a user, on whatever node, is to end. It is remembered until Redis has taken it, and said again should
    /// Redis lose it before its node can have heard. What nobody lists any more has ended.
    pub fn handle_end(&mut self, now: Duration, user: U, session: S) {
        self.begin(now);
        let known = self.users.entry(user.clone()).or_insert_with(|| User::new(self.round));
        known.note_empty(now);
        if known.drop_local(now, &session) {
            self.events.push_back(Event::Ended { user: user.clone(), session, why: Why::Asked });
            self.change(user);
        } else if !known.ends.is_gone(&session) && known.ends.ask(session) {
            known.is_dirty = true;
            self.enqueue(&user);
        }
        self.end();
    }

    /// A message on this node's channel or on the common one.
    pub fn handle_message(&mut self, now: Duration, message: Message<U>) {
        self.begin(now);
        match message {
            Message::Changed { user, revision } => self.hear(user, revision),
            Message::Loss { from } if self.lease.is_own(from) => {}
            Message::Loss { .. } if self.trust.is_new_loss(now) => self.lose(false),
            Message::Loss { .. } => {}
            Message::Said { nodes } => self.trust.handle_said(&nodes),
            Message::Ask { mut nodes, age } => {
                nodes.retain(|node| self.lease.is_own(*node));
                self.answer_ask(nodes, age);
            }
        }
        self.end();
    }

    /// Time has passed: at [`Self::next_timeout`] at the latest. `random` is a fresh draw, and becomes the id of this
    /// node if it needs another one.
    pub fn handle_tick(&mut self, now: Duration, random: u64) {
        self.random = random;
        self.begin(now);
        if self.lease.wants_id(now) && self.lease.take(NodeId(random)) {
            for user in self.users.values_mut() {
                user.is_listed = false;
                user.may_be_listed = false;
            }
            self.say_all();
        }
        self.drop_dead();
        self.end();
    }

    /// The connection for calls is there. `server` names the run of the Redis behind it (its `run_id`): another run may
    /// have come back with old data, under which this node has fields that it does not know of; so the id is changed,
    /// and what is left of the old one reaped.
    pub fn handle_connected(&mut self, now: Duration, server: u64) {
        self.begin(now);
        if self.trust.handle_connected(server) {
            self.lease.end(now);
        }
        self.peers.distrust(now);
        self.say_all();
        self.end();
    }

    /// The connection for calls has ended. The calls on it count as failed; no reply to them is wanted any more.
    pub fn handle_disconnected(&mut self, now: Duration) {
        self.begin(now);
        self.trust.handle_disconnected();
        let (kept, ended): (BTreeMap<_, _>, _) = std::mem::take(&mut self.in_flight)
            .into_iter()
            .partition(|(_, sent)| matches!(sent.pending, Pending::Subscribe(_)));
        self.in_flight = kept;
        ended.into_values().for_each(|sent| self.fail(sent.pending, sent.at, Failed::NoAnswer));
        self.drop_backlog();
        self.peers.handle_disconnected(now);
        self.reaper.stop();
        self.end();
    }

    /// The connection for messages is there; what was said before is to be subscribed to again.
    pub fn handle_channel_up(&mut self, now: Duration) {
        self.begin(now);
        self.trust.channel = Channel::Up;
        self.end();
    }

    /// The connection for messages has ended: nobody is heard.
    pub fn handle_channel_down(&mut self, now: Duration) {
        self.begin(now);
        self.trust.channel = Channel::Down;
        self.in_flight.retain(|_, sent| !matches!(sent.pending, Pending::Subscribe(_)));
        self.end();
    }

    /// What is to be told now, one after another until there is nothing.
    pub fn poll_event(&mut self) -> Option<Event<U, S, I>> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        let is_complete = self.is_complete();
        loop {
            let user = self.to_tell.pop_front()?;
            let Some(known) = self.users.get_mut(&user) else {
                continue;
            };
            known.is_tell_queued = false;
            if known.has_audience() {
                let complete = is_complete && known.is_sure(self.round);
                let (revision, list) = known.tell(self.lease.node(), complete, self.highest);
                self.highest = self.highest.max(revision);
                return Some(Event::Tell(Snapshot { user, revision, complete, list }));
            }
        }
    }

    /// When [`Self::handle_tick`] is wanted.
    pub fn next_timeout(&self) -> Option<Duration> {
        let is_connected = self.trust.is_connected();
        let lease = self.lease.next_timeout(is_connected);
        let look = self.peers.next_timeout().filter(|_| is_connected);
        let timer = self.timers.first().map(|(at, ..)| *at);
        [lease, look, timer, self.trust.next_timeout()].into_iter().flatten().min()
    }

    /// The id of this node now.
    pub fn node(&self) -> NodeId {
        self.lease.node()
    }

    /// How long ago the lease was renewed, for metrics; `None` without one.
    pub fn lease_age(&self, now: Duration) -> Option<Duration> {
        self.lease.age(now)
    }

    /// Users with something that Redis has not been told, for metrics.
    pub fn dirty_users(&self) -> usize {
        self.queue.len()
    }

    /// Lists that were older than what was known, or made under a lease that had ended, and were asked for again, for
    /// metrics.
    pub fn dropped_revisions(&self) -> u64 {
        self.dropped
    }

    /// Ids that are known to be dead now. What Redis still has of them is in no list, however long it takes to reap it.
    pub fn dead(&self) -> Vec<NodeId> {
        match self.may_reap() {
            true => self.peers.dead(self.now).collect(),
            false => Vec::new(),
        }
    }

    /// Users of whom something is known.
    pub fn users(&self) -> usize {
        self.users.len()
    }

    /// Whether lists can be complete now.
    pub fn is_complete(&self) -> bool {
        let is_held = self.lease.is_held(self.now);
        self.trust.is_complete(is_held.then_some(self.lease.node()))
    }

    /// Another node says that a user has this revision.
    pub(crate) fn hear(&mut self, user: U, revision: u64) {
        if let Some(known) = self.users.get_mut(&user) {
            known.wanted = known.wanted.max(revision);
            self.enqueue(&user);
        }
    }

    pub(crate) fn begin(&mut self, now: Duration) {
        self.now = now;
        self.lease.handle_time(now);
        let (trust, peers) = (&mut self.trust, &self.peers);
        if trust.handle_time(now, |node| peers.alive().any(|alive| alive == node)) {
            self.say_all();
        }
        if let Some((nodes, age)) = self.trust.poll_ask(now) {
            self.announce(Message::Ask { nodes, age });
        }
        while let Some((at, ..)) = self.timers.first()
            && *at <= now
        {
            if let Some((_, timer, user)) = self.timers.pop_first() {
                self.handle_timer(timer, &user);
            }
        }
    }

    fn handle_timer(&mut self, timer: Timer, user: &U) {
        let Some(known) = self.users.get_mut(user) else {
            return;
        };
        if timer == Timer::Forget {
            known.ends.forget_taken(self.now.saturating_sub(self.config.keep()));
        }
        let is_overdue = known.changed_at.is_some_and(|at| self.now >= at + self.config.ready_timeout);
        match timer {
            Timer::Ready if is_overdue => self.tell_late(user),
            Timer::Ready => {}
            Timer::Retry => self.enqueue_as(user, Place::Again),
            Timer::Forget if !known.may_be_forgotten(self.now, self.config.lease) => {}
            Timer::Forget if known.may_be_listed => self.enqueue_leaving(user),
            Timer::Forget => self.forget(user),
        }
    }
}
