//! What an operator wants to know of Redis before a start. Leaves nothing behind there. Does not know: what is good or bad.

use std::time::Duration;

use redis::{Cmd, Pipeline, Value, cmd};

use super::calls::text;
use super::names::Names;
use super::place::{Connection, Place};
use super::status::{StatusError, read};
use crate::clock::Clock;
use crate::config::RedisUrl;
use crate::ids;

/// What was found.
#[derive(Debug)]
pub struct RedisFacts {
    /// Major and minor.
    pub version: (u32, u32),
    /// And no Redis.
    pub is_valkey: bool,
    /// Whether it is a server of a Redis Cluster.
    pub in_cluster: bool,
    /// Whether it follows another one.
    pub is_replica: bool,
    /// `maxmemory-policy`.
    pub policy: String,
    /// Whether `maxmemory` is set.
    pub has_limit: bool,
    /// Nodes that meet there.
    pub nodes: usize,
    /// A question and its answer.
    pub took: Duration,
    /// Its clock, in milliseconds since the epoch.
    pub unix_millis: u64,
    /// This machine's when it was asked.
    pub asked: u64,
    /// This machine's when it had answered.
    pub answered: u64,
}

/// Looks at it, and tries what a node does: a write that is gone at once, a script, a message.
///
/// # Errors
/// It cannot be reached, or does not allow one of these.
pub async fn look(url: &RedisUrl, clock: &Clock) -> Result<RedisFacts, StatusError> {
    let place = Place::new(url, PATIENCE)?;
    let names = Names::new(place.database());
    let mut connection = place.connect().await?;
    let info = one(&mut connection, cmd("INFO")).await?;
    let facts = Info::of(&info);
    let (began, asked) = (clock.now(), clock.unix_millis());
    let time = one(&mut connection, cmd("TIME")).await?;
    let (took, answered) = (clock.now().saturating_duration_since(began), clock.unix_millis());
    if !facts.is("role", "slave") && facts.is("redis_mode", "cluster") == url.is_cluster() {
        try_out(&mut connection, &names).await?;
        drop(place.listen().await?);
    }
    let nodes =
        if facts.is("redis_mode", "cluster") == url.is_cluster() { read(url).await?.len() } else { 0 };
    let is_valkey = facts.get("valkey_version").is_some();
    let version = facts.get("valkey_version").or(facts.get("redis_version")).unwrap_or_default();
    Ok(RedisFacts {
        version: parse_version(version),
        is_valkey,
        in_cluster: facts.is("redis_mode", "cluster"),
        is_replica: facts.is("role", "slave") && !url.is_cluster(),
        policy: facts.get("maxmemory_policy").unwrap_or_default().to_owned(),
        has_limit: facts.get("maxmemory").is_some_and(|bytes| bytes != "0"),
        nodes,
        took,
        unix_millis: parse_time(&time).unwrap_or(asked),
        asked,
        answered,
    })
}

/// What every node needs to be allowed to do.
async fn try_out(connection: &mut Connection, names: &Names) -> Result<(), StatusError> {
    let key = names.trial(&ids::node_tag());
    let script = "redis.call('SET', KEYS[1], '1', 'PX', 1000) return redis.call('DEL', KEYS[1])";
    one(connection, cmd("EVAL").arg(script).arg(1).arg(&key).take()).await?;
    one(connection, cmd("PUBLISH").arg(&key).arg("").take()).await?; // nobody listens there
    Ok(())
}

async fn one(connection: &mut Connection, command: Cmd) -> Result<Value, StatusError> {
    let mut pipeline = Pipeline::new();
    pipeline.add_command(command);
    let answer = connection.send(&pipeline, 1).await?.pop();
    Ok(answer.unwrap_or(Ok(Value::Nil))?)
}

/// The answer to `INFO`; of a Redis Cluster that of any server.
struct Info(String);

impl Info {
    fn of(value: &Value) -> Self {
        let found = match value {
            Value::Map(servers) => servers.iter().find_map(|(_, info)| text(info)),
            one => text(one),
        };
        Self(found.unwrap_or_default().to_owned())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }

    fn is(&self, name: &str, value: &str) -> bool {
        self.get(name) == Some(value)
    }
}

/// 0.0 for what is no version.
fn parse_version(version: &str) -> (u32, u32) {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or_default());
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

/// Milliseconds since the epoch, of the seconds and microseconds that `TIME` gives.
fn parse_time(time: &Value) -> Option<u64> {
    let time = match time {
        Value::Map(servers) => &servers.first()?.1,
        one => one,
    };
    let Value::Array(parts) = time else { return None };
    let mut numbers = parts.iter().map(|part| text(part)?.parse::<u64>().ok());
    Some(numbers.next()?? * 1000 + numbers.next()?? / 1000)
}

/// A person waits for it.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_and_time_are_read() {
        let info = Info::of(&Value::BulkString(
            b"# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n".to_vec(),
        ));
        assert_eq!((info.get("redis_version"), info.get("redis")), (Some("7.0.15"), None));
        assert_eq!((parse_version("7.0.15"), parse_version("")), ((7, 0), (0, 0)));
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let time = Value::Array(vec![bulk("1700000000"), bulk("250999")]);
        assert_eq!(parse_time(&time), Some(1_700_000_000_250));
        assert_eq!(parse_time(&Value::Nil), None);
    }
}
