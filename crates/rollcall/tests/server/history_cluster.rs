//! Sessions of nodes that die, stand still or are stopped, as real processes: each ends once, and the others say so.

use std::collections::HashSet;
use std::time::Duration;

use rollcall::config::DatabaseUrl;
use serde_json::{Value, json};

use crate::live::databases::Database;
use crate::live::redis::Redis;
use crate::live::wire::{Wire, request};
use crate::live::{WEBSOCKET, event};
use crate::receiver::{Receiver, Sent, entries};
use crate::served::Served;
use crate::support::sign;

/// Nodes on one database and one Redis, whose lease is two seconds.
struct Nodes {
    nodes: Vec<Option<Served>>,
    receiver: Receiver,
    database: Database,
    _redis: Redis,
}

impl Nodes {
    async fn start(count: usize) -> Self {
        let (redis, database) = (Redis::start(), Database::postgres().await);
        let receiver = Receiver::start().await;
        let DatabaseUrl::Postgres(url) = database.config.database.url.as_ref().unwrap() else { panic!() };
        let hooks = entries(&[receiver.address], &["session.started", "session.ended"]).to_string();
        let redis_url = redis.url();
        let settings = [
            ("DATABASE__URL", url.expose()),
            ("REGISTRY__REDIS_URL", &redis_url),
            ("REGISTRY__LEASE_MS", "2000"),
            ("WEBHOOKS", &hooks),
            ("LOG__LEVEL", "info"),
        ];
        let nodes = (0..count).map(|_| Some(Served::start(&database.config.data_dir, &settings))).collect();
        let nodes = Self { nodes, receiver, database, _redis: redis };
        for node in 0..count {
            while !nodes.get(node, "/readyz", "").await.contains(r#""registry":"ok""#) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        nodes
    }

    fn node(&self, node: usize) -> &Served {
        self.nodes[node].as_ref().unwrap()
    }

    async fn get(&self, node: usize, path: &str, user: &str) -> String {
        let mut wire = Wire::connect(self.node(node).address).await;
        let headers = format!("authorization: Bearer {}\r\n", token(user));
        wire.send(request("GET", path, &headers, "")).await;
        wire.answer().await.body
    }

    async fn join(&self, node: usize, user: &str) -> Wire {
        let mut wire = Wire::websocket(self.node(node).address, WEBSOCKET).await;
        wire.say(&format!(r#"40/sessions,{{"token":"{}"}}"#, token(user))).await;
        loop {
            let text = wire.text().await;
            match event(&text) {
                Some((name, _)) if name == "sessions:ready" => return wire,
                Some((name, told)) => assert_ne!(name, "sessions:error", "{told:?}"),
                None => {}
            }
        }
    }

    /// Reason of each ended session of a user, as this node knows it, once there are so many.
    async fn reasons(&self, node: usize, user: &str, sessions: usize) -> Vec<String> {
        for _ in 0..600 {
            let body = self.get(node, "/api/sessions/history", user).await;
            let list: Value = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{body}"));
            let list = list["sessions"].as_array().unwrap_or_else(|| panic!("{body}")).clone();
            if list.len() >= sessions {
                return list.iter().map(|item| item["reason"].as_str().unwrap().to_owned()).collect();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("not {sessions} sessions of {user} have ended: {}", self.node(node).log());
    }
}

fn token(user: &str) -> String {
    let exp = rollcall::clock::Clock::system().unix_seconds() + 3600;
    sign(&json!({"sub": user, "sid": "desk", "exp": exp}))
}

fn is_ended(sent: &Sent) -> bool {
    sent.body["type"] == "session.ended"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_of_a_killed_node_are_written_down_and_told_once_by_the_others() {
    let mut nodes = Nodes::start(3).await;
    // Of some users others know, of some only the node that dies.
    let mut sockets = Vec::new();
    for number in 0..30 {
        sockets.push(nodes.join(0, &format!("u{number}")).await);
        if number % 3 == 0 {
            sockets.push(nodes.join(1 + number % 2, &format!("u{number}")).await);
        }
    }
    nodes.receiver.events(40, "session.started").await;
    nodes.nodes[0].take().unwrap().end("-KILL");
    for number in 0..30 {
        assert_eq!(nodes.reasons(1 + number % 2, &format!("u{number}"), 1).await, ["node_lost"], "u{number}");
    }
    let told = nodes.receiver.wait_for(30, is_ended).await;
    let ids: HashSet<&str> = told.iter().map(|sent| sent.id.as_str()).collect();
    assert!(told.iter().all(|sent| sent.body["data"]["reason"] == "node_lost"), "{told:?}");
    assert_eq!((told.len(), ids.len()), (30, 30));
    // Those that are stopped say so themselves, and nobody says it after them.
    for node in [1, 2] {
        nodes.nodes[node].take().unwrap().end("-TERM");
    }
    let query = "SELECT reason || ' ' || CAST(COUNT(*) AS TEXT) FROM history GROUP BY reason ORDER BY reason";
    assert_eq!(nodes.database.texts(query).await, ["node_lost 30", "shutdown 10"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_with_a_node_that_stood_still_ends_for_good_later() {
    let nodes = Nodes::start(2).await;
    let socket = nodes.join(0, "ada").await;
    let _other = nodes.join(1, "ada").await;
    nodes.node(0).signal("-STOP");
    assert_eq!(nodes.reasons(1, "ada", 1).await, ["node_lost"]);
    nodes.node(0).signal("-CONT");
    while serde_json::from_str::<Value>(&nodes.get(1, "/api/sessions", "ada").await).unwrap()["sessions"]
        .as_array()
        .is_none_or(|list| list.len() < 2)
    {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(socket);
    while nodes.reasons(1, "ada", 1).await != ["closed"] {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let told = nodes.receiver.wait_for(2, is_ended).await;
    let reasons: Vec<&str> = told.iter().map(|sent| sent.body["data"]["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["node_lost", "closed"]);
}
