//! What a node that has died leaves behind in Redis.

use std::num::NonZeroU32;
use std::time::Duration;

use rollcall::config::{RedisUrl, Setting};

use crate::live::Live;
use crate::live::databases::Database;
use crate::live::redis::Redis;
use crate::namespace::Tab;

/// A node that has died with so many users that reaping them takes its time: as if it were never reaped, since its set of
/// users is empty. Seen failing without the filter in `Cluster::read`, which then lists the ghost for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_of_a_dead_node_is_in_no_answer_even_before_it_is_reaped() {
    let (redis, database) = (Redis::start(), Database::postgres().await);
    let node = Live::start(|config| {
        config.registry.redis_url = RedisUrl::parse(&redis.url());
        config.registry.lease_ms = NonZeroU32::new(4000).unwrap();
        config.database.url = database.config.database.url.clone();
    })
    .await;
    let token = node.token("ada");
    let tab = Tab::join(&node, "ada").await;
    let keys = redis.ask("KEYS rollcall:*:s");
    let key = keys.lines().find(|line| line.starts_with("rollcall:")).unwrap();
    let record = redis.ask(&format!("HGET {key} {}", tab.id));
    let record = record.lines().nth(1).unwrap();
    drop(tab);
    wait_for(async || listed(&node, &token).await == 0).await;

    let (of, rest) = record.split_once(' ').unwrap();
    let dead = of.chars().rev().collect::<String>();
    let quoted = format!("{dead} {rest}").replace('\\', "\\\\").replace('"', "\\\"");
    assert_eq!(redis.ask(&format!("HSET {key} {} \"{quoted}\"", "A".repeat(20))), ":1\r\n");
    assert_eq!(listed(&node, &token).await, 1, "of a node that nobody knows to be dead");
    assert_eq!(redis.ask(&format!("SADD rollcall:nodes {dead}")), ":1\r\n");
    wait_for(async || listed(&node, &token).await == 0).await;
    assert!(redis.ask(&format!("HLEN {key}")).starts_with(":1"), "not reaped");
}

/// How many sessions a node without any of the user knows of.
async fn listed(node: &Live, token: &str) -> usize {
    let headers = format!("authorization: Bearer {token}\r\n");
    let answer = node.wire().await.request("GET", "/api/sessions", &headers, "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let list: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    list["sessions"].as_array().unwrap().len()
}

/// Within a lease, which has to have been held before anybody counts as dead, and what is left to reaping.
async fn wait_for(is_so: impl AsyncFn() -> bool) {
    for _ in 0..60 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it is not so after six seconds");
}
