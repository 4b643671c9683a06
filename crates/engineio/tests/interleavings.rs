//! Polls, posts and upgrades in any order, while both sides count: each number arrives once, and in order.
//! The first line of output names the seed; `ENGINEIO_SEED=…` draws the same orders again.

#![cfg(feature = "server")]
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may panic too")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use engineio::CloseReason;
use engineio::server::outbox::encode_text;
use engineio::server::{Mailbox, spawn};
use support::wire::{Wire, client_frame, request};
use support::{Served, unhurried};
use tokio::task::JoinSet;

/// Orders that are tried.
const ROUNDS: usize = 1000;
/// How many go on at a time, so that they also disturb one another.
const AT_ONCE: usize = 8;
/// Numbers that each side says in a round.
const NUMBERS: usize = 30;

/// Numbers from a seed (splitmix64).
struct Random(u64);

impl Random {
    /// Below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}

#[expect(clippy::disallowed_methods, reason = "each run draws orders of its own")]
fn seed() -> u64 {
    let seed = std::env::var("ENGINEIO_SEED").ok().map(|seed| seed.parse().unwrap());
    let seed =
        seed.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into());
    println!("ENGINEIO_SEED={seed}");
    seed
}

/// The client's end of a session while it polls. What the client says comes back (`e`); the server also counts by itself
/// (`t`).
struct Client {
    mailbox: Arc<Mailbox>,
    target: String,
    polls: Wire,
    posts: Wire,
    /// A poll is under way.
    polling: bool,
    candidate: Option<Wire>,
    probed: bool,
    said: usize,
    told: usize,
    seen: Seen,
}

/// What has come of both counts.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    echoes: Vec<usize>,
    tellings: Vec<usize>,
}

impl Seen {
    /// Both counts, whole and in order.
    fn all(count: usize) -> Self {
        Self { echoes: (0..count).collect(), tellings: (0..count).collect() }
    }

    fn count(&self) -> usize {
        self.echoes.len() + self.tellings.len()
    }

    fn note(&mut self, payload: &str) {
        for packet in payload.split('\u{1e}') {
            match packet.as_bytes() {
                [b'4', b'e', number @ ..] => self.echoes.push(decimal(number)),
                [b'4', b't', number @ ..] => self.tellings.push(decimal(number)),
                [b'6'] => {}
                _ => panic!("{packet:?}"),
            }
        }
    }
}

impl Client {
    async fn open(served: &Served) -> Self {
        let (polls, target) = served.open().await;
        Self {
            mailbox: served.server.mailboxes().pop().unwrap(),
            target,
            polls,
            posts: served.connect().await,
            polling: false,
            candidate: None,
            probed: false,
            said: 0,
            told: 0,
            seen: Seen::default(),
        }
    }

    /// One of the things that a client, a server or a network does during an upgrade.
    async fn step(&mut self, served: &Served, random: &mut Random) {
        match random.below(8) {
            0 | 1 => self.post(1 + random.below(4)).await,
            2 => self.tell(1 + random.below(4)),
            3 if !self.polling => {
                self.polls.send(request("GET", &self.target, "", "")).await;
                self.polling = true;
            }
            4 => self.take_poll().await,
            5 if self.candidate.is_none() => self.candidate = Some(served.candidate(&self.target).await),
            6 if !self.probed => self.probe(served).await,
            7 if random.below(3) == 0 => self.abandon(random).await,
            _ => tokio::task::yield_now().await,
        }
    }

    fn next(&mut self) -> Option<String> {
        (self.said < NUMBERS).then(|| {
            self.said += 1;
            format!("4e{}", self.said - 1)
        })
    }

    async fn post(&mut self, count: usize) {
        let packets: Vec<String> = (0..count).map_while(|_| self.next()).collect();
        if !packets.is_empty() {
            self.posts.post(&self.target, &packets.join("\u{1e}")).await.check(200, "ok");
        }
    }

    fn tell(&mut self, count: usize) {
        for _ in 0..count.min(NUMBERS - self.told) {
            assert!(tell(&self.mailbox, self.told));
            self.told += 1;
        }
    }

    /// Takes the answer of the poll that is under way, if there will be one.
    async fn take_poll(&mut self) {
        let owed = self.said + self.told > self.seen.count();
        if self.polling && (owed || self.probed) {
            let answer = self.polls.answer().await;
            assert_eq!(answer.status, 200, "{answer:?}");
            self.polling = false;
            self.seen.note(&answer.body);
        }
    }

    /// Until a candidate has its answer: the session may not have seen yet that an earlier one is gone.
    async fn probe(&mut self, served: &Served) {
        if self.probed {
            return;
        }
        for tries in 0.. {
            assert!(tries < 1000, "the session never takes another candidate");
            let mut candidate = match self.candidate.take() {
                Some(candidate) => candidate,
                None => served.candidate(&self.target).await,
            };
            if candidate.try_send(client_frame(0x81, b"2probe")).await.is_ok()
                && candidate.frame().await.is_some_and(|frame| frame.payload == b"3probe")
            {
                (self.candidate, self.probed) = (Some(candidate), true);
                return;
            }
        }
    }

