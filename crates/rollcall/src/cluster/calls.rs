//! What the reconciler asks of Redis as commands, and what Redis says to that as replies. Does not know: connections.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reconcile::{Config, Entry, Failed, Login, NodeId, Sync, Synced, Why, script};
use redis::{Cmd, Pipeline, Value, cmd};

use super::message::Message;
use super::names::{Names, node_text, parse_node};
use super::place::Trouble;
use super::{Call, Reply};
use crate::registry::SocketId;

/// How calls are written down for one Redis.
#[derive(Debug, Clone)]
pub(super) struct Calls {
    pub(super) names: Names,
    pub(super) config: Config,
    /// The digests by which Redis knows the scripts.
    pub(super) sync: String,
    pub(super) remove: String,
}

/// What this node says of itself when it renews its lease.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    /// Beside the lease.
    pub(super) status: String,
    /// To itself, over the connection for messages.
    pub(super) echo: u64,
}

/// What a call looks for in the answers to its commands.
#[derive(Debug)]
pub(super) enum Expected {
    Done(usize),
    /// The first of three says it.
    Held,
    Synced,
    Users,
    Reaped,
}

impl Calls {
    /// Appends the commands of a call. Those that are no commands of this connection have none.
    pub(super) fn write(&self, call: &Call, said: &Said, pipeline: &mut Pipeline) -> Expected {
        let names = &self.names;
        let mut add = |command: Cmd| {
            pipeline.add_command(command);
        };
        match call {
            Call::Renew { node, ttl } => {
                add(set(&names.lease(*node), &said.status, *ttl, "XX"));
                add(self.list(*node));
                add(publish(&names.channel(*node), &Message::Echo(said.echo).encode()));
                Expected::Held
            }
            Call::AddUser { node, user, seq } => {
                add(cmd("ZADD").arg(names.users(*node)).arg("GT").arg(*seq).arg(&**user).take());
                Expected::Done(1)
            }
            Call::RemoveUser { node, user, seq } => {
                // Lua's numbers do not reach so far.
                let seq = if *seq == u64::MAX { "inf".to_owned() } else { seq.to_string() };
                add(self.remove_user(*node, user, &seq));
                Expected::Done(1)
            }
            Call::Sync(sync) => {
                add(self.sync(sync));
                Expected::Synced
            }
            Call::Reap { node, user } => {
                add(self.reap(*node, user));
                Expected::Reaped
            }
            Call::Publish { to, user, revision, list } => {
                let message = Message::changed(user, *revision, list).encode();
                to.iter().for_each(|node| add(publish(&names.channel(*node), &message)));
                Expected::Done(to.len())
            }
            Call::Announce(message) => {
                add(publish(&names.common_channel(), &Message::Agreement(message.clone()).encode()));
                Expected::Done(1)
            }
            Call::UsersOf { node, cursor } => {
                add(cmd("ZSCAN").arg(names.users(*node)).arg(*cursor).arg("COUNT").arg(USERS_A_PAGE).take());
                Expected::Users
            }
            Call::Forget { node } => {
                add(cmd("SREM").arg(names.nodes()).arg(node_text(*node)).take());
                Expected::Done(1)
            }
            Call::Claim { .. } | Call::Nodes | Call::Subscribe { .. } => Expected::Done(0),
        }
    }

    /// Takes a lease that nobody has.
    pub(super) fn claim(&self, node: NodeId, status: &str, ttl: Duration) -> Cmd {
        set(&self.names.lease(node), status, ttl, "NX")
    }

    /// Puts a node into the table.
    pub(super) fn list(&self, node: NodeId) -> Cmd {
        cmd("SADD").arg(self.names.nodes()).arg(node_text(node)).take()
    }

    /// Reads a user's list.
    pub(super) fn read(&self, user: &str) -> Cmd {
        self.script(user, script::read_args(None, &self.config))
    }

    fn sync(&self, sync: &Sync<Arc<str>, SocketId, Bytes>) -> Cmd {
        self.script(&sync.user, script::sync_args(sync, &self.config, self))
    }

    fn reap(&self, node: NodeId, user: &str) -> Cmd {
        self.script(user, script::read_args(Some(node_text(node).as_bytes()), &self.config))
    }

    fn script(&self, user: &str, args: Vec<Vec<u8>>) -> Cmd {
        let [sessions, meta] = self.names.user(user);
        cmd("EVALSHA").arg(&self.sync).arg(2).arg(sessions).arg(meta).arg(args).take()
    }

    fn remove_user(&self, node: NodeId, user: &str, seq: &str) -> Cmd {
        cmd("EVALSHA").arg(&self.remove).arg(1).arg(self.names.users(node)).arg(user).arg(seq).take()
    }
}

impl script::Write<SocketId, Bytes> for Calls {
    fn node(&self, node: NodeId) -> Vec<u8> {
        node_text(node).into_bytes()
    }

    fn session(&self, session: &SocketId) -> Vec<u8> {
        session.as_str().as_bytes().to_vec()
    }

