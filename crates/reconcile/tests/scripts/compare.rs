//! Random runs of `sync.lua`, there and in the model.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use reconcile::script::{REMOVE, SYNC, read_args, sync_args};
use reconcile::{Caps, Config, Entry, NodeId, Sync, Synced, Why};

use super::draw;
use super::random::Random;
use super::redis::{Data, Fence};
use super::script;
use super::server::Server;
use super::user::{self, Text};

struct Pair {
    random: Random,
    server: Server,
    sync: Vec<u8>,
    model: Data,
    config: Config,
    seqs: BTreeMap<NodeId, u64>,
}

#[test]
fn script_does_what_the_model_does() {
    let number =
        |name: &str, or: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(or);
    let mut pair = Pair::new(number("SEED", 1));
    for round in 0..number("ROUNDS", 3000) {
        if round % 100 == 0 {
            pair.draw_caps();
        }
        pair.step(round);
    }
}

#[test]
fn user_that_was_added_again_stays_in_the_set() {
    let mut server = Server::start("remove");
    let remove = server.load(REMOVE);
    let is_there_after = |server: &mut Server, seq: &[u8]| {
        server.call(&["ZADD", "n:u", "GT", "5", "who"]);
        server.call(&["ZADD", "n:u", "GT", "3", "who"]);
        server.call(&[b"EVALSHA", &remove[..], b"1", b"n:u", b"who", seq]);
        server.call(&["EXISTS", "n:u"]).number() == 1
    };
    assert!(is_there_after(&mut server, b"4"));
    assert!(!is_there_after(&mut server, b"5"));
    assert!(!is_there_after(&mut server, b"inf"));
}

impl Pair {
    fn new(seed: u64) -> Self {
        let mut server = Server::start("compare");
        Self {
            random: Random(seed),
            sync: server.load(SYNC),
            server,
            model: Data::default(),
            config: Config::new(Duration::from_secs(10)),
            seqs: BTreeMap::new(),
        }
    }

    fn draw_caps(&mut self) {
        let draw = |random: &mut Random| [usize::MAX, 0, 1, 2, 3, 5, 8][random.below(7) as usize];
        let (per_user, per_login) = (draw(&mut self.random), draw(&mut self.random));
        self.config.caps = Caps { per_user, per_login, evict_oldest: self.random.chance(60) };
    }

    fn step(&mut self, round: u64) {
        let user = self.random.below(12);
        match self.random.below(200) {
            0 => {
                self.server.call(&["FLUSHALL"]);
                self.model = Data::default();
            }
            1..6 => self.age_mark(user),
            6..10 => self.age_fence(user),
            10..14 => self.run(round, None, &draw::nothing(user)),
            14..22 => {
                let dead = NodeId(self.random.below(4));
                let sync = Sync { dead: vec![dead], ..draw::nothing(user) };
                self.run(round, None, &sync);
            }
            _ => {
                let sync = draw::sync(&mut self.random, &mut self.seqs, &self.model, user);
                self.run(round, Some(sync.node), &sync);
            }
        }
    }

    fn run(&mut self, round: u64, own: Option<NodeId>, sync: &Sync<u64, u64, u64>) {
        let is_reader = own.is_none() && sync.dead.is_empty();
        let dead = sync.dead.first().map(|dead| format!("n{}", dead.0).into_bytes());
        let args = match own {
            Some(_) => sync_args(sync, &self.config, &Text),
            None => read_args(dead.as_deref(), &self.config),
        };
        let verb = if is_reader { "EVALSHA_RO" } else { "EVALSHA" };
        let [sessions, meta] = keys(sync.user);
        let head = [verb.as_bytes(), &self.sync, b"2", sessions.as_bytes(), meta.as_bytes()];
        let all: Vec<Vec<u8>> = head.iter().map(|arg| arg.to_vec()).chain(args).collect();
        let now = self.time();
        let got = user::synced(self.server.call(&all));
        let model = script::sync(&mut self.model, &self.config, now, own, sync);
        let caps = self.config.caps;
        let context = || format!("round {round}: {own:?} {caps:?} {sync:?}\n got {got:?}\nwant {model:?}");
        assert_eq!(shown(&got), shown(&model), "{}", context());
        // The times in the model are a little less, so it takes over the real ones.
        match model.revision == model.before {
            true => assert_eq!(got.revision, got.before, "{}", context()),
            false => {
                assert!(got.revision > got.before.max(sync.highest), "{}", context());
                assert!(is_near(got.revision, model.revision), "{}", context());
                if let Some(revision) = self.model.revisions.get_mut(&sync.user) {
                    revision.revision = got.revision;
                }
            }
        }
        self.compare_hash(sync.user, &context);
        self.compare_meta(sync.user, &context);
    }

