//! How far what is known can be trusted: is Redis there, can others be heard, has it lost data, who has said all again.
//! Does not know: users, calls.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::call::NodeId;

#[derive(Debug)]
pub(crate) struct Trust {
    now: Duration,
    lease: Duration,
    grace: Duration,
    connection: Connection,
    /// Which Redis it was; another one, or the same restarted, may know less.
    server: Option<u64>,
    /// The calls that see to the lease and the table get no answer.
    is_stalled: bool,
    pub(crate) channel: Channel,
    /// Not before this, after it has failed.
    pub(crate) subscribe_at: Duration,
    loss: Option<Loss>,
    last_loss: Option<Duration>,
    /// Another loss was heard of so soon after one that it may be the same.
    say_again_at: Option<Duration>,
    incomplete_since: Option<Duration>,
    was_complete: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Connection {
    /// Never made yet, and not waited for any longer than for one answer.
    Starting,
    Up,
    Down,
}

/// The second connection, on which others are heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    Down,
    Up,
    /// The call is under way, for this id.
    Subscribing(NodeId),
    Subscribed(NodeId),
}

#[derive(Debug)]
struct Loss {
    since: Duration,
    waits_for: BTreeSet<NodeId>,
    /// When they are asked whether they have.
    ask_at: Duration,
    /// Under which ids others may wait for this node; `None` when all was said.
    known_as: Option<Vec<NodeId>>,
}

impl Trust {
    pub(crate) fn new(lease: Duration, grace: Duration) -> Self {
        Self {
            now: Duration::ZERO,
            lease,
            grace,
            connection: Connection::Starting,
            server: None,
            is_stalled: false,
            channel: Channel::Down,
            subscribe_at: Duration::ZERO,
            loss: None,
            last_loss: None,
            say_again_at: None,
            incomplete_since: None,
            was_complete: true,
        }
    }

    /// Gives whether it is another server than before.
    pub(crate) fn handle_connected(&mut self, server: u64) -> bool {
        self.connection = Connection::Up;
        self.is_stalled = false;
        self.server.replace(server).is_some_and(|before| before != server)
    }

    pub(crate) fn handle_disconnected(&mut self) {
        self.connection = Connection::Down;
    }

    pub(crate) fn handle_answer(&mut self, is_answered: bool) {
        self.is_stalled = !is_answered;
    }

    /// What is waited for ends. Gives whether everything is to be said once more. After a lease a node of which nothing was
    /// heard is waited for only as long as it lives: it may have much to say.
    pub(crate) fn handle_time(&mut self, now: Duration, is_alive: impl Fn(NodeId) -> bool) -> bool {
        self.now = now;
        if self.connection == Connection::Starting && now >= self.grace {
            self.connection = Connection::Down;
        }
        if let Some(loss) = &mut self.loss
            && now >= loss.since + self.lease
        {
            // What one says may be lost on its way.
            let is_over = now >= loss.since + self.lease * LOSS_LEASES;
            loss.waits_for.retain(|node| !is_over && is_alive(*node));
            self.end_loss();
        }
        self.say_again_at.take_if(|at| now >= *at).is_some()
    }

    /// Redis has lost data, as this node has found. `others` are those that lived, `own` the ids of this node.
    pub(crate) fn handle_loss(
        &mut self,
        now: Duration,
        others: impl Iterator<Item = NodeId>,
        own: Vec<NodeId>,
    ) {
        let waits_for = others.filter(|node| !own.contains(node)).collect();
        self.loss = Some(Loss { since: now, waits_for, ask_at: now + self.lease / 2, known_as: Some(own) });
        self.last_loss = Some(now);
    }

    /// Another node has found a loss; gives whether it is a new one. All nodes find the same loss within a third of a
    /// lease and each says so: one that was heard of later than that, and of what is not the whole, is served by saying
    /// everything once more afterwards.
    pub(crate) fn is_new_loss(&mut self, now: Duration) -> bool {
        match self.last_loss {
            Some(last) if now < last + self.lease / 2 => {
                self.say_again_at = Some(last + self.lease / 2);
                false
            }
            _ => true,
        }
    }

