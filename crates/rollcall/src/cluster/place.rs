//! The Redis where nodes meet, one server or a Redis Cluster, and connections to it. Does not know: what is asked of it.

use std::time::Duration;

use futures_util::future::join_all;
use reconcile::Failed;
use redis::aio::{ConnectionLike, MultiplexedConnection, PubSub};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, IntoConnectionInfo, Pipeline, RedisError, ServerErrorKind,
    Value,
};

use crate::config::RedisUrl;

/// Where Redis is.
#[derive(Clone)]
pub(super) enum Place {
    /// One server.
    One(Box<Client>),
    /// A Redis Cluster, and the servers of it that are configured.
    Many(Box<ClusterClient>, Vec<Client>),
}

/// A connection for calls.
#[derive(Clone)]
pub(super) enum Connection {
    One(MultiplexedConnection),
    Many(ClusterConnection),
}

/// Why a command has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Redis said no; the connection is as good as before.
    Refused(String),
    /// Redis said no, as it is not, or no more, the server that takes writes: another one may be behind the address by now.
    Demoted(String),
    /// It did not answer in time.
    Slow,
    /// The connection cannot be used any more.
    Broken(String),
}

impl Place {
    /// What is not acknowledged within `patience` is not to be done any more: another node may have been told otherwise.
    ///
    /// # Errors
    /// The URL cannot be understood.
    pub(super) fn new(url: &RedisUrl, patience: Duration) -> Result<Self, RedisError> {
        let tcp = TcpSettings::default().set_nodelay(true).set_user_timeout(patience);
        let mut servers = Vec::new();
        for address in url.addresses() {
            servers.push(address.into_connection_info()?.set_tcp_settings(tcp.clone()));
        }
        let clients: Result<Vec<Client>, RedisError> = servers.iter().cloned().map(Client::open).collect();
        let mut clients = clients?;
        if url.is_cluster() {
            let cluster = ClusterClient::builder(servers)
                .connection_timeout(CALL_TIMEOUT)
                .response_timeout(CALL_TIMEOUT)
                .retries(1)
                .tcp_settings(tcp)
                .build()?;
            return Ok(Self::Many(Box::new(cluster), clients));
        }
        // An address is always there: the configuration was judged.
        let none = || RedisError::from((ErrorKind::InvalidClientConfig, "no address"));
        clients.pop().map(|client| Self::One(Box::new(client))).ok_or_else(none)
    }

    /// Channels know no databases, so their names do; a cluster has one only.
    pub(super) fn database(&self) -> i64 {
        match self {
            Self::One(client) => client.get_connection_info().redis_settings().db(),
            Self::Many(..) => 0,
        }
    }

    pub(super) fn is_cluster(&self) -> bool {
        matches!(self, Self::Many(..))
    }

    /// Connects for calls.
    ///
    /// # Errors
    /// What Redis, or the way to it, says.
    pub(super) async fn connect(&self) -> Result<Connection, RedisError> {
        match self {
            Self::One(client) => {
                let settings = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(CALL_TIMEOUT))
                    .set_response_timeout(Some(CALL_TIMEOUT))
                    .set_pipeline_buffer_size(BATCHES);
                let connection = client.get_multiplexed_async_connection_with_config(&settings).await?;
                Ok(Connection::One(connection))
            }
            Self::Many(cluster, _) => {
                let connected = within(CONNECT_TIMEOUT, cluster.get_async_connection()).await?;
                Ok(Connection::Many(connected))
            }
        }
    }

    /// Connects for messages. In a cluster each server hears what is said to any.
    ///
    /// # Errors
    /// What Redis, or the way to it, says; of a cluster, what the last server that was tried does.
    pub(super) async fn listen(&self) -> Result<PubSub, RedisError> {
        let (first, others) = match self {
            Self::One(client) => (&**client, &[][..]),
            Self::Many(_, clients) => match &clients[..] {
                [first, others @ ..] => (first, others),
                [] => return Err((ErrorKind::InvalidClientConfig, "no address").into()),
            },
        };
        let mut found = within(CONNECT_TIMEOUT, first.get_async_pubsub()).await;
        for client in others {
            if found.is_ok() {
                break;
            }
            found = within(CONNECT_TIMEOUT, client.get_async_pubsub()).await;
        }
        found
    }
}

impl Connection {
    /// The answers to the commands of a pipeline, `count` of them.
    ///
    /// # Errors
    /// None of them is known.
    pub(super) async fn send(
        &mut self,
        pipeline: &Pipeline,
        count: usize,
    ) -> Result<Vec<Result<Value, Trouble>>, Trouble> {
        match self {
            Self::One(connection) => {
                let values = connection.req_packed_commands(pipeline, 0, count).await;
                let values = values.map_err(|error| Trouble::of(&error))?;
                Ok(values.into_iter().map(answer).collect())
            }
            // Each goes to the server that has its key; only those to one server keep their order.
            Self::Many(connection) => {
                let ask = |command: &redis::Cmd| {
                    let (mut connection, command) = (connection.clone(), command.clone());
                    async move { connection.req_packed_command(&command).await }
                };
                let values = join_all(pipeline.cmd_iter().map(ask)).await;
                Ok(values
                    .into_iter()
                    .map(|value| value.map_err(|error| Trouble::of(&error)).and_then(answer))
                    .collect())
            }
        }
    }
}

impl Trouble {
    /// What it means for the call.
    pub(super) fn failed(&self) -> Failed {
        match self {
            Self::Refused(_) | Self::Demoted(_) => Failed::Error,
            Self::Slow | Self::Broken(_) => Failed::NoAnswer,
        }
    }

    fn of(error: &RedisError) -> Self {
        match error.kind() {
            // Somebody has made Redis forget the scripts, or it is another one: whoever connects makes them known.
            ErrorKind::Server(ServerErrorKind::NoScript) => Self::Broken(error.to_string()),
            ErrorKind::Server(
                ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown | ServerErrorKind::BusyLoading,
            ) => Self::Demoted(error.to_string()),
            ErrorKind::Server(_) | ErrorKind::Extension => Self::Refused(error.to_string()),
            _ if error.is_timeout() => Self::Slow,
            _ => Self::Broken(error.to_string()),
        }
    }
}

fn answer(value: Value) -> Result<Value, Trouble> {
    match value {
        Value::ServerError(error) => Err(Trouble::of(&error.into())),
        value => Ok(value),
    }
}

/// Awaits what may take for ever.
pub(super) async fn within<T>(
    patience: Duration,
    work: impl Future<Output = Result<T, RedisError>>,
) -> Result<T, RedisError> {
    match tokio::time::timeout(patience, work).await {
        Ok(done) => done,
        Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
    }
}

/// Redis answers in less than a millisecond; what takes longer than this is as good as away.
const CALL_TIMEOUT: Duration = Duration::from_secs(1);
/// A handshake with TLS, or those with all servers of a cluster.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Batches that may wait to be written: many more than calls may be in flight.
const BATCHES: usize = 1024;
