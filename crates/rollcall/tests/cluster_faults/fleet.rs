//! Nodes as processes of their own on one database and one Redis, and the clients that they serve. Does not know: what is
//! right.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rollcall::config::DatabaseUrl;

use crate::book::Book;
use crate::databases::Database;
use crate::forwarder::Forwarder;
use crate::line::Transport;
use crate::live::wire::Wire;
use crate::redis::Redis;
use crate::served::Served;
use crate::visitor::Visitor;

/// All of it, ended with the test.
pub struct Fleet {
    pub redis: Redis,
    pub database: Database,
    pub nodes: Vec<Option<Node>>,
    pub book: Arc<Book>,
    pub visitors: Vec<Visitor>,
    /// Of whoever joins next.
    pub transport: Transport,
    logins: u64,
}

/// One process.
pub struct Node {
    pub served: Served,
    /// The way to Redis, if it is one of its own.
    way: Option<Forwarder>,
    /// It has been asked to end.
    is_leaving: bool,
    /// Its process has been stopped by a signal.
    pub is_stopped: bool,
    folder: tempfile::TempDir,
}

impl Fleet {
    /// This many nodes, which know each other.
    pub async fn start(nodes: usize) -> Self {
        Self::start_on(Redis::start(), nodes).await
    }

    pub async fn start_on(redis: Redis, nodes: usize) -> Self {
        let database = Database::postgres().await;
        let book = Arc::new(Book::new(LEASE));
        let mut fleet = Self {
            redis,
            database,
            nodes: Vec::new(),
            book,
            visitors: Vec::new(),
            transport: Transport::WebSocket,
            logins: 0,
        };
        for _ in 0..nodes {
            fleet.start_node().await;
        }
        fleet
    }

    /// One more node; gives its number.
    pub async fn start_node(&mut self) -> usize {
        self.start_node_by(None).await
    }

    /// The same with a way to Redis that can be cut.
    pub async fn start_node_behind(&mut self) -> usize {
        let way = Forwarder::start(self.redis.port).await;
        self.start_node_by(Some(way)).await
    }

