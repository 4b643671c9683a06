//! The world: nodes, their connections, a network with delays and losses, one Redis, and a time of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use reconcile::{CallId, Caps, Config, Failed, Local, NodeId, Reconciler, Snapshot};

use super::network::{Fate, Line};
use super::random::Random;
use super::redis::{Calls, Data, Redis, Replies, Said};

pub const MS: u64 = 1000;
pub const SECOND: u64 = 1000 * MS;
pub const LEASE: u64 = 10 * SECOND;
pub const CALL_TIMEOUT: u64 = 1000 * MS;
/// Where Redis's clock starts, in microseconds.
const EPOCH: u64 = 1_700_000_000 * SECOND;

pub struct World {
    pub now: u64,
    pub random: Random,
    pub redis: Redis,
    /// Names the run of Redis; `None` while it is down.
    pub server: Option<u64>,
    /// Redis stands still until then.
    pub still_until: u64,
    pub snapshot: Data,
    pub procs: Vec<Proc>,
    /// Sessions that are to end, and who was told so.
    pub asked: Vec<(u64, usize)>,
    /// Those of them that Redis has been told of, and has not lost.
    pub taken: BTreeSet<u64>,
    pub events: BTreeMap<(u64, u64), Happening>,
    /// Of lines that have ended, by process and epoch.
    pub fates: BTreeMap<(usize, u64, bool), Fate>,
    count: u64,
    pub next_session: u64,
    /// Percent of replies that are lost.
    pub loss: u64,
    /// Calls for users since this was cleared.
    pub user_calls: Vec<Calls>,
    pub trace: bool,
}

/// A process: one node until it is killed.
pub struct Proc {
    pub started: u64,
    pub reconciler: Reconciler<u64, u64, u64>,
    pub is_dead: bool,
    pub paused_until: u64,
    /// The sessions that are open, of each user.
    pub sessions: BTreeMap<u64, BTreeMap<u64, Local<u64, u64>>>,
    /// Those that were refused or ended, and are still named for a while.
    pub closing: BTreeMap<u64, BTreeMap<u64, Local<u64, u64>>>,
    pub ended: BTreeSet<u64>,
    pub told: BTreeMap<u64, Snapshot<u64, u64, u64>>,
    pub refused: BTreeSet<u64>,
    pub highest: BTreeMap<u64, u64>,
    pub connection: Line,
    pub channel: Line,
    pub subscribed: BTreeSet<NodeId>,
    tick: Option<(u64, u64)>,
}

