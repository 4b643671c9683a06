//! Several nodes that meet in a Redis Cluster of three masters: one list, through a failover too.

use std::time::Duration;

use databases::Database;
use redis::RedisCluster;
use rollcall::config::{RedisUrl, Setting};
use serde_json::Value;

use crate::live::Live;
use crate::live::{databases, redis};
use crate::namespace::Tab;

async fn node(url: &str, database: &Database) -> Live {
    Live::start(|config| {
        config.registry.redis_url = RedisUrl::parse(url);
        config.registry.lease_ms = 4000.try_into().unwrap();
        config.database.url = database.config.database.url.clone();
    })
    .await
}

/// Waits until the last list that this one was told holds these sessions, and is whole.
async fn wait_for_list(tab: &mut Tab, sessions: usize) {
    loop {
        let update = tab.event("sessions:update").await;
        if update[0].as_array().unwrap().len() == sessions && update[1]["complete"] == true {
            return;
        }
    }
}

fn count(ready: &Value) -> usize {
    ready["sessions"].as_array().unwrap().len()
}

// Seen failing with `is_cluster` not set in `Place::is_cluster`, when a node died between the two calls, in the simulation;
// here with the addresses of replicas alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_meet_in_a_redis_cluster_and_a_failover_loses_nobody() {
    let (mut redis, database) = (RedisCluster::start(), Database::postgres().await);
    // As the user that the documentation names.
    let documented =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operate.md")).unwrap();
    let rules = documented.split('`').find(|text| text.starts_with("~rollcall:* ")).unwrap();
    for server in &redis.servers {
        let made = server.ask(&format!("ACL SETUSER gateway on >s3cret {rules} +cluster|slots"));
        assert!(made.starts_with("+OK"), "{made}");
    }
    let url = redis.url().replace("://", "://gateway:s3cret@");
    let (a, b) = (node(&url, &database).await, node(&url, &database).await);
    // Users on all masters.
    let mut pairs = Vec::new();
    for number in 0..12 {
        let user = format!("user-{number}");
        let mut first = Tab::join(&a, &user).await;
        let second = Tab::join(&b, &user).await;
        assert_eq!((count(&second.ready), &second.ready["complete"]), (2, &true.into()), "{}", second.ready);
        first.list_of(2).await;
        pairs.push((user, first, second));
    }
    let (_, first, second) = &mut pairs[0];
    let sent = first.ask("sessions:send", r#"{"to":"others","event":"e","data":1}"#).await;
    assert_eq!(sent["delivered"], 1);
    second.event("sessions:message").await;

    // A master is killed; its replica takes its place within seconds.
    let master = redis.servers.iter_mut().find(|server| server.ask("ROLE").contains("master")).unwrap();
    master.kill();
    tokio::time::sleep(Duration::from_secs(3)).await;
    // What joins and leaves meanwhile and afterwards is seen by all, on every master.
    for (user, first, second) in &mut pairs {
        let mut third = Tab::join(&b, user).await;
        if count(&third.ready) != 3 || third.ready["complete"] != true {
            wait_for_list(&mut third, 3).await;
        }
        drop(third);
        wait_for_list(first, 2).await;
        wait_for_list(second, 2).await;
    }
    for server in redis.servers.iter().filter(|server| server.is_running()) {
        assert!(server.ask("ACL LOG").starts_with("*0"), "{}", server.ask("ACL LOG"));
    }
}
