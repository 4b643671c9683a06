//! The connection to Redis on which calls are made: those of one moment leave together and in their order, and each has an
//! answer in time. Does not know: what the calls are for.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use reconcile::{CallId, Config, Failed, NodeId, script};
use redis::{Cmd, ErrorKind, Pipeline, RedisError, Value, cmd};

use super::calls::{Calls, Said, array, publish, text};
use super::names::{Names, parse_node};
use super::place::{Connection, Place, Trouble};
use super::status::{self, NodeRow};
use super::{Call, Reply};

/// A connection that is open.
#[derive(Clone)]
pub(super) struct Link {
    connection: Connection,
    calls: Arc<Calls>,
}

/// What has become of the calls of one moment.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) replies: Vec<(CallId, Result<Reply, Failed>)>,
    /// What Redis, or the way to it, has said against one of them.
    pub(super) trouble: Option<Trouble>,
    /// What this node has said to itself with them, and ought to have heard.
    pub(super) echo: Option<u64>,
}

impl Link {
    /// Connects and makes the scripts known. Gives the run of the Redis that is there, by which a restart is noticed.
    ///
    /// # Errors
    /// What Redis, or the way to it, says.
    pub(super) async fn open(place: &Place, names: Names, config: Config) -> Result<(Self, u64), RedisError> {
        let mut connection = place.connect().await?;
        let mut setup = redis::pipe();
        setup.cmd("SCRIPT").arg("LOAD").arg(script::SYNC);
        setup.cmd("SCRIPT").arg("LOAD").arg(script::REMOVE);
        setup.cmd("INFO").arg("server");
        let mut answers = Vec::new();
        for answer in connection.send(&setup, 3).await.map_err(refused)? {
            answers.push(answer.map_err(refused)?);
        }
        let [sync, remove, info] = &answers[..] else { return Err(refused(Trouble::Slow)) };
        let digest = |answer: &Value| text(answer).unwrap_or_default().to_owned();
        let calls = Arc::new(Calls { names, config, sync: digest(sync), remove: digest(remove) });
        Ok((Self { connection, calls }, run_number(info)))
    }

    /// Makes calls, in their order. What is returned has to be polled at once: with the first poll they are on their way,
    /// before those of any later one.
    pub(super) fn make(
        &self,
        calls: Vec<(CallId, Call)>,
        said: Said,
    ) -> impl Future<Output = Answered> + Send + use<> {
        let mut link = self.clone();
        // tokio would have a busy task wait its turn, and calls would overtake others.
        tokio::task::unconstrained(async move {
            let mut pipeline = Pipeline::new();
            let mut expected = Vec::with_capacity(calls.len());
            for (id, call) in calls {
                expected.push((id, link.calls.write(&call, &said, &mut pipeline)));
            }
            let count = expected.iter().map(|(_, answer)| answer.commands()).sum();
            let mut replies = Vec::with_capacity(expected.len());
            let echo = Some(said.echo).filter(|echo| *echo > 0);
            let trouble = match link.send(&pipeline, count).await {
                Ok(answers) => {
                    let mut rest = &answers[..];
                    for (id, answer) in &expected {
                        let own = rest.split_off(..answer.commands().min(rest.len()));
                        replies.push((*id, answer.read(own.unwrap_or_default())));
                    }
                    worst(answers)
                }
                Err(trouble) => {
                    replies.extend(expected.iter().map(|(id, _)| (*id, Err(trouble.failed()))));
                    Some(trouble)
                }
            };
            Answered { replies, trouble, echo }
        })
    }

    /// Claims a lease, and then puts the node into the table: in this order, or it would be taken for dead.
    pub(super) async fn claim(mut self, id: CallId, node: NodeId, ttl: Duration, status: String) -> Answered {
        let claimed = async {
            let set = self.calls.claim(node, &status, ttl);
            let is_held = self.ask(set).await? != Value::Nil;
            let list = self.calls.list(node);
            self.ask(list).await?;
            Ok(is_held)
        };
        match claimed.await {
            Ok(is_held) => {
                Answered { replies: vec![(id, Ok(Reply::Held(is_held)))], trouble: None, echo: None }
            }
            Err(trouble) => Answered {
                replies: vec![(id, Err(Trouble::failed(&trouble)))],
                trouble: Some(trouble),
                echo: None,
            },
        }
    }

    /// Reads the table of nodes, which takes two round trips.
    pub(super) async fn look(mut self, id: CallId) -> Answered {
        let (reply, trouble) = match self.nodes().await {
            Ok(nodes) => (Ok(Reply::Nodes(nodes)), None),
            Err(trouble) => (Err(trouble.failed()), Some(trouble)),
        };
        Answered { replies: vec![(id, reply)], trouble, echo: None }
    }

