//! A whole server on a port of its own, as `rollcall::run` serves it, and sockets that speak to it in packets.

#![allow(dead_code, unreachable_pub, reason = "each test file includes this and uses its part")]

#[path = "databases.rs"]
pub mod databases;
#[path = "redis.rs"]
pub mod redis;
#[path = "../../../engineio/tests/support/wire.rs"]
pub mod wire;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use engineio::server::spawn;
use rollcall::clock::Clock;
use rollcall::config::{Config, DatabaseConfig, RedisUrl, Secret, Setting};
use rollcall::identity::Identity;
use rollcall::shutdown::{Shutdown, Trigger};
use serde_json::Value;
use wire::Wire;

use crate::support::SECRET;

pub const POLL: &str = "/socket.io/?EIO=4&transport=polling";
pub const WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";

pub struct Live {
    pub address: SocketAddr,
    pub folder: tempfile::TempDir,
    identity: Identity,
    pub trigger: Trigger,
    pub clock: Clock,
    /// Where it keeps what must survive.
    pub database: DatabaseConfig,
}

/// Whether the tests run once more, on a node of a cluster.
pub fn is_in_cluster() -> bool {
    std::env::var("ROLLCALL_TEST_REGISTRY").is_ok_and(|registry| registry == "redis")
}

/// Where the nodes of this test meet, when all tests are to run once more on a node of a cluster: what holds for one node
/// alone holds there too. A server that is started again finds what it has left.
async fn meeting_place() -> Option<&'static (redis::Redis, databases::Database)> {
    static PLACE: tokio::sync::OnceCell<(redis::Redis, databases::Database)> =
        tokio::sync::OnceCell::const_new();
    if is_in_cluster() {
        let open = async || (redis::Redis::start(), databases::Database::postgres().await);
        return Some(PLACE.get_or_init(open).await);
    }
    None
}

impl Live {
    pub async fn start(change: impl FnOnce(&mut Config)) -> Self {
        Self::start_by(Clock::system(), change).await
    }

    /// The same by a clock whose wall time the test moves.
    pub async fn start_by(clock: Clock, change: impl FnOnce(&mut Config)) -> Self {
        let (live, is_one_of_several) = Self::begin(clock, change).await;
        if is_one_of_several {
            live.wait_for_redis().await;
        }
        live
    }

    /// One of several nodes whose Redis is away.
    pub async fn start_without_redis(change: impl FnOnce(&mut Config)) -> Self {
        Self::begin(Clock::system(), change).await.0
    }

    async fn begin(clock: Clock, change: impl FnOnce(&mut Config)) -> (Self, bool) {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config { data_dir: folder.path().join("data"), ..Config::default() };
        config.identity.secret = Secret::parse(SECRET);
        if let Some((redis, database)) = meeting_place().await {
            config.registry.redis_url = RedisUrl::parse(&redis.url());
            config.database.url = database.config.database.url.clone();
        }
        change(&mut config);
        let identity = rollcall::app::open_identity(&config).unwrap();
        let listener = rollcall::listen(&config, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let (trigger, shutdown) = Shutdown::new();
        let by = clock.clone();
        let is_one_of_several = config.registry.redis_url.is_some();
        let database = config.database.clone();
        spawn(async move { rollcall::run_by(by, config, listener, shutdown).await.unwrap() });
        (Self { address, folder, identity, trigger, clock, database }, is_one_of_several)
    }

    /// Until its lists are those of all nodes.
    pub async fn wait_for_redis(&self) {
        for _ in 0..1000 {
            let answer = self.wire().await.get("/readyz").await;
            if answer.body.contains(r#""registry":"ok""#) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("Redis is away");
    }

    pub fn token(&self, user: &str) -> String {
        self.token_of(user, None, Duration::from_secs(3600))
    }

    /// A token of this login (`sid`), good for `ttl`.
    pub fn token_of(&self, user: &str, login: Option<&str>, ttl: Duration) -> String {
        self.identity.mint(user, login, self.clock.unix_seconds(), ttl).unwrap()
    }

    /// A token of these claims, as another holder of the secret makes it.
    pub fn sign(&self, claims: &Value) -> String {
        crate::support::sign(claims)
    }

    /// The CONNECT packet of this user.
    pub fn connect_packet(&self, user: &str) -> String {
        format!(r#"40/sessions,{{"token":"{}"}}"#, self.token(user))
    }

    pub async fn wire(&self) -> Wire {
        Wire::connect(self.address).await
    }

    /// A WebSocket whose open packet is taken.
    pub async fn socket(&self) -> Wire {
        let mut wire = Wire::websocket(self.address, WEBSOCKET).await;
        assert!(wire.text().await.starts_with('0'));
        wire
    }

    /// A polling session: the target of its requests.
    pub async fn poll(&self) -> (Wire, String) {
        let mut wire = self.wire().await;
        let opened = wire.get(POLL).await;
        assert_eq!(opened.status, 200, "{opened:?}");
        let open: Value = serde_json::from_str(&opened.body[1..]).unwrap();
        (wire, format!("{POLL}&sid={}", open["sid"].as_str().unwrap()))
    }
}

/// Name and arguments of an event packet of the namespace; `None` for any other packet.
pub fn event(packet: &str) -> Option<(String, Vec<Value>)> {
    let json = packet.strip_prefix("42/sessions,")?;
    let mut array: Vec<Value> = serde_json::from_str(json).unwrap();
    let name = array.remove(0).as_str().unwrap().to_owned();
    Some((name, array))
}