    /// The candidate goes: by a reset, by a close frame, or by saying what it may not.
    async fn abandon(&mut self, random: &mut Random) {
        let Some(mut candidate) = self.candidate.take() else { return };
        if self.probed {
            // What waits for a noop would wait for ever.
            self.candidate = Some(candidate);
            self.take_poll().await;
            candidate = self.candidate.take().unwrap();
        }
        self.probed = false;
        match random.below(3) {
            0 => candidate.reset(),
            1 => drop(candidate.try_send(client_frame(0x88, b"")).await),
            _ => drop(candidate.try_send(client_frame(0x81, b"7")).await),
        }
    }

    /// Moves to the WebSocket, and both sides say the rest there.
    async fn upgrade(mut self, served: &Served, random: &mut Random) -> Seen {
        self.probe(served).await;
        self.take_poll().await;
        let mut socket = self.candidate.take().unwrap();
        let mut frames = client_frame(0x81, b"5");
        while let Some(packet) = self.next() {
            frames.extend(client_frame(0x81, packet.as_bytes()));
            if random.below(4) == 0 {
                socket.send(std::mem::take(&mut frames)).await;
                self.tell(1);
            }
        }
        socket.send(frames).await;
        self.tell(NUMBERS);
        while self.seen.count() < 2 * NUMBERS {
            self.seen.note(&socket.text().await);
        }
        socket.say("1").await;
        assert_eq!(socket.end().await, [0x88, 2, 3, 232], "nothing comes twice");
        self.seen
    }
}

fn tell(mailbox: &Mailbox, number: usize) -> bool {
    let mut frame = Vec::new();
    encode_text(&mut frame, |out| out.extend_from_slice(format!("t{number}").as_bytes()));
    mailbox.post(frame.into())
}

fn decimal(digits: &[u8]) -> usize {
    std::str::from_utf8(digits).unwrap().parse().unwrap()
}

// Seen failing: what waits for a poll is left behind by the upgrade; a lost candidate takes its session along.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_orders_of_poll_post_and_upgrade_lose_double_and_reorder_nothing() {
    let seed = seed();
    let next = Arc::new(AtomicUsize::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..AT_ONCE {
        let next = next.clone();
        workers.spawn(async move {
            let served = Served::start(unhurried()).await;
            let mut round = next.fetch_add(1, Ordering::Relaxed);
            while round < ROUNDS {
                let mut random = Random(seed.wrapping_add(round as u64));
                let mut client = Client::open(&served).await;
                for _ in 0..random.below(25) {
                    client.step(&served, &mut random).await;
                }
                let seen = client.upgrade(&served, &mut random).await;
                assert_eq!(seen, Seen::all(NUMBERS), "round {round} of seed {seed}");
                served.server.wait_until_empty().await;
                round = next.fetch_add(1, Ordering::Relaxed);
            }
            assert!(served.ends().await.iter().all(|reason| *reason == CloseReason::ClientClosed));
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker.unwrap();
    }
}

/// Each side says so many while the session moves.
const MANY: usize = 10_000;

// Seen failing: what waits for a poll is left behind by the upgrade.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_numbers_each_way_arrive_once_and_in_order_while_the_session_moves() {
    let served = Served::start(unhurried()).await;
    let (mut polls, target) = served.open().await;
    let mailbox = served.server.mailboxes().pop().unwrap();
    spawn(async move {
        for number in 0..MANY {
            assert!(tell(&mailbox, number));
            tokio::task::yield_now().await;
        }
    });
    let mut seen = Seen::default();
    let (mut posts, mut socket) = (served.connect().await, None);
    let posting = async {
        let batch = |from: usize| (from..from + 100).map(|number| format!("4e{number}")).collect::<Vec<_>>();
        for from in (0..MANY / 2).step_by(100) {
            if from == MANY / 4 {
                let mut candidate = served.candidate(&target).await;
                candidate.say("2probe").await;
                assert_eq!(candidate.text().await, "3probe");
                socket = Some(candidate);
            }
            posts.post(&target, &batch(from).join("\u{1e}")).await.check(200, "ok");
        }
    };
    // Polls until a noop says that the probe has succeeded, as a stock client does.
    let polling = async {
        loop {
            let answer = polls.get(&target).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            if answer.body == "6" {
                return;
            }
            seen.note(&answer.body);
        }
    };
    tokio::join!(posting, polling);
    let mut socket = socket.unwrap();
    let mut frames = client_frame(0x81, b"5");
    frames.extend((MANY / 2..MANY).flat_map(|number| client_frame(0x81, format!("4e{number}").as_bytes())));
    socket.send(frames).await;
    while seen.count() < 2 * MANY {
        seen.note(&socket.text().await);
    }
    assert!(seen == Seen::all(MANY), "{} echoes and {} tellings", seen.echoes.len(), seen.tellings.len());
}
