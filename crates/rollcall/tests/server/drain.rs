//! A node that ends while others go on: what its users' other sessions are told.

use std::time::Duration;

use rollcall::config::{RedisUrl, Setting};

use crate::live::Live;
use crate::live::databases::Database;
use crate::live::redis::Redis;
use crate::namespace::Tab;

const USERS: usize = 6;
const TABS: usize = 12;

/// Twelve tabs of each user are on a node that drains for six seconds, one is elsewhere. Told one by one, that one hears of
/// each; together, of all of them in a few updates, and Redis of them in a few scripts. Seen failing with `MOST_AT_ONCE` 1
/// and the sockets in no order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tabs_of_a_user_leave_a_draining_node_together() {
    let (redis, database) = (Redis::start(), Database::postgres().await);
    let node = async || {
        Live::start(|config| {
            config.registry.redis_url = RedisUrl::parse(&redis.url());
            config.database.url = database.config.database.url.clone();
            config.shutdown.drain = Duration::from_secs(6);
        })
        .await
    };
    let (ending, staying) = (node().await, node().await);
    let mut tabs = Vec::new();
    let mut others = Vec::new();
    for number in 0..USERS {
        let user = format!("u{number}");
        others.push(Tab::join(&staying, &user).await);
        for _ in 0..TABS {
            tabs.push(Tab::join(&ending, &user).await);
        }
    }
    for other in &mut others {
        other.list_of(TABS + 1).await;
        other.heard().await;
    }
    let scripts = scripts(&redis);
    ending.trigger.shut_down();
    let hear = async |mut other: Tab| {
        let mut updates = 0;
        loop {
            updates += 1;
            let list = other.event("sessions:update").await;
            if list[0].as_array().unwrap().len() == 1 {
                return updates;
            }
        }
    };
    let updates: Vec<usize> = futures_util::future::join_all(others.into_iter().map(hear)).await;
    assert!(updates.iter().all(|updates| *updates <= TABS / 2), "{updates:?} updates");
    let scripts = self::scripts(&redis) - scripts;
    // Of each user some on either node.
    assert!(scripts <= USERS * TABS, "{scripts} scripts for {USERS} users with {TABS} tabs");
}

/// How many scripts Redis has run.
fn scripts(redis: &Redis) -> usize {
    let stats = redis.ask("INFO commandstats");
    let line = stats.lines().find(|line| line.starts_with("cmdstat_evalsha:")).expect("scripts were run");
    let calls = line.split("calls=").nth(1).and_then(|rest| rest.split(',').next()).unwrap();
    calls.parse().unwrap()
}