    fn item(&self, item: &Bytes) -> Vec<u8> {
        item.to_vec()
    }
}

impl Expected {
    /// How many answers there are.
    pub(super) fn commands(&self) -> usize {
        match self {
            Self::Done(commands) => *commands,
            Self::Held => 3,
            Self::Synced | Self::Users | Self::Reaped => 1,
        }
    }

    /// The reply that stands in the answers.
    pub(super) fn read(&self, answers: &[Result<Value, Trouble>]) -> Result<Reply, Failed> {
        let mut values = Vec::with_capacity(answers.len());
        for answer in answers {
            values.push(answer.as_ref().map_err(Trouble::failed)?);
        }
        let reply = match (self, &values[..]) {
            (Self::Done(_), _) => Some(Reply::Done),
            // `SET` with a condition that does not hold says nil.
            (Self::Held, [set, ..]) => Some(Reply::Held(**set != Value::Nil)),
            (Self::Synced, [answer]) => synced(answer).map(Reply::Synced),
            (Self::Users, [answer]) => users(answer),
            (Self::Reaped, [answer]) => synced(answer).map(reaped),
            (Self::Held | Self::Synced | Self::Users | Self::Reaped, _) => None,
        };
        reply.ok_or(Failed::Error)
    }
}

/// What a script has given; `None` when it is nothing that this release knows.
pub(super) fn synced(answer: &Value) -> Option<Synced<SocketId, Bytes>> {
    let [before, revision, is_stale, list, refused, ended, owners, rest @ ..] = array(answer)? else {
        return None;
    };
    let pairs = |of: &Value| -> Option<Vec<(SocketId, Bytes)>> {
        let (pairs, []) = array(of)?.as_chunks::<2>() else { return None };
        Some(pairs.iter().filter_map(|[id, value]| Some((socket_id(id)?, bytes(value)?))).collect())
    };
    let entries = |of: &Value| -> Option<Vec<Entry<SocketId, Bytes>>> {
        Some(pairs(of)?.into_iter().filter_map(|(session, value)| entry(session, &value)).collect())
    };
    Some(Synced {
        before: number(before)?,
        revision: number(revision)?,
        is_stale: text(is_stale)? == "1",
        list: entries(list)?,
        refused: array(refused)?.iter().filter_map(socket_id).collect(),
        ended: pairs(ended)?.into_iter().map(|(session, why)| (session, Why::of_word(&why))).collect(),
        owners: array(owners)?.iter().filter_map(|node| parse_node(text(node)?)).collect(),
        lost: match rest.first() {
            Some(lost) => entries(lost)?,
            None => Vec::new(),
        },
    })
}

/// `<node> <seq> <order> <login> <item>`.
fn entry(session: SocketId, value: &Bytes) -> Option<Entry<SocketId, Bytes>> {
    let mut words = value.splitn(5, |byte| *byte == b' ');
    let mut word = || std::str::from_utf8(words.next()?).ok();
    let (node, _seq, order, login) = (word()?, word()?, word()?, word()?);
    let login = Login(login.into());
    let (node, order) = (parse_node(node)?, order.parse().ok()?);
    let item = value.slice_ref(words.next()?);
    Some(Entry { session, node, order, login, item })
}

fn reaped(synced: Synced<SocketId, Bytes>) -> Reply {
    // Also when nothing has been dropped: whoever has dropped it may have died before it told them.
    let listed = synced.list.iter().map(|entry| entry.node);
    let mut holders: Vec<NodeId> = listed.chain(synced.owners).collect();
    holders.sort_unstable();
    holders.dedup();
    Reply::Reaped { revision: synced.revision, holders, lost: synced.lost }
}

fn users(answer: &Value) -> Option<Reply> {
    let [cursor, page] = array(answer)? else { return None };
    // Members, each with its score.
    let users = array(page)?.chunks(2).filter_map(|pair| text(pair.first()?).map(Arc::from)).collect();
    Some(Reply::Users(users, number(cursor)?))
}

fn set(key: &str, value: &str, ttl: Duration, only_if: &str) -> Cmd {
    cmd("SET").arg(key).arg(value).arg(only_if).arg("PX").arg(millis(ttl)).take()
}

pub(super) fn publish(channel: &str, message: &[u8]) -> Cmd {
    cmd("PUBLISH").arg(channel).arg(message).take()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn array(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(values) | Value::Set(values) => Some(values),
        _ => None,
    }
}

pub(super) fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

fn bytes(value: &Value) -> Option<Bytes> {
    match value {
        Value::BulkString(bytes) => Some(Bytes::copy_from_slice(bytes)),
        _ => None,
    }
}

pub(super) fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        value => text(value)?.parse().ok(),
    }
}

fn socket_id(value: &Value) -> Option<SocketId> {
    SocketId::parse(text(value)?)
}

/// Users that one look at a node's set gives: so few that Redis is not held up.
const USERS_A_PAGE: u32 = 500;