    /// A loss has been found since then.
    pub(crate) fn is_loss_known(&self, since: Duration) -> bool {
        self.last_loss.is_some_and(|last| last >= since)
    }

    pub(crate) fn is_in_loss(&self) -> bool {
        self.loss.is_some()
    }

    /// Another node knows of a loss, and says so by asking for what follows from it.
    pub(crate) fn handle_asked(&mut self, now: Duration) {
        self.last_loss = Some(now);
    }

    /// Those that are waited for, and since when, when it is time to ask them: what they have said may be lost on its way.
    pub(crate) fn poll_ask(&mut self, now: Duration) -> Option<(Vec<NodeId>, Duration)> {
        let loss = self.loss.as_mut().filter(|loss| !loss.waits_for.is_empty() && now >= loss.ask_at)?;
        loss.ask_at = now + self.lease / 8;
        Some((loss.waits_for.iter().copied().collect(), now - loss.since))
    }

    /// Another node has said everything again.
    pub(crate) fn handle_said(&mut self, nodes: &[NodeId]) {
        if let Some(loss) = &mut self.loss {
            nodes.iter().for_each(|node| {
                loss.waits_for.remove(node);
            });
        }
        self.end_loss();
    }

    /// This node has said everything again. Gives the ids under which it is waited for, once after a loss.
    pub(crate) fn handle_all_said(&mut self) -> Option<Vec<NodeId>> {
        let known_as = self.loss.as_mut().and_then(|loss| loss.known_as.take());
        self.end_loss();
        known_as
    }

    /// Changes are told at once, since nobody would answer.
    pub(crate) fn is_away(&self) -> bool {
        self.connection == Connection::Down || self.is_stalled
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.connection == Connection::Up
    }

    /// Lists can be complete; `node` is the own id if its lease is held.
    pub(crate) fn is_complete(&self, node: Option<NodeId>) -> bool {
        self.is_connected()
            && !self.is_stalled
            && self.loss.as_ref().is_none_or(|loss| loss.waits_for.is_empty())
            && node.is_some_and(|node| self.channel == Channel::Subscribed(node))
    }

    /// Gives whether all lists have to be looked at, since completeness has changed. That they are no longer complete is
    /// told only when it lasts: a connection that is made again at once is not worth two updates to every socket.
    pub(crate) fn handle_completeness(&mut self, now: Duration, complete: bool) -> bool {
        if complete {
            self.was_complete = true;
            return self.incomplete_since.take().is_some();
        }
        let since = *self.incomplete_since.get_or_insert(now);
        let is_told = self.loss.is_some() || now >= since + self.grace;
        is_told && std::mem::replace(&mut self.was_complete, false)
    }

    pub(crate) fn next_timeout(&self) -> Option<Duration> {
        let starting = (self.connection == Connection::Starting).then_some(self.grace);
        let ask = self.loss.as_ref().filter(|loss| !loss.waits_for.is_empty()).map(|loss| loss.ask_at);
        // From then on it is looked at whenever they are asked.
        let loss = self.loss.as_ref().map(|loss| loss.since + self.lease).filter(|at| *at > self.now);
        let told = self.incomplete_since.filter(|_| self.was_complete).map(|since| since + self.grace);
        let subscribe = (self.channel == Channel::Up).then_some(self.subscribe_at);
        [starting, loss, ask, told, subscribe, self.say_again_at].into_iter().flatten().min()
    }

    fn end_loss(&mut self) {
        self.loss.take_if(|loss| loss.known_as.is_none() && loss.waits_for.is_empty());
    }
}

/// For how many leases a node that lives and has not said that it has said everything is waited for.
const LOSS_LEASES: u32 = 12;
