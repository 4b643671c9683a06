//! Three nodes, clients of all transports that come, go, rename and sign out, and one fault after the other, all from a
//! seed. A minute of it with the other tests; `make soak-cluster` takes ten, `make soak` an hour with a fault a minute.
//! `ROLLCALL_SOAK_SEED` does the same again, as far as two machines ever do the same, `ROLLCALL_SOAK_SECONDS` says for how
//! long, `ROLLCALL_SOAK_PAUSE` how many seconds there are between two faults (without it, up to three).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rollcall::ids;
use serde_json::json;

use crate::book::SLOWNESS;
use crate::fleet::{Dice, Fleet, LEASE};
use crate::forwarder::Way;
use crate::line::Transport;
use crate::redis::Redis;
use crate::upkeep::Upkeep;
use crate::visitor::Visitor;

struct Soak {
    fleet: Fleet,
    dice: Dice,
    clients: usize,
    /// What is broken now, and until when.
    fault: Option<(Instant, Fault)>,
    next_fault: Instant,
    pause: Option<Duration>,
    /// Of the first node, which is spared whatever would end its process.
    upkeep: Upkeep,
    counts: BTreeMap<String, u32>,
}

/// What has to be mended.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// Nothing: it was over at once.
    Over,
    Stopped(usize),
    Way(usize),
    Ended(usize),
    RedisKilled,
    RedisStopped,
    RedisFull,
    RedisReplica,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_all_is_right_at_the_end() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seed = number("ROLLCALL_SOAK_SEED").unwrap_or_else(ids::node_id);
    let seconds = number("ROLLCALL_SOAK_SECONDS").unwrap_or(60);
    let pause = number("ROLLCALL_SOAK_PAUSE").map(Duration::from_secs);
    println!("ROLLCALL_SOAK_SEED={seed} ROLLCALL_SOAK_SECONDS={seconds}");
    let mut fleet = Fleet::start_on(Redis::start(), 0).await;
    for _ in 0..3 {
        fleet.start_node_behind().await;
    }
    let now = fleet.book.now();
    let clients = if seconds < 300 { 150 } else { 500 };
    let (dice, counts) = (Dice(seed), BTreeMap::new());
    let upkeep = Upkeep::new(now);
    let next_fault = now + pause.unwrap_or(LEASE);
    let mut soak = Soak { fleet, dice, clients, fault: None, next_fault, pause, upkeep, counts };
    let until = now + Duration::from_secs(seconds);
    while soak.fleet.book.now() < until {
        soak.step().await;
        soak.fleet.stop_at_a_problem().await;
    }
    soak.heal().await;
    soak.look_at_closed();
    let took = soak.fleet.settle(RIGHT_AGAIN).await;
    let open = soak.fleet.visitors.len();
    println!("right {took:?} after the end with {open} clients, after {:#?}", soak.counts);
    soak.fleet.wait_for_no_remains(LEASE * 8).await;
    soak.check_upkeep().await;
}

