//! What the whole server shares, opened once. Does not know: sockets and routes, which are handed it.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::accounts::{Accounts, OpenError};
use crate::clock::Clock;
use crate::config::Config;
use crate::http::ClientAddresses;
use crate::identity::{Identity, KeyError, Keys};
use crate::ids;
use crate::lifecycle::Lifecycle;
use crate::telemetry::metrics::Metrics;

/// One server's parts.
pub struct App {
    /// As it was loaded.
    pub config: Config,
    /// Both times.
    pub clock: Clock,
    /// Judges tokens.
    pub identity: Identity,
    /// The built-in accounts.
    pub accounts: Accounts,
    /// What is counted.
    pub metrics: Metrics,
    /// Starting, serving or draining.
    pub lifecycle: Lifecycle,
    /// Whose address a request comes from.
    pub client_addresses: ClientAddresses,
    /// First part of every Engine.IO `sid`: configured, or made now.
    pub node_tag: String,
}

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be made.
    #[error("data_dir {path}: {problem}")]
    DataDir {
        /// As it is configured.
        path: PathBuf,
        /// What the system said.
        problem: io::Error,
    },
    /// The database.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// The token secret.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl App {
    /// Opens the database and the keys. Makes the data folder if it is not there; binds no port.
    pub async fn open(config: Config, clock: Clock) -> Result<Arc<Self>, StartError> {
        let identity = open_identity(&config)?;
        let accounts = Accounts::open(&config, clock.clone()).await?;
        Ok(Arc::new(Self {
            identity,
            accounts,
            metrics: Metrics::new(),
            lifecycle: Lifecycle::new(),
            client_addresses: ClientAddresses::new(config.http.trusted_proxies.clone()),
            node_tag: config.http.node_tag.as_ref().map_or_else(ids::node_tag, |tag| tag.as_str().to_owned()),
            config,
            clock,
        }))
    }

    /// What runs beside the sockets, for ever: the look at the database. To be polled by somebody; drop it to end it.
    pub async fn watch(&self) {
        self.accounts.health().watch(&self.clock).await;
    }

    /// Whether new connects are to be refused as `unavailable`: the database has been away for too long.
    pub fn is_unavailable(&self) -> bool {
        let patience = self.config.database.unavailable_after;
        self.accounts.health().is_away_for(self.clock.now(), patience)
    }
}

/// The keys and rules alone, for commands that need no database. Makes the data folder: a new one is for its owner
/// only, one that exists is left as somebody made it.
pub fn open_identity(config: &Config) -> Result<Identity, StartError> {
    let path = &config.data_dir;
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|problem| StartError::DataDir { path: path.clone(), problem })?;
    Ok(Identity::new(&config.identity, Keys::open(&config.identity, path)?))
}

impl std::fmt::Debug for App {
    /// It holds keys, which appear in no log.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("App(…)")
    }
}
