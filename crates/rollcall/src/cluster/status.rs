//! What each node says of itself beside its lease, and what an operator reads of it. Does not know: users, sessions.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::{Pipeline, RedisError, Value};
use serde::{Deserialize, Serialize};

use super::calls::{array, number, text};
use super::names::{Names, node_text, parse_node};
use super::place::{Connection, Place, Trouble};
use crate::config::RedisUrl;

/// A node as it says it is, as old as a third of its lease. What a release does not say is 0 or empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeStatus {
    /// First part of the `sid` of its sockets.
    pub tag: String,
    /// Its release.
    pub release: String,
    /// Sessions on it.
    pub sessions: u64,
    /// Users of whom it has something to say.
    pub dirty_users: u64,
    /// Of the last calls that were answered, in microseconds.
    pub round_trip_us: u64,
    /// Whether its lists are those of all nodes.
    pub is_complete: bool,
    /// The machine that it runs on, by its name.
    pub hostname: String,
    /// Its process there.
    pub pid: u32,
    /// When that was started, in milliseconds since the epoch.
    pub started_at: u64,
    /// Engine.IO connections that are open over WebSocket.
    pub websocket: u64,
    /// The same over polling.
    pub polling: u64,
    /// The same that were closed since its start.
    pub closed: u64,
}

/// A row of the table of nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeRow {
    /// Its id: 16 hexadecimal digits, another one after each loss of its lease.
    pub node: String,
    /// What is left of its lease, in milliseconds; `None` when it has ended: its sessions are being removed.
    pub lease_ms: Option<u64>,
    /// Users that it has sessions of, as Redis has them.
    pub users: u64,
    /// What it says of itself.
    #[serde(flatten)]
    pub status: NodeStatus,
}

/// How long the last calls took.
#[derive(Debug, Default)]
pub(super) struct RoundTrip(AtomicU64);

impl RoundTrip {
    pub(super) fn note(&self, took: Duration) {
        self.0.store(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn micros(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl NodeStatus {
    /// The text that stands in the lease.
    pub(super) fn encode(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() // texts and numbers alone: this cannot fail
    }

    /// Of another release, or of nobody, it says nothing.
    fn decode(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }
}

/// Why the table of nodes cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// Redis, or the way to it.
    #[error(transparent)]
    Redis(#[from] RedisError),
    /// It has said no, or nothing in time.
    #[error("{0}")]
    Answer(String),
}

/// Reads the table of nodes, sorted by tag.
///
/// # Errors
/// What Redis, or the way to it, says.
pub async fn read(url: &RedisUrl) -> Result<Vec<NodeRow>, StatusError> {
    let place = Place::new(url, PATIENCE)?;
    let names = Names::new(place.database());
    Ok(read_over(&mut place.connect().await?, &names).await?)
}

/// The same over a connection that is open.
pub(super) async fn read_over(connection: &mut Connection, names: &Names) -> Result<Vec<NodeRow>, Trouble> {
    let mut pipeline = Pipeline::new();
    pipeline.cmd("SMEMBERS").arg(names.nodes());
    let members = connection.send(&pipeline, 1).await?.pop().unwrap_or(Ok(Value::Nil))?;
    let members = array(&members).unwrap_or_default().iter().filter_map(|member| parse_node(text(member)?));
    let mut rows = Vec::new();
    for node in members {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("GET").arg(names.lease(node));
        pipeline.cmd("PTTL").arg(names.lease(node));
        pipeline.cmd("ZCARD").arg(names.users(node));
        let answers: Result<Vec<Value>, Trouble> = connection.send(&pipeline, 3).await?.into_iter().collect();
        if let [status, left, users] = &answers?[..] {
            rows.push(NodeRow {
                node: node_text(node),
                lease_ms: number(left),
                users: number(users).unwrap_or_default(),
                status: text(status).map(NodeStatus::decode).unwrap_or_default(),
            });
        }
    }
    rows.sort_by(|one, other| (&one.status.tag, &one.node).cmp(&(&other.status.tag, &other.node)));
    Ok(rows)
}

impl From<Trouble> for StatusError {
    fn from(trouble: Trouble) -> Self {
        Self::Answer(match trouble {
            Trouble::Refused(why) | Trouble::Demoted(why) | Trouble::Broken(why) => why,
            Trouble::Slow => "no answer in time".to_owned(),
        })
    }
}

/// A person waits for it.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_says_comes_back_and_another_release_may_say_more_or_less() {
        let status = NodeStatus {
            tag: "node-1".to_owned(),
            release: "1.2.3".to_owned(),
            sessions: 4,
            dirty_users: 5,
            round_trip_us: 6,
            is_complete: true,
            hostname: "one".to_owned(),
            pid: 7,
            started_at: 8,
            websocket: 9,
            polling: 10,
            closed: 11,
        };
        assert_eq!(NodeStatus::decode(&status.encode()), status);
        let other = NodeStatus::decode(r#"{"tag":"x","later":[1]}"#);
        assert_eq!(other, NodeStatus { tag: "x".to_owned(), ..NodeStatus::default() });
        assert_eq!(NodeStatus::decode("1"), NodeStatus::default());
    }
}