impl Soak {
    async fn step(&mut self) {
        let now = self.fleet.book.now();
        self.upkeep.step(self.fleet.served(FIRST), now);
        match self.fault {
            Some((until, _)) if now >= until => self.heal().await,
            None if now >= self.next_fault => self.harm(now),
            Some(_) | None => {}
        }
        self.act().await;
        self.look_at_closed();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    /// One client does something.
    async fn act(&mut self) {
        let is_few = self.fleet.visitors.len() < self.clients;
        match self.dice.below(20) {
            0..11 if is_few => self.join().await,
            0..14 => {
                if let Some(visitor) = self.any_visitor() {
                    self.fleet.leave(visitor);
                    self.count("left");
                }
            }
            14..18 => {
                if let Some(visitor) = self.any_visitor() {
                    let label = format!("Label {}", self.dice.below(1000));
                    self.fleet.visitors[visitor].emit("sessions:rename", &json!({ "label": label }));
                    self.count("renamed");
                }
            }
            _ => self.revoke().await,
        }
    }

    async fn join(&mut self) {
        let running = self.fleet.running();
        let node = self.pick(&running);
        let user = format!("u{}", self.dice.below(self.clients as u64 / 7));
        let transport = TRANSPORTS[self.dice.below(TRANSPORTS.len() as u64) as usize];
        self.fleet.transport = transport;
        match self.dice.below(3) {
            0 => self.fleet.join_as(node, &user, "same").await,
            _ => self.fleet.join(node, &user).await,
        };
        self.count("joined");
        self.count(&format!("joined by {transport:?}"));
    }

    /// A session ends another one of its user: as a tab of its own login, or the whole login, which only it has.
    async fn revoke(&mut self) {
        let running = self.fleet.running();
        let Some(by) = self.any_visitor() else { return };
        let by = &self.fleet.visitors[by];
        let is_other = |other: &&Visitor| {
            let has_known = by.look(|told| told.list.contains(&other.id));
            let may_end = other.login != "same" || by.login == "same";
            other.user == by.user && other.id != by.id && has_known && may_end && other.is_open()
        };
        let Some(other) = self.fleet.visitors.iter().find(is_other).filter(|_| running.contains(&by.node))
        else {
            return;
        };
        let number = by.emit("sessions:revoke", &json!({"socketId": other.id}));
        let answer = by.answer(number, Duration::from_secs(2) + SLOWNESS).await;
        let revoked = answer.map(|answer| answer["revoked"].clone());
        if revoked == Some(1.into()) {
            self.fleet.book.revoke(&other.id);
            self.count("revoked");
        } else {
            // It has gone meanwhile, or its node has and nobody knows it any more: it may end, or stay.
            self.count("not revoked");
        }
    }

    fn harm(&mut self, now: Instant) {
        let running = self.fleet.running();
        let node = self.pick(&running);
        let time = Duration::from_millis(200 + self.dice.below(4000));
        // Whoever dies alone is gone in time: no excuse for that.
        let kind = match self.dice.below(13) {
            0 | 1 if node == FIRST => 2,
            kind => kind,
        };
        if kind > 1 {
            self.fleet.book.begin_trouble();
        }
        let (what, fault) = match kind {
            0..5 => self.harm_node(kind, node),
            _ => self.harm_redis(kind, time),
        };
        println!("at {:?}: {what}, of nodes {running:?} {node}, for {time:?}", self.fleet.book.age());
        self.count(what);
        self.fault = Some((now + time, fault));
    }

    fn harm_node(&mut self, kind: u64, node: usize) -> (&'static str, Fault) {
        let fleet = &mut self.fleet;
        match kind {
            0 => {
                fleet.kill(node);
                ("node killed", Fault::Ended(node))
            }
            1 => {
                fleet.drain(node);
                ("node drained", Fault::Ended(node))
            }
            2 => {
                fleet.stop(node, true);
                ("node stopped", Fault::Stopped(node))
            }
            3 => {
                fleet.way(node).set(Way::Cut);
                ("node cut off", Fault::Way(node))
            }
            _ => {
                fleet.way(node).set(Way::Blocked);
                ("packets of a node lost", Fault::Way(node))
            }
        }
    }

    fn harm_redis(&mut self, kind: u64, time: Duration) -> (&'static str, Fault) {
        let pause = format!("CLIENT PAUSE {}", time.as_millis());
        let (what, command, fault) = match kind {
            5 => {
                self.fleet.redis.kill();
                return ("Redis killed", Fault::RedisKilled);
            }
            6 => {
                self.fleet.redis.signal("-STOP");
                return ("Redis stopped", Fault::RedisStopped);
            }
            7 => ("Redis full", "CONFIG SET maxmemory 1", Fault::RedisFull),
            8 => ("Redis a replica", "REPLICAOF 127.0.0.1 1", Fault::RedisReplica),
            9 => ("FLUSHALL", "FLUSHALL", Fault::Over),
            10 => ("connections for messages killed", "CLIENT KILL TYPE pubsub", Fault::Over),
            11 => ("connections for calls killed", "CLIENT KILL TYPE normal", Fault::Over),
            _ => ("CLIENT PAUSE", &pause[..], Fault::Over),
        };
        let answer = self.fleet.redis.ask(command);
        assert!(!answer.starts_with('-'), "{command}: {answer}");
        (what, fault)
    }

    async fn heal(&mut self) {
        let Some((_, fault)) = self.fault.take() else { return };
        let fleet = &mut self.fleet;
        match fault {
            Fault::Over => {}
            Fault::Stopped(node) => fleet.stop(node, false),
            Fault::Way(node) => fleet.way(node).set(Way::Open),
            Fault::Ended(node) => {
                while fleet.nodes[node].is_some() && !fleet.has_ended(node) {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                fleet.start_node_behind().await;
            }
            Fault::RedisKilled => fleet.redis.start_again(),
            Fault::RedisStopped => fleet.redis.signal("-CONT"),
            Fault::RedisFull => assert_eq!(fleet.redis.ask("CONFIG SET maxmemory 0"), "+OK\r\n"),
            Fault::RedisReplica => assert_eq!(fleet.redis.ask("REPLICAOF NO ONE"), "+OK\r\n"),
        }
        fleet.book.end_trouble();
        let rest = Duration::from_millis(self.dice.below(3000));
        self.next_fault = self.fleet.book.now() + self.pause.unwrap_or(rest);
    }

    /// No socket ends without a reason.
    fn look_at_closed(&mut self) {
        for closed in self.fleet.forget_closed() {
            let code = closed.look(|told| told.code.clone());
            let has_node = self.fleet.nodes[closed.node].is_some();
            let is_right = match code.as_deref() {
                None => !has_node,
                Some("server_shutdown" | "session_revoked") => true,
                Some(_) => false,
            };
            if !is_right {
                let problem = format!("{} of node {} has ended with {code:?}", closed.id, closed.node);
                self.fleet.book.complain(problem);
            }
        }
    }

    /// Everybody goes; the first node has then given back what it held for them, and has not grown meanwhile.
    async fn check_upkeep(&mut self) {
        let before = *self.upkeep.first().unwrap();
        let most = self.upkeep.most_descriptors();
        while !self.fleet.visitors.is_empty() {
            self.fleet.leave(0);
        }
        let mut after = self.upkeep.look(self.fleet.served(FIRST), self.fleet.book.now());
        let until = self.fleet.book.now() + LEASE + SLOWNESS;
        while after.descriptors > before.descriptors + OWN_CONNECTIONS && self.fleet.book.now() < until {
            tokio::time::sleep(Duration::from_millis(50)).await;
            after = self.upkeep.look(self.fleet.served(FIRST), self.fleet.book.now());
        }
        let slope = self.upkeep.slope(WARM_UP);
        println!(
            "node {FIRST}: {before:?} before, {after:?} after, at most {most} descriptors; bytes an hour: {slope:?}"
        );
        assert!(after.descriptors <= before.descriptors + OWN_CONNECTIONS, "{before:?} {after:?}");
        assert!(slope.is_none_or(|slope| slope < 1024.0 * 1024.0), "grows by {slope:?} bytes an hour");
    }

    fn any_visitor(&mut self) -> Option<usize> {
        let visitors = self.fleet.visitors.len();
        (visitors > 0).then(|| self.dice.below(visitors as u64) as usize)
    }

    fn pick(&mut self, nodes: &[usize]) -> usize {
        nodes[self.dice.below(nodes.len() as u64) as usize]
    }

    fn count(&mut self, what: &str) {
        *self.counts.entry(what.to_owned()).or_default() += 1;
    }
}

/// The node that lives through all of it.
const FIRST: usize = 0;
const TRANSPORTS: [Transport; 3] = [Transport::WebSocket, Transport::Polling, Transport::Upgrade];
/// Connections to the database and to Redis that come and go with what is asked of them.
const OWN_CONNECTIONS: usize = 12;
/// Pools, buffers and tables have their size after that.
const WARM_UP: Duration = Duration::from_secs(600);

/// As after a fault of Redis.
const RIGHT_AGAIN: Duration = LEASE.saturating_add(Duration::from_secs(1)).saturating_add(SLOWNESS);