    fn compare_hash(&mut self, user: u64, context: &impl Fn() -> String) {
        let [sessions, _] = keys(user);
        let mut stored: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        let texts = self.server.call(&["HGETALL", &sessions]).texts();
        stored.extend(texts.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())));
        let mut wanted = BTreeMap::new();
        for (session, value) in self.model.hashes.get(&user).into_iter().flatten() {
            wanted.insert(format!("s{session:02}").into_bytes(), user::value(value));
        }
        let has_live = !wanted.is_empty();
        for (session, mark) in self.model.marks.get_mut(&user).into_iter().flatten() {
            let name = format!("s{session:02}").into_bytes();
            let Some(found) = stored.get(&name) else {
                panic!("no mark of {session}, {}", context());
            };
            let until = user::until(found);
            assert!(is_near(until, mark.until), "{found:?} for {mark:?}, {}", context());
            mark.until = until;
            wanted.insert(name, user::mark(mark));
        }
        assert_eq!(stored, wanted, "{}", context());
        if !stored.is_empty() {
            let ttl = self.server.call(&["PTTL", &sessions]).number();
            assert_eq!(ttl == -1, has_live, "{ttl}, {}", context());
        }
    }

    fn compare_meta(&mut self, user: u64, context: &impl Fn() -> String) {
        let [_, meta] = keys(user);
        let stored = user::fences(&self.server.call(&["HGETALL", &meta]).texts());
        let Some(revision) = self.model.revisions.get_mut(&user) else {
            return assert!(stored.is_empty(), "{stored:?}, {}", context());
        };
        let is_same = stored.len() == revision.fences.len()
            && stored.iter().zip(&revision.fences).all(|((node, fence), (of, other))| match (fence, other) {
                (Fence::Seq(seq, None), Fence::Seq(other, None)) => node == of && seq == other,
                (Fence::Seq(seq, Some(until)), Fence::Seq(other, Some(wanted))) => {
                    node == of && seq == other && is_near(*until, *wanted)
                }
                (Fence::Dead(until), Fence::Dead(other)) => node == of && is_near(*until, *other),
                _ => false,
            });
        assert!(is_same, "{stored:?} for {:?}, {}", revision.fences, context());
        revision.fences = stored;
        let ttl = self.server.call(&["PTTL", &meta]).number();
        assert_eq!(ttl == -1, revision.until.is_none(), "{ttl}, {}", context());
    }

    /// The time of a mark is over.
    fn age_mark(&mut self, user: u64) {
        let past = self.time() - 1_000_000;
        if let Some((session, mark)) =
            self.model.marks.get_mut(&user).and_then(|marks| marks.iter_mut().next())
        {
            mark.until = past;
            let args =
                [keys(user)[0].clone().into_bytes(), format!("s{session:02}").into_bytes(), user::mark(mark)];
            let all: Vec<&[u8]> =
                std::iter::once(&b"HSET"[..]).chain(args.iter().map(Vec::as_slice)).collect();
            self.server.call(&all);
        }
    }

    /// The time for which it is known that a node is dead, or how far it came, is over.
    fn age_fence(&mut self, user: u64) {
        let past = self.time() - 1_000_000;
        let fences =
            self.model.revisions.get_mut(&user).into_iter().flat_map(|revision| &mut revision.fences);
        let mut ending: Vec<_> = fences.filter(|(_, fence)| fence.until().is_some()).collect();
        let place = self.random.below(ending.len() as u64) as usize;
        if let Some((node, fence)) = ending.get_mut(place) {
            **fence = match fence {
                Fence::Seq(seq, _) => Fence::Seq(*seq, Some(past)),
                Fence::Dead(_) => Fence::Dead(past),
            };
            self.server.call(&["HSET", &keys(user)[1], &format!("nn{}", node.0), &user::fence(fence)]);
        }
    }

    /// Redis's own, in microseconds.
    fn time(&mut self) -> u64 {
        let parts = self.server.call(&["TIME"]).texts();
        let part = |place: usize| String::from_utf8(parts[place].clone()).unwrap().parse::<u64>().unwrap();
        part(0) * 1_000_000 + part(1)
    }
}

type Shown =
    (u64, bool, Vec<Entry<u64, u64>>, Vec<u64>, Vec<(u64, Why)>, BTreeSet<NodeId>, Vec<Entry<u64, u64>>);

/// Without the order in which Redis keeps it, and without the time.
fn shown(synced: &Synced<u64, u64>) -> Shown {
    let mut list = synced.list.clone();
    list.sort_by_key(|entry| entry.session);
    let mut ended = synced.ended.clone();
    ended.sort_unstable();
    let owners = synced.owners.iter().copied().collect();
    let mut lost = synced.lost.clone();
    lost.sort_by_key(|entry| entry.session);
    (synced.before, synced.is_stale, list, synced.refused.clone(), ended, owners, lost)
}

fn keys(user: u64) -> [String; 2] {
    [format!("{{u{user}}}:s"), format!("{{u{user}}}:r")]
}

fn is_near(one: u64, other: u64) -> bool {
    one.abs_diff(other) < 5_000_000
}
