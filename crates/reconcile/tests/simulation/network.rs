//! The lines between nodes and Redis: delays in order, ends with what is under way lost or late, lost replies.

use reconcile::{Call, CallId, Message, Reply};

use super::oracle;
use super::redis::{Calls, Said};
use super::world::{Happening, MS, SECOND, World};

/// A connection: what is of another epoch is of one that has ended.
#[derive(Default, Clone, Copy)]
pub struct Line {
    pub epoch: u64,
    pub is_up: bool,
    pub last_arrival: u64,
}

/// What becomes of calls on a line that has ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fate {
    /// The line ended before they were sent.
    Lost,
    /// They are done late, and nobody is told.
    Sent,
    /// The kernel of a node that was cut off still sends them again, until then.
    HeldBack(u64),
    /// Each has one of its own, as if on lines of its own.
    OneByOne,
}

impl World {
    pub fn line(&mut self, proc: usize, is_channel: bool) -> &mut Line {
        let proc = &mut self.procs[proc];
        if is_channel { &mut proc.channel } else { &mut proc.connection }
    }

    pub fn delay(&mut self) -> u64 {
        if self.random.chance(3) {
            self.random.within(20 * MS, 300 * MS)
        } else {
            self.random.within(100, 5 * MS)
        }
    }

    /// A line ends. What is under way on it is lost, or arrives late.
    pub fn cut(&mut self, proc: usize, is_channel: bool) {
        let line = self.line(proc, is_channel);
        if !line.is_up {
            return;
        }
        line.is_up = false;
        let epoch = line.epoch;
        if is_channel {
            self.procs[proc].subscribed.clear();
        }
        let delay = if self.random.chance(50) { 0 } else { self.random.below(700 * MS) };
        self.after(delay, Happening::Notice { proc, epoch, is_channel });
    }

    /// The process ends, and with it its lines.
    pub fn kill(&mut self, proc: usize) {
        self.cut(proc, false);
        self.cut(proc, true);
        self.procs[proc].is_dead = true;
    }

    pub fn connect(&mut self, proc: usize, is_channel: bool) {
        let Some(server) = self.server.filter(|_| self.still_until <= self.now) else {
            let delay = self.random.within(50 * MS, 300 * MS);
            self.after(delay, Happening::Connect { proc, is_channel });
            return;
        };
        let now = self.now;
        let line = self.line(proc, is_channel);
        *line = Line { epoch: line.epoch + 1, is_up: true, last_arrival: now };
        self.log(|| format!("{proc} has {}", if is_channel { "channel" } else { "connection" }));
        let now = self.local(proc);
        match is_channel {
            false => self.procs[proc].reconciler.handle_connected(now, server),
            true => self.procs[proc].reconciler.handle_channel_up(now),
        }
        self.settle(proc);
    }

    pub fn arrive(&mut self, proc: usize, epoch: u64, is_channel: bool, id: CallId, call: Calls) {
        if self.server.is_none() {
            return;
        }
        if self.still_until > self.now {
            let wait = self.still_until - self.now;
            self.after(wait, Happening::Arrive { proc, epoch, is_channel, id, call });
            return;
        }
        let is_current = self.line(proc, is_channel).epoch == epoch && self.line(proc, is_channel).is_up;
        let fate = if is_current { Fate::Sent } else { self.fate(proc, epoch, is_channel) };
        let fate_of_one = match fate {
            Fate::OneByOne => self.draw_fate(),
            other => other,
        };
        match fate_of_one {
            Fate::Lost => return,
            Fate::HeldBack(until) if until > self.now => {
                let delay = until - self.now;
                self.after(delay, Happening::Arrive { proc, epoch, is_channel, id, call });
                return;
            }
            _ => {}
        }
        self.check_dead(proc, &call);
        let redis_now = self.redis_now();
        let before = match &call {
            Call::Sync(sync) => self.redis.data.hashes.get(&sync.user).cloned().unwrap_or_default(),
            _ => Default::default(),
        };
        let reply = self.redis.execute(redis_now, &call);
        if let Call::Sync(sync) = &call {
            // One connection keeps the order of the two, which is not so here when it ends.
            let is_listed =
                self.redis.data.sets.get(&sync.node).is_some_and(|set| set.contains_key(&sync.user));
            if is_listed && matches!(&reply, Ok(Reply::Synced(synced)) if !synced.is_stale) {
                self.taken.extend(&sync.ends);
            }
            oracle::check_admitted(self, &before, sync);
        }
        self.log(|| format!("{proc} {id:?} {call:?}{} -> {reply:?}", if is_current { "" } else { " LATE" }));
        if let Call::Subscribe { node } = call
            && is_current
        {
            self.procs[proc].subscribed.insert(node);
        }
        for (to, mut said) in std::mem::take(&mut self.redis.outbox) {
            if let Said::List(user, revision, _) = said
                && self.random.chance(20)
            {
                said = Said::Message(Message::Changed { user, revision }); // as if it were too long
            }
            for other in 0..self.procs.len() {
                let listens = match &to {
                    Some(to) => to.iter().any(|node| self.procs[other].subscribed.contains(node)),
                    None => !self.procs[other].subscribed.is_empty(),
                };
                // Over TCP a message is lost with its channel only; those on the common channel are lost even so, since
                // something makes up for each.
                let is_lost = to.is_none() && self.loss > 0 && self.random.chance(10);
                if listens && !is_lost {
                    let delay = self.delay();
                    let at = self.in_order(other, true, delay);
                    let epoch = self.procs[other].channel.epoch;
                    self.after(at, Happening::Hear { proc: other, epoch, said: said.clone() });
                }
            }
        }
        if is_current && !self.random.chance(self.loss) {
            let delay = self.delay();
            self.after(delay, Happening::Answer { proc, epoch, is_channel, id, reply });
        }
    }

    /// What becomes of what is under way on a line that has ended.
    fn fate(&mut self, proc: usize, epoch: u64, is_channel: bool) -> Fate {
        if let Some(fate) = self.fates.get(&(proc, epoch, is_channel)) {
            return *fate;
        }
        let fate = if self.random.chance(50) { Fate::OneByOne } else { self.draw_fate() };
        self.fates.insert((proc, epoch, is_channel), fate);
        fate
    }

    fn draw_fate(&mut self) -> Fate {
        if self.random.chance(50) {
            Fate::Lost
        } else if self.now < 60 * SECOND && self.random.chance(40) {
            Fate::HeldBack(self.now + self.random.below(25 * SECOND))
        } else {
            Fate::Sent
        }
    }

    /// Nobody calls dead who lives and whose lease is there.
    fn check_dead(&self, sender: usize, call: &Calls) {
        let dead = match call {
            Call::Sync(sync) => &sync.dead[..],
            Call::Reap { node, .. } => std::slice::from_ref(node),
            _ => return,
        };
        for (number, proc) in self.procs.iter().enumerate() {
            let node = proc.reconciler.node();
            let until = self.redis.data.leases.get(&node).copied().unwrap_or_default();
            let is_alive = !proc.is_dead && until > self.redis_now();
            assert!(number == sender || !is_alive || !dead.contains(&node), "{sender} calls {number} dead");
        }
    }

    /// What is sent on a line arrives in order: gives the delay.
    pub fn in_order(&mut self, proc: usize, is_channel: bool, delay: u64) -> u64 {
        let now = self.now;
        let line = self.line(proc, is_channel);
        line.last_arrival = line.last_arrival.max(now + delay);
        line.last_arrival - now
    }
}