    /// The table of nodes, and then whether each has its lease: in this order, as it is claimed in the other one.
    async fn nodes(&mut self) -> Result<Vec<(NodeId, bool)>, Trouble> {
        let members = self.ask(cmd("SMEMBERS").arg(self.calls.names.nodes()).take()).await?;
        let members: Vec<NodeId> = array(&members)
            .ok_or_else(|| Trouble::Refused("the table of nodes is no set".to_owned()))?
            .iter()
            .filter_map(|member| parse_node(text(member)?))
            .collect();
        if members.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::new();
        for node in &members {
            pipeline.cmd("EXISTS").arg(self.calls.names.lease(*node));
        }
        let leases = self.send(&pipeline, members.len()).await?;
        members.into_iter().zip(leases).map(|(node, lease)| Ok((node, lease? == Value::Int(1)))).collect()
    }

    /// The table of nodes with all that they say of themselves.
    pub(super) async fn table(&mut self) -> Result<Vec<NodeRow>, Trouble> {
        status::read_over(&mut self.connection, &self.calls.names).await
    }

    /// One command and its answer.
    pub(super) async fn ask(&mut self, command: Cmd) -> Result<Value, Trouble> {
        let mut pipeline = Pipeline::new();
        pipeline.add_command(command);
        self.send(&pipeline, 1).await?.pop().unwrap_or(Ok(Value::Nil))
    }

    /// Several commands and their answers.
    pub(super) async fn ask_all(
        &mut self,
        commands: Vec<Cmd>,
    ) -> Result<Vec<Result<Value, Trouble>>, Trouble> {
        let (mut pipeline, count) = (Pipeline::new(), commands.len());
        commands.into_iter().for_each(|command| {
            pipeline.add_command(command);
        });
        self.send(&pipeline, count).await
    }

    /// Says something to other nodes; gives on which channels somebody was listening. A server of a Redis Cluster does not
    /// know who listens to the others: there all that are named are taken to.
    pub(super) async fn publish(
        &mut self,
        channels: &[String],
        message: &[u8],
    ) -> Result<Vec<bool>, Trouble> {
        let mut pipeline = Pipeline::new();
        for channel in channels {
            pipeline.add_command(publish(channel, message));
        }
        let answers = self.send(&pipeline, channels.len()).await?;
        let least = i64::from(!self.calls.config.is_cluster);
        let is_taken =
            |answer: &Result<Value, Trouble>| matches!(answer, Ok(Value::Int(count)) if *count >= least);
        Ok(answers.iter().map(is_taken).collect())
    }

    /// The node is gone: the others need not wait for the end of its lease.
    pub(super) async fn end_lease(&mut self, node: NodeId) -> Result<(), Trouble> {
        self.ask(cmd("DEL").arg(self.calls.names.lease(node)).take()).await.map(drop)
    }

    pub(super) fn calls(&self) -> &Calls {
        &self.calls
    }

    async fn send(
        &mut self,
        pipeline: &Pipeline,
        count: usize,
    ) -> Result<Vec<Result<Value, Trouble>>, Trouble> {
        self.connection.send(pipeline, count).await
    }
}

/// The trouble that says most about the connection.
fn worst(answers: Vec<Result<Value, Trouble>>) -> Option<Trouble> {
    let rank = |trouble: &Trouble| match trouble {
        Trouble::Refused(_) => 0,
        Trouble::Demoted(_) => 1,
        Trouble::Slow => 2,
        Trouble::Broken(_) => 3,
    };
    answers.into_iter().filter_map(Result::err).max_by_key(rank)
}

/// What a connection says that cannot be set up.
fn refused(trouble: Trouble) -> RedisError {
    match trouble {
        Trouble::Slow => std::io::Error::from(std::io::ErrorKind::TimedOut).into(),
        Trouble::Refused(why) | Trouble::Demoted(why) | Trouble::Broken(why) => {
            RedisError::from((ErrorKind::Client, "Redis cannot be used", why))
        }
    }
}

/// The random name of the run as a number: its first 16 digits are enough to tell two runs apart. Of a cluster, of all that
/// have answered.
fn run_number(info: &Value) -> u64 {
    let runs: Vec<&str> = match info {
        Value::Map(servers) => servers.iter().filter_map(|(_, info)| text(info)).collect(),
        one => text(one).into_iter().collect(),
    };
    let number = |info: &str| {
        let run = info.lines().find_map(|line| line.strip_prefix("run_id:"))?;
        u64::from_str_radix(run.get(..16)?, 16).ok()
    };
    runs.into_iter().filter_map(number).fold(0, |all, run| all ^ run)
}