    async fn start_node_by(&mut self, way: Option<Forwarder>) -> usize {
        let redis = way.as_ref().map_or_else(|| self.redis.url(), Forwarder::url);
        let folder = tempfile::tempdir().unwrap();
        let Some(DatabaseUrl::Postgres(database)) = &self.database.config.database.url else { panic!() };
        let database = database.expose();
        let lease = LEASE.as_millis().to_string();
        let settings = [
            ("DATABASE__URL", database),
            ("DATABASE__MAX_CONNECTIONS", "4"),
            ("REGISTRY__REDIS_URL", &redis),
            ("REGISTRY__LEASE_MS", &lease),
            ("HEARTBEAT__INTERVAL_MS", "5000"),
            ("SHUTDOWN__DRAIN", "1s"),
            ("LOG__LEVEL", "info"),
        ];
        let served = Served::start(folder.path(), &settings);
        let address = served.address;
        self.nodes.push(Some(Node { served, way, is_leaving: false, is_stopped: false, folder }));
        wait_for(Duration::from_secs(20), "a node that is ready", async || {
            let answer = Wire::connect(address).await.get("/readyz").await;
            answer.body.contains(r#""registry":"ok""#)
        })
        .await;
        self.nodes.len() - 1
    }

    pub fn served(&self, node: usize) -> &Served {
        &self.nodes[node].as_ref().unwrap().served
    }

    pub fn address(&self, node: usize) -> (usize, SocketAddr) {
        (node, self.served(node).address)
    }

    /// Its way to Redis.
    pub fn way(&self, node: usize) -> &Forwarder {
        self.nodes[node].as_ref().unwrap().way.as_ref().unwrap()
    }

    /// The numbers of those that run, and that clients may come to.
    pub fn running(&self) -> Vec<usize> {
        let is_open =
            |node: &Option<Node>| node.as_ref().is_some_and(|node| !node.is_leaving && !node.is_stopped);
        (0..self.nodes.len()).filter(|node| is_open(&self.nodes[*node])).collect()
    }

    /// Asks a node to end.
    pub fn drain(&mut self, node: usize) {
        let leaving = self.nodes[node].as_mut().unwrap();
        leaving.served.signal("-TERM");
        leaving.is_leaving = true;
    }

    /// Whether a node that was asked to end has done so, and well.
    pub fn has_ended(&mut self, node: usize) -> bool {
        if !self.nodes[node].as_mut().unwrap().served.has_ended() {
            return false;
        }
        let (status, log) = self.nodes[node].take().unwrap().served.wait();
        assert!(status.success(), "{log}");
        self.book.close_node(node);
        true
    }

    /// Stops the process of a node, or has it go on.
    pub fn stop(&mut self, node: usize, is_stopped: bool) {
        let stopped = self.nodes[node].as_mut().unwrap();
        stopped.served.signal(if is_stopped { "-STOP" } else { "-CONT" });
        stopped.is_stopped = is_stopped;
    }

    /// Ends a node as a machine that loses its power does; its sockets are gone from this moment.
    pub fn kill(&mut self, node: usize) {
        let mut dead = self.nodes[node].take().unwrap();
        dead.served.signal("-KILL");
        self.book.close_node(node);
        dead.served.wait();
    }

    /// A client with a login of its own.
    pub async fn join(&mut self, node: usize, user: &str) -> &Visitor {
        self.logins += 1;
        let login = format!("login-{}", self.logins);
        self.join_as(node, user, &login).await
    }

    /// A client with this login.
    pub async fn join_as(&mut self, node: usize, user: &str, login: &str) -> &Visitor {
        let visitor = Visitor::join(&self.book, self.address(node), user, login, self.transport).await;
        let Some(visitor) = visitor else {
            panic!("{user} was not let in at node {node}: {}", self.served(node).log());
        };
        self.visitors.push(visitor);
        self.visitors.last().unwrap()
    }

    /// The first clients of some users at a node, many at a time.
    pub async fn join_many(&mut self, places: impl IntoIterator<Item = (usize, String)>) {
        let places: Vec<_> = places.into_iter().collect();
        for some in places.chunks(50) {
            let joins = some.iter().map(|(node, user)| {
                let (book, address, transport) = (self.book.clone(), self.address(*node), self.transport);
                async move { Visitor::join(&book, address, user, "same", transport).await.unwrap() }
            });
            self.visitors.extend(crate::support::join_all(joins).await);
        }
    }

    /// Ends the sockets of a client.
    pub fn leave(&mut self, visitor: usize) {
        self.visitors.swap_remove(visitor).leave();
    }

    /// Clients come and go for this long, each of some user at some running node.
    pub async fn churn(&mut self, dice: &mut Dice, users: u64, time: Duration) {
        let until = self.book.now() + time;
        while self.book.now() < until {
            let running = self.running();
            let node = running[dice.below(running.len() as u64) as usize];
            if dice.below(2) == 0 {
                let user = format!("u{}", dice.below(users));
                self.join(node, &user).await;
            } else if !self.visitors.is_empty() {
                self.leave(dice.below(self.visitors.len() as u64) as usize);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Those that have been closed are not looked at any more.
    pub fn forget_closed(&mut self) -> Vec<Visitor> {
        self.visitors.extract_if(.., |visitor| !visitor.is_open()).collect()
    }
}

/// Until it is so; panics when that takes longer.
pub async fn wait_for(within: Duration, what: &str, is_so: impl AsyncFn() -> bool) {
    let clock = rollcall::clock::Clock::system();
    let until = clock.now() + within;
    while !is_so().await {
        assert!(clock.now() < until, "{what}: not in {within:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Short, so that tests are.
pub const LEASE: Duration = Duration::from_secs(2);

/// Draws the same numbers from the same seed.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, end: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}
