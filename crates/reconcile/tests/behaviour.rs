//! What one node does, step by step, against replies made by hand. Many nodes and all faults: `simulation`.

#![expect(clippy::expect_used, reason = "a helper of tests")]

use std::time::Duration;

use reconcile::{
    Call, CallId, Config, Entry, Event, Failed, Local, Login, Message, NodeId, Reconciler, Reply, Snapshot,
    Sync, Synced, Why,
};

const LEASE: Duration = Duration::from_secs(10);
const OTHER: NodeId = NodeId(99);

/// A node whose calls are answered when the test wants it.
struct Node {
    reconciler: Reconciler<u8, u8, u8>,
    now: Duration,
    calls: Vec<(CallId, Call<u8, u8, u8>)>,
    told: Vec<Snapshot<u8, u8, u8>>,
    refused: Vec<u8>,
    ended: Vec<(u8, Why)>,
    /// What the caller says is here.
    locals: Vec<Local<u8, u8>>,
    /// The lease of the other node is there.
    other_lives: bool,
}

impl Node {
    /// Connected, subscribed, with a lease.
    fn new() -> Self {
        let reconciler = Reconciler::new(Config::new(LEASE), 1);
        let mut node = Self {
            reconciler,
            now: Duration::ZERO,
            calls: Vec::new(),
            told: Vec::new(),
            refused: Vec::new(),
            ended: Vec::new(),
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

    fn settle(&mut self) {
        self.calls.extend(std::iter::from_fn(|| self.reconciler.poll_call()));
        for event in std::iter::from_fn(|| self.reconciler.poll_event()) {
            match event {
                Event::Tell(snapshot) => self.told.push(snapshot),
                Event::Refused { session, .. } => self.refused.push(session),
                Event::Ended { session, why, .. } => self.ended.push((session, why)),
            }
        }
    }

    fn reply(&mut self, id: CallId, reply: Result<Reply<u8, u8, u8>, Failed>) {
        self.reconciler.handle_reply(self.now, id, reply);
        self.settle();
    }

    /// Answers what has nothing to do with users, as a Redis that is well does.
    fn answer_vital(&mut self) {
        let node = self.reconciler.node();
        let is_vital = |(_, call): &mut (CallId, Call<u8, u8, u8>)| {
            matches!(
                call,
                Call::Subscribe { .. }
                    | Call::Claim { .. }
                    | Call::Renew { .. }
                    | Call::Nodes
                    | Call::AddUser { .. }
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
    fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += Duration::from_millis(50);
            self.reconciler.handle_tick(self.now, 1000 + self.now.as_millis() as u64);
            self.settle();
            self.answer_vital();
        }
    }

    fn sync(&mut self) -> (CallId, Sync<u8, u8, u8>) {
        self.answer_vital();
        let place = self.calls.iter().position(|(_, call)| matches!(call, Call::Sync(_))).expect("a sync");
        match self.calls.remove(place) {
            (id, Call::Sync(sync)) => (id, sync),
            _ => unreachable!(),
        }
    }

    /// The caller says again what it has.
    fn say(&mut self) {
        self.reconciler.handle_sessions(self.now, 1, self.locals.clone());
        self.settle();
    }

    fn join(&mut self, session: u8) {
        self.locals.push(local(session, "a", None));
        self.say();
    }

    fn leave(&mut self, session: u8) {
        self.locals.retain(|local| local.session != session);
        self.say();
    }

    /// Redis answers a sync with this.
    fn answer(&mut self, change: impl FnOnce(&mut Synced<u8, u8>)) -> Sync<u8, u8, u8> {
        let (id, sync) = self.sync();
        let mut synced = synced(sync.held, 500, vec![entry(200, OTHER)]);
        change(&mut synced);
        self.reply(id, Ok(Reply::Synced(synced)));
        sync
    }

    /// A sync is done, and finds one session elsewhere.
    fn done(&mut self, revision: u64) {
        let (id, sync) = self.sync();
        let mut list: Vec<_> = sync.fields.iter().map(|field| entry(field.session, sync.node)).collect();
        list.push(entry(200, OTHER));
        let synced = synced(sync.held, revision, list);
        self.reply(id, Ok(Reply::Synced(synced)));
    }

    fn last(&self) -> (Vec<u8>, u64, bool) {
        let told = self.told.last().expect("something told");
        (told.list.iter().map(|entry| entry.session).collect(), told.revision, told.complete)
    }
}

fn entry(session: u8, node: NodeId) -> Entry<u8, u8> {
    Entry { session, node, order: u64::from(session), login: login("a"), item: 0 }
}

fn local(session: u8, of: &str, replaces: Option<u8>) -> Local<u8, u8> {
    Local { session, item: 0, login: login(of), order: u64::from(session), replaces }
}

fn login(name: &str) -> Login {
    Login(name.into())
}

fn synced(before: u64, revision: u64, list: Vec<Entry<u8, u8>>) -> Synced<u8, u8> {
    let (refused, ended, owners) = (Vec::new(), Vec::new(), Vec::new());
    Synced { before, revision, is_stale: false, list, refused, ended, owners }
}

#[test]
fn join_is_told_with_the_whole_list_and_published_to_the_nodes_that_hold_the_user() {
    let mut node = Node::new();
    node.join(1);
    assert!(node.told.is_empty());
    node.done(500);
    assert_eq!(node.last(), (vec![1, 200], 500, true));
    let is_published = node
        .calls
        .iter()
        .any(|(_, call)| matches!(call, Call::Publish { to, user: 1, revision: 500 } if to == &[OTHER]));
    assert!(is_published, "{:?}", node.calls);
}

#[test]
fn join_without_a_reply_is_told_once_when_its_time_is_up() {
    let mut node = Node::new();
    node.join(1);
    node.run_for(Duration::from_millis(950));
    assert!(node.told.is_empty());
    node.run_for(Duration::from_millis(2000));
    assert_eq!(node.told.len(), 1);
    assert_eq!(node.last(), (vec![1], 1, false));
    node.done(500);
    assert_eq!(node.last(), (vec![1, 200], 500, true));
}

#[test]
fn session_that_was_told_is_not_refused_any_more() {
    let mut node = Node::new();
    node.join(1);
    node.run_for(Duration::from_millis(1500));
    let sync = node.answer(|synced| synced.refused = vec![1]);
    assert!(sync.fields[0].is_join);
    assert_eq!(node.refused, []);
    assert!(!node.sync().1.fields[0].is_join);
}

#[test]
fn refused_join_is_never_told() {
    let mut node = Node::new();
    node.join(1);
    node.answer(|synced| synced.refused = vec![1]);
    assert_eq!(node.refused, [1]);
    assert!(node.told.is_empty());
}

#[test]
fn changes_are_told_at_once_while_redis_is_away_and_revisions_go_on() {
    let mut node = Node::new();
    node.join(1);
    node.done(500);
    node.reconciler.handle_disconnected(node.now);
    node.join(2);
    assert_eq!(node.last(), (vec![1, 2, 200], 501, false));
    node.leave(1);
    assert_eq!(node.last(), (vec![2, 200], 502, false));
    node.reconciler.handle_connected(node.now, 7);
    node.settle();
    let (_, sync) = node.sync();
    assert_eq!((sync.held, sync.highest, sync.fields.len()), (500, 502, 1));
}

#[test]
fn short_cut_is_not_told_to_those_who_have_no_change() {
    let mut node = Node::new();
    node.join(1);
    node.done(500);
    let told = node.told.len();
    node.reconciler.handle_disconnected(node.now);
    node.reconciler.handle_connected(node.now + Duration::from_millis(300), 7);
    node.settle();
    node.done(500);
    assert_eq!(node.told.len(), told);
    node.reconciler.handle_disconnected(node.now);
    node.run_for(Duration::from_millis(1500));
    assert_eq!(node.told.len(), told + 1);
    assert_eq!(node.last(), (vec![1, 200], 501, false));
}

#[test]
fn lower_revision_than_the_one_held_is_a_loss() {
    let mut node = Node::new();
    node.join(1);
    node.done(500);
    node.join(2);
    let (id, sync) = node.sync();
    assert_eq!(sync.held, 500);
    node.reply(id, Ok(Reply::Synced(synced(0, 600, Vec::new()))));
    assert!(node.calls.iter().any(|(_, call)| matches!(call, Call::Announce(Message::Loss { .. }))));
    assert_eq!(node.last(), (vec![1, 200], 501, false));
    node.done(700);
    assert_eq!(node.last(), (vec![1, 2, 200], 700, false));
    node.reconciler.handle_message(node.now, Message::Said { nodes: vec![OTHER] });
    node.settle();
    assert_eq!(node.last(), (vec![1, 2, 200], 701, true));
}

#[test]
fn reply_after_the_end_of_the_lease_counts_as_not_made() {
    let mut node = Node::new();
    node.join(1);
    let before = node.reconciler.node();
    let (id, sync) = node.sync();
    node.now += LEASE;
    node.reply(id, Ok(Reply::Synced(synced(0, 500, vec![entry(1, before)]))));
    assert_eq!(sync.node, before);
    assert_eq!(node.last(), (vec![1], 1, false), "told for its time was up, not for the reply");
    node.run_for(Duration::from_millis(500));
    let (_, sync) = node.sync();
    assert_ne!(sync.node, before);
    assert_eq!(sync.dead, [before]);
    assert!(!sync.fields[0].is_join, "was told when its time was up");
}

#[test]
fn idle_session_causes_no_call() {
    let mut node = Node::new();
    node.join(1);
    node.done(500);
    node.answer_vital();
    node.calls.clear();
    for _ in 0..600 {
        node.run_for(Duration::from_millis(100));
        assert!(node.calls.is_empty(), "{:?}", node.calls);
    }
}

#[test]
fn dead_node_is_reaped_only_by_one_that_has_held_its_lease_for_a_whole_one() {
    let mut node = Node::new();
    node.other_lives = false;
    node.run_for(LEASE - Duration::from_millis(500));
    assert!(node.calls.is_empty(), "{:?}", node.calls);
    node.run_for(Duration::from_secs(1));
    assert!(matches!(node.calls[..], [(_, Call::UsersOf { node: OTHER, cursor: 0 })]), "{:?}", node.calls);
}

#[test]
fn nobody_is_reaped_within_one_lease_after_redis_was_away() {
    let mut node = Node::new();
    node.run_for(2 * LEASE);
    node.reconciler.handle_disconnected(node.now);
    node.reconciler.handle_connected(node.now, 7);
    node.other_lives = false;
    node.run_for(LEASE - Duration::from_millis(500));
    assert!(node.calls.is_empty(), "{:?}", node.calls);
    node.run_for(Duration::from_secs(1));
    assert!(!node.calls.is_empty());
}

#[test]
fn list_that_was_asked_for_before_a_death_is_asked_for_again() {
    let mut node = Node::new();
    node.join(1);
    node.run_for(2 * LEASE);
    node.other_lives = false;
    node.run_for(Duration::from_secs(1));
    node.done(500);
    assert_eq!(node.sync().1.dead, [OTHER]);
}
