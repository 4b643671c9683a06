//! The judge: what every client was told last, what every node says, and what is in Redis, against the sockets that are
//! really open.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use crate::fleet::Fleet;
use crate::live::wire::Wire;
use crate::support::token;

impl Fleet {
    /// Waits until everything agrees, and gives how long that took; panics when it takes longer than this, and when
    /// anybody was told at any time what must not be.
    pub async fn settle(&mut self, within: Duration) -> Duration {
        let since = self.book.now();
        loop {
            let mut differences = self.told();
            differences.extend(
                self.book.revoked_and_open().iter().map(|id| format!("{id} was revoked and is open")),
            );
            if differences.is_empty() {
                differences = self.known_to_nodes().await;
            }
            if differences.is_empty() {
                differences = self.kept_in_redis();
            }
            let took = self.book.now() - since;
            self.stop_at_a_problem().await;
            if differences.is_empty() {
                return took;
            }
            if took > within {
                let some = &differences[..differences.len().min(10)];
                panic!("after {took:?} {} differ: {some:#?}\n{}", differences.len(), self.logs());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Panics when anybody was told what must not be, with all that may tell why.
    pub async fn stop_at_a_problem(&self) {
        let problems = self.book.problems();
        if !problems.is_empty() {
            let some = &problems[..problems.len().min(5)];
            let (told, redis) = (self.told(), self.kept_in_redis());
            eprintln!("{} times: {some:#?}\nat {:?} {told:#?}\n{redis:#?}", problems.len(), self.book.age());
            let nodes = self.known_to_nodes().await;
            panic!("{nodes:#?}\n{}", self.logs());
        }
    }

    fn logs(&self) -> String {
        let logs: Vec<String> = self.running().iter().map(|node| self.served(*node).log()).collect();
        logs.join("\n")
    }

    /// The clients whose last list is wrong.
    pub fn told(&self) -> Vec<String> {
        let truth = self.book.truth();
        let mut differences = Vec::new();
        let mut items: BTreeMap<&str, BTreeMap<String, Value>> = BTreeMap::new();
        for visitor in self.visitors.iter().filter(|visitor| visitor.is_open()) {
            visitor.look(|told| {
                let right = &truth[&visitor.user];
                let first = items.entry(&visitor.user).or_insert_with(|| told.items.clone());
                if told.list == *right && *first != told.items {
                    differences
                        .push(format!("{} sees {:?}, another client {first:?}", visitor.id, told.items));
                }
                if told.list != *right || !told.is_complete {
                    let what = difference(right, &told.list);
                    differences.push(format!(
                        "client {} of {} at node {}: {what}, complete: {}",
                        visitor.id, visitor.user, visitor.node, told.is_complete
                    ));
                }
            });
        }
        differences
    }

    /// What nodes say by HTTP that is wrong.
    async fn known_to_nodes(&self) -> Vec<String> {
        let mut differences = Vec::new();
        let truth = self.book.truth();
        for node in self.running() {
            let mut wire = Wire::connect(self.address(node).1).await;
            for (user, right) in &truth {
                let headers = format!("authorization: Bearer {}\r\n", token(user, "reader"));
                let answer = wire.request("GET", "/api/sessions", &headers, "").await;
                assert_eq!(answer.status, 200, "{answer:?}");
                let answer: Value = serde_json::from_str(&answer.body).unwrap();
                let items = answer["sessions"].as_array().unwrap().iter();
                let list = items.map(|item| item["socketId"].as_str().unwrap().to_owned()).collect();
                if list != *right || answer["complete"] != true {
                    let what = difference(right, &list);
                    differences
                        .push(format!("node {node} of {user}: {what}, complete: {}", answer["complete"]));
                }
            }
        }
        differences
    }

    /// What Redis has that is wrong.
    fn kept_in_redis(&self) -> Vec<String> {
        let mut kept: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let truth = self.book.truth();
        let users: BTreeMap<String, &String> = truth.keys().map(|user| (key_of(user), user)).collect();
        for key in strings(&self.redis.ask("KEYS rollcall:{*}:s")) {
            let user = users.get(&key).copied().unwrap_or_else(|| panic!("a key of nobody: {key}"));
            let fields = strings(&self.redis.ask(&format!("HGETALL {key}")));
            let sessions = kept.entry(user.to_owned()).or_default();
            for [session, value] in fields.as_chunks::<2>().0 {
                // The mark of one that has ended is not a session.
                if !value.split(' ').nth(2).unwrap().starts_with('!') {
                    sessions.insert(session.clone());
                }
            }
        }
        let nothing = BTreeSet::new();
        let users: BTreeSet<&String> = truth.keys().chain(kept.keys()).collect();
        let mut differences = Vec::new();
        for user in users {
            let (right, list) = (truth.get(user).unwrap_or(&nothing), kept.get(user).unwrap_or(&nothing));
            if right != list {
                differences.push(format!("Redis of {user}: {}", difference(right, list)));
            }
        }
        differences
    }

    /// Sessions of these that are still in Redis.
    pub fn any_in_redis(&self, sessions: &BTreeSet<String>) -> Vec<String> {
        let keys = strings(&self.redis.ask("KEYS rollcall:{*}:s"));
        let fields = keys.iter().flat_map(|key| strings(&self.redis.ask(&format!("HGETALL {key}"))));
        fields.filter(|field| sessions.contains(field)).collect()
    }

    /// Waits until Redis has nothing of nodes that are no more.
    pub async fn wait_for_no_remains(&self, within: Duration) {
        let until = self.book.now() + within;
        loop {
            let nodes = strings(&self.redis.ask("SMEMBERS rollcall:nodes"));
            let of = |prefix: &str| {
                let keys = strings(&self.redis.ask(&format!("KEYS {prefix}*"))).into_iter();
                keys.map(|key| key[prefix.len()..].to_owned()).collect::<BTreeSet<_>>()
            };
            let (users, leases) = (of("rollcall:users:"), of("rollcall:lease:"));
            let nodes: BTreeSet<String> = nodes.into_iter().collect();
            let running = self.running().len();
            if nodes.len() == running && leases == nodes && users.is_subset(&nodes) {
                return;
            }
            assert!(
                self.book.now() < until,
                "{running} nodes run, Redis has {nodes:?}, leases {leases:?}, users {users:?}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Where the sessions of a user of the built-in issuer are.
pub fn key_of(user: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, format!("built-in:{user}").as_bytes());
    let name: String = digest.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("rollcall:{{{name}}}:s")
}

fn difference(right: &BTreeSet<String>, list: &BTreeSet<String>) -> String {
    let lacks: Vec<_> = right.difference(list).take(3).collect();
    let ghosts: Vec<_> = list.difference(right).take(3).collect();
    format!("{} instead of {}, lacks {lacks:?}, has {ghosts:?}", list.len(), right.len())
}

/// The strings of an answer of Redis that is an array of them.
pub fn strings(answer: &str) -> Vec<String> {
    let mut strings = Vec::new();
    let (_, mut rest) = answer.split_once("\r\n").unwrap();
    while let Some((head, tail)) = rest.split_once("\r\n") {
        let length: usize = head.strip_prefix('$').unwrap_or_else(|| panic!("{answer}")).parse().unwrap();
        strings.push(tail[..length].to_owned());
        rest = &tail[length + 2..];
    }
    strings
}