pub enum Happening {
    Arrive {
        proc: usize,
        epoch: u64,
        is_channel: bool,
        id: CallId,
        call: Calls,
    },
    Answer {
        proc: usize,
        epoch: u64,
        is_channel: bool,
        id: CallId,
        reply: Result<Replies, Failed>,
    },
    Hear {
        proc: usize,
        epoch: u64,
        said: Said,
    },
    Connect {
        proc: usize,
        is_channel: bool,
    },
    /// The node finds that the line has ended.
    Notice {
        proc: usize,
        epoch: u64,
        is_channel: bool,
    },
    Tick {
        proc: usize,
    },
    RedisUp {
        is_empty: bool,
    },
    MemoryBack,
    /// A session that was refused or ended is no longer named.
    Closed {
        proc: usize,
        user: u64,
        session: u64,
    },
    Start,
    Snapshot,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let mut config = Config::new(Duration::from_micros(LEASE));
        let per_login = if random.chance(60) { 3 } else { usize::MAX };
        config.caps = Caps { per_user: 6, per_login, evict_oldest: random.chance(50) };
        let redis = Redis { data: Data::default(), config, outbox: Vec::new(), out_of_memory: false };
        let mut world = Self {
            now: 0,
            random,
            redis,
            server: Some(1),
            still_until: 0,
            snapshot: Data::default(),
            procs: Vec::new(),
            asked: Vec::new(),
            taken: BTreeSet::new(),
            events: BTreeMap::new(),
            fates: BTreeMap::new(),
            count: 0,
            next_session: 1,
            loss: 0,
            user_calls: Vec::new(),
            trace: std::env::var("TRACE").is_ok(),
        };
        world.after(SECOND, Happening::Snapshot);
        world
    }

    pub fn log(&self, what: impl FnOnce() -> String) {
        if self.trace {
            eprintln!("{:>9.3} {}", self.now as f64 / SECOND as f64, what());
        }
    }

    pub fn after(&mut self, delay: u64, happening: Happening) -> (u64, u64) {
        self.count += 1;
        let key = (self.now + delay, self.count);
        self.events.insert(key, happening);
        key
    }

    pub fn start(&mut self) {
        let mut config = self.redis.config.clone();
        config.fields_per_sync = if self.random.chance(50) { 2 } else { 500 };
        config.calls_in_flight = self.random.within(2, 20) as usize;
        config.is_cluster = self.random.chance(30);
        let reconciler = Reconciler::new(config, self.random.next());
        self.procs.push(Proc {
            started: self.now,
            reconciler,
            is_dead: false,
            paused_until: 0,
            sessions: BTreeMap::new(),
            told: BTreeMap::new(),
            closing: BTreeMap::new(),
            ended: BTreeSet::new(),
            refused: BTreeSet::new(),
            highest: BTreeMap::new(),
            connection: Line::default(),
            channel: Line::default(),
            subscribed: BTreeSet::new(),
            tick: None,
        });
        let proc = self.procs.len() - 1;
        self.log(|| format!("start {proc} as {:?}", self.procs[proc].reconciler.node()));
        for is_channel in [false, true] {
            let delay = self.random.below(50 * MS);
            self.after(delay, Happening::Connect { proc, is_channel });
        }
        self.settle(proc);
    }

    /// A node's own clock starts with it.
    pub fn local(&self, proc: usize) -> Duration {
        Duration::from_micros(self.now - self.procs[proc].started)
    }

    pub fn redis_now(&self) -> u64 {
        EPOCH + self.now
    }

    pub fn run_until(&mut self, end: u64) {
        while let Some(entry) = self.events.first_entry()
            && entry.key().0 <= end
        {
            let ((at, _), happening) = entry.remove_entry();
            self.now = self.now.max(at);
            self.happen(happening);
        }
        self.now = end;
    }

    fn happen(&mut self, happening: Happening) {
        let proc = match &happening {
            Happening::Answer { proc, .. }
            | Happening::Hear { proc, .. }
            | Happening::Connect { proc, .. }
            | Happening::Notice { proc, .. }
            | Happening::Closed { proc, .. }
            | Happening::Tick { proc } => Some(*proc),
            _ => None,
        };
        if let Some(proc) = proc {
            if self.procs[proc].is_dead {
                return;
            }
            let paused_until = self.procs[proc].paused_until;
            if paused_until > self.now {
                self.after(paused_until - self.now, happening);
                return;
            }
        }
        match happening {
            Happening::Arrive { proc, epoch, is_channel, id, call } => {
                self.arrive(proc, epoch, is_channel, id, call)
            }
            Happening::Answer { proc, epoch, is_channel, id, reply } => {
                let line = *self.line(proc, is_channel);
                if line.epoch == epoch && (line.is_up || reply.is_err()) {
                    let now = self.local(proc);
                    self.procs[proc].reconciler.handle_reply(now, id, reply);
                    self.settle(proc);
                }
            }
            Happening::Hear { proc, epoch, said } => {
                let line = *self.line(proc, true);
                if line.epoch == epoch && line.is_up {
                    let now = self.local(proc);
                    match said {
                        Said::Message(message) => self.procs[proc].reconciler.handle_message(now, message),
                        Said::List(user, revision, list) => {
                            self.procs[proc].reconciler.handle_list(now, user, revision, &list);
                        }
                    }
                    self.settle(proc);
                }
            }
            Happening::Connect { proc, is_channel } => self.connect(proc, is_channel),
            Happening::Notice { proc, epoch, is_channel } => {
                if self.line(proc, is_channel).epoch != epoch {
                    return;
                }
                self.line(proc, is_channel).epoch += 1;
                self.log(|| format!("{proc} loses {}", if is_channel { "channel" } else { "connection" }));
                let now = self.local(proc);
                match is_channel {
                    false => self.procs[proc].reconciler.handle_disconnected(now),
                    true => self.procs[proc].reconciler.handle_channel_down(now),
                }
                self.settle(proc);
                let delay = self.random.below(400 * MS);
                self.after(delay, Happening::Connect { proc, is_channel });
            }
            Happening::Tick { proc } => {
                self.procs[proc].tick = None;
                self.settle_tick(proc);
            }
            Happening::RedisUp { is_empty } => {
                // What was under way to the Redis before ended with it.
                self.events.retain(|_, happening| !matches!(happening, Happening::Arrive { .. }));
                self.taken.clear();
                self.redis.data = if is_empty { Data::default() } else { self.snapshot.clone() };
                self.server = Some(self.random.next());
                self.log(|| format!("redis up, empty: {is_empty}"));
            }
            Happening::Closed { proc, user, session } => {
                self.procs[proc].closing.entry(user).or_default().remove(&session);
                self.say(proc, user);
            }
            Happening::MemoryBack => self.redis.out_of_memory = false,
            Happening::Start => self.start(),
            Happening::Snapshot => {
                if self.server.is_some() {
                    self.snapshot = self.redis.data.clone();
                }
                self.after(SECOND, Happening::Snapshot);
            }
        }
    }

    fn settle_tick(&mut self, proc: usize) {
        let (now, random) = (self.local(proc), self.random.next());
        self.procs[proc].reconciler.handle_tick(now, random);
        self.settle(proc);
    }

    /// Carries out what the reconciler asks for.
    pub fn settle(&mut self, proc: usize) {
        while let Some((id, call)) = self.procs[proc].reconciler.poll_call() {
            use reconcile::Call;
            if !matches!(call, Call::Claim { .. } | Call::Renew { .. } | Call::Nodes | Call::Subscribe { .. })
            {
                self.user_calls.push(call.clone());
            }
            let is_channel = matches!(call, Call::Subscribe { .. });
            let line = *self.line(proc, is_channel);
            let delay = self.delay();
            let delay = self.in_order(proc, is_channel, delay);
            self.after(delay, Happening::Arrive { proc, epoch: line.epoch, is_channel, id, call });
            let reply = Err(Failed::NoAnswer);
            self.after(CALL_TIMEOUT, Happening::Answer { proc, epoch: line.epoch, is_channel, id, reply });
        }
        while let Some(event) = self.procs[proc].reconciler.poll_event() {
            self.tell(proc, event);
        }
        let at = self.procs[proc].reconciler.next_timeout();
        let at = at.map(|at| (self.procs[proc].started + at.as_micros() as u64).max(self.now + 1));
        let old = self.procs[proc].tick;
        if let Some(at) = at
            && old.is_none_or(|(old, _)| old > at)
        {
            if let Some(old) = old {
                self.events.remove(&old);
            }
            let key = self.after(at - self.now, Happening::Tick { proc });
            self.procs[proc].tick = Some(key);
        }
    }
}
