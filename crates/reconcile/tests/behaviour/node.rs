//! A node whose calls are answered by hand.

use std::time::Duration;

use reconcile::{
    Call, CallId, Caps, Config, Entry, Event, Failed, Local, Login, NodeId, Reconciler, Reply, Snapshot,
    Sync, Synced, Why,
};

pub const LEASE: Duration = Duration::from_secs(10);
pub const OTHER: NodeId = NodeId(99);

/// A node whose calls are answered when the test wants it.
pub struct Node {
    pub reconciler: Reconciler<u8, u8, u8>,
    pub now: Duration,
    pub calls: Vec<(CallId, Call<u8, u8, u8>)>,
    pub told: Vec<Snapshot<u8, u8, u8>>,
    pub refused: Vec<u8>,
    pub ended: Vec<(u8, Why)>,
    pub lost: Vec<u8>,
    /// What the caller says is here.
    pub locals: Vec<Local<u8, u8>>,
    /// The lease of the other node is there.
    pub other_lives: bool,
}

impl Node {
    /// Connected, subscribed, with a lease.
    pub fn new() -> Self {
        Self::with(Caps::NONE)
    }

    pub fn with(caps: Caps) -> Self {
        let mut config = Config::new(LEASE);
        config.caps = caps;
        let reconciler = Reconciler::new(config, 1);
        let mut node = Self {
            reconciler,
            now: Duration::ZERO,
            calls: Vec::new(),
            told: Vec::new(),
            refused: Vec::new(),
            ended: Vec::new(),
            lost: Vec::new(),
            locals: Vec::new(),
            other_lives: true,
        };
        node.reconciler.handle_connected(node.now, 7);
        node.reconciler.handle_channel_up(node.now);
        node.settle();
        node.answer_vital();
        node.calls.clear();
        node
    }

    pub fn settle(&mut self) {
        self.calls.extend(std::iter::from_fn(|| self.reconciler.poll_call()));
        for event in std::iter::from_fn(|| self.reconciler.poll_event()) {
            match event {
                Event::Tell(snapshot) => self.told.push(snapshot),
                Event::Refused { session, .. } => self.refused.push(session),
                Event::Ended { session, why, .. } => self.ended.push((session, why)),
                Event::Lost { entry, .. } => self.lost.push(entry.session),
            }
        }
    }

    pub fn reply(&mut self, id: CallId, reply: Result<Reply<u8, u8, u8>, Failed>) {
        self.reconciler.handle_reply(self.now, id, reply);
        self.settle();
    }

    /// Answers what has nothing to do with users, as a Redis that is well does.
    pub fn answer_vital(&mut self) {
        let node = self.reconciler.node();
        let is_vital = |(_, call): &mut (CallId, Call<u8, u8, u8>)| {
            matches!(
                call,
                Call::Subscribe { .. }
                    | Call::Claim { .. }
                    | Call::Renew { .. }
                    | Call::Nodes
                    | Call::AddUser { .. }
                    | Call::RemoveUser { .. }
                    | Call::Publish { .. }
                    | Call::Announce(_)
            )
        };
        let vital: Vec<_> = self.calls.extract_if(.., is_vital).collect();
        for (id, call) in vital {
            let reply = match call {
                Call::Claim { .. } | Call::Renew { .. } => Reply::Held(true),
                Call::Nodes => Reply::Nodes(vec![(node, true), (OTHER, self.other_lives)]),
                _ => Reply::Done,
            };
            self.reply(id, Ok(reply));
        }
    }

    /// Time passes, in steps; what is vital is answered.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += Duration::from_millis(50);
            self.reconciler.handle_tick(self.now, 1000 + self.now.as_millis() as u64);
            self.settle();
            self.answer_vital();
        }
    }

    pub fn sync(&mut self) -> (CallId, Sync<u8, u8, u8>) {
        self.answer_vital();
        let place = self.calls.iter().position(|(_, call)| matches!(call, Call::Sync(_))).expect("a sync");
        match self.calls.remove(place) {
            (id, Call::Sync(sync)) => (id, sync),
            _ => unreachable!(),
        }
    }

    /// The caller says again what it has.
    pub fn say(&mut self) {
        self.reconciler.handle_sessions(self.now, 1, self.locals.clone());
        self.settle();
    }

    pub fn join(&mut self, session: u8) {
        self.locals.push(local(session, "a", None));
        self.say();
    }

    pub fn leave(&mut self, session: u8) {
        self.locals.retain(|local| local.session != session);
        self.say();
    }

    /// Redis answers a sync with this.
    pub fn answer(&mut self, change: impl FnOnce(&mut Synced<u8, u8>)) -> Sync<u8, u8, u8> {
        let (id, sync) = self.sync();
        let mut synced = synced(sync.held, 500, vec![entry(200, OTHER)]);
        change(&mut synced);
        self.reply(id, Ok(Reply::Synced(synced)));
        sync
    }

    /// A sync is done, and finds one session elsewhere.
    pub fn done(&mut self, revision: u64) {
        let (id, sync) = self.sync();
        let mut list: Vec<_> = sync.fields.iter().map(|field| entry(field.session, sync.node)).collect();
        list.push(entry(200, OTHER));
        let synced = synced(sync.held, revision, list);
        self.reply(id, Ok(Reply::Synced(synced)));
    }

    pub fn last(&self) -> (Vec<u8>, u64, bool) {
        let told = self.told.last().expect("something told");
        (told.list.iter().map(|entry| entry.session).collect(), told.revision, told.complete)
    }
}

pub fn entry(session: u8, node: NodeId) -> Entry<u8, u8> {
    Entry { session, node, order: u64::from(session), login: login("a"), item: 0 }
}

pub fn local(session: u8, of: &str, replaces: Option<u8>) -> Local<u8, u8> {
    Local { session, item: 0, login: login(of), order: u64::from(session), replaces }
}

pub fn login(name: &str) -> Login {
    Login(name.into())
}

pub fn synced(before: u64, revision: u64, list: Vec<Entry<u8, u8>>) -> Synced<u8, u8> {
    let (refused, ended, owners, lost) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    Synced { before, revision, is_stale: false, list, refused, ended, owners, lost }
}
