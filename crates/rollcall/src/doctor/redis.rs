//! Redis, where several nodes meet: whether it can be used, and keeps what it is given.

use super::Finding;
use super::clocks::Other;
use crate::clock::Clock;
use crate::cluster::examine::{self, RedisFacts};
use crate::config::Config;

pub(super) async fn examine(config: &Config, clock: &Clock) -> (Vec<Finding>, Option<Other>) {
    let Some(url) = &config.registry.redis_url else {
        return (vec![Finding::ok(CHECK, "not configured: one node alone")], None);
    };
    let shown = url.masked();
    match examine::look(url, clock).await {
        Ok(facts) => {
            let other = Other::new("Redis", facts.asked, facts.unix_millis, facts.answered, 0);
            (judge(&shown, url.is_cluster(), &facts), Some(other))
        }
        Err(error) => {
            let advice = "see whether it runs, its address, user and password are right, and the user may use what \
                          docs/operate.md names under \"Several nodes\"";
            (vec![Finding::failed(CHECK, format!("{shown}: {error}"), advice)], None)
        }
    }
}

fn judge(shown: &str, is_cluster: bool, facts: &RedisFacts) -> Vec<Finding> {
    let RedisFacts { version, is_valkey, in_cluster, is_replica, policy, has_limit, nodes, took, .. } = facts;
    let name = if *is_valkey { "Valkey" } else { "Redis" };
    let found = format!("{shown}, {name} {}.{}", version.0, version.1);
    let needed = if *is_valkey { VALKEY_NEEDED } else { REDIS_NEEDED };
    if *version < needed {
        let advice = format!("{name} {}.{} or later", needed.0, needed.1);
        return vec![Finding::failed(CHECK, found, advice)];
    }
    if *in_cluster != is_cluster {
        let (is, scheme) = match in_cluster {
            true => ("a server of a Redis Cluster", "redis+cluster://"),
            false => ("one server and no Redis Cluster", "redis://"),
        };
        return vec![Finding::failed(
            CHECK,
            format!("{found}, is {is}"),
            format!("say {scheme} in registry.redis_url"),
        )];
    }
    if *is_replica {
        let advice = "name the server that takes writes, or an address that follows it";
        return vec![Finding::failed(CHECK, format!("{found}, is a replica"), advice)];
    }
    let millis = took.as_micros() as f64 / 1000.0;
    let mut findings =
        vec![Finding::ok(CHECK, format!("{found}, answers in {millis:.1} ms, {nodes} nodes meet there"))];
    if *has_limit && policy != "noeviction" {
        let found = format!("maxmemory-policy is {policy}: when memory is short, sessions vanish from lists");
        findings.push(Finding::warning(
            CHECK,
            found,
            "`CONFIG SET maxmemory-policy noeviction`, and in redis.conf",
        ));
    }
    findings
}

const CHECK: &str = "redis";
const REDIS_NEEDED: (u32, u32) = (6, 2);
const VALKEY_NEEDED: (u32, u32) = (7, 2);

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use std::time::Duration;

    #[track_caller]
    fn check(change: impl FnOnce(&mut RedisFacts), is_cluster: bool, state: State, part: &str) {
        let mut facts = RedisFacts {
            version: (7, 0),
            is_valkey: false,
            in_cluster: false,
            is_replica: false,
            policy: "noeviction".to_owned(),
            has_limit: true,
            nodes: 3,
            took: Duration::from_micros(300),
            unix_millis: 0,
            asked: 0,
            answered: 0,
        };
        change(&mut facts);
        let findings = judge("redis://cache", is_cluster, &facts);
        let last = findings.last().unwrap();
        let text = format!("{} {}", last.found, last.advice.as_deref().unwrap_or_default());
        assert!(last.state == state && text.contains(part), "{last:?}");
    }

    #[test]
    fn each_way_in_which_redis_does_not_fit_is_told_with_what_to_do() {
        check(|_| {}, false, State::Ok, "redis://cache, Redis 7.0, answers in 0.3 ms, 3 nodes meet there");
        check(|facts| facts.version = (6, 0), false, State::Failed, "Redis 6.2 or later");
        check(|facts| facts.is_valkey = true, false, State::Failed, "Valkey 7.2 or later");
        check(|facts| facts.in_cluster = true, false, State::Failed, "redis+cluster://");
        check(|_| {}, true, State::Failed, "say redis://");
        check(|facts| facts.is_replica = true, false, State::Failed, "takes writes");
        check(|facts| facts.policy = "allkeys-lru".to_owned(), false, State::Warning, "noeviction");
        let harmless = |facts: &mut RedisFacts| {
            facts.policy = "allkeys-lru".to_owned();
            facts.has_limit = false;
        };
        check(harmless, false, State::Ok, "nodes meet");
    }
}
