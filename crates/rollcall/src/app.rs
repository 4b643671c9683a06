//! What the whole server shares, opened once. Does not know: sockets and routes, which are handed it.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use engineio::server::spawn;
use tokio::sync::{Mutex, Notify};

use crate::accounts::{Accounts, HashError, Hasher};
use crate::admin::Admin;
use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::config::Config;
use crate::gateway::presence::Presence;
use crate::history::History;
use crate::http::ClientAddresses;
use crate::identity::{Identity, IssuerId, KeyError, Keys};
use crate::ids;
use crate::lifecycle::Lifecycle;
use crate::overload::{Limit, Overload, descriptors};
use crate::store::{Forgotten, Keep, OpenError, StorageError, Store, SuccessorKeys};
use crate::telemetry::host::Host;
use crate::telemetry::metrics::Metrics;
use crate::tls::{Tls, TlsError};
use crate::webhooks;

/// One server's parts.
pub struct App {
    /// As it was loaded.
    pub config: Config,
    /// Both times.
    pub clock: Clock,
    /// Judges tokens.
    pub identity: Identity,
    /// What survives.
    pub store: Store,
    /// The built-in accounts.
    pub accounts: Accounts,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Who is there.
    pub presence: Presence,
    /// What the process holds in all.
    pub overload: Arc<Overload>,
    /// Who was there, on its way to the database.
    pub(crate) history: Arc<History>,
    /// The other nodes, when there may be some.
    pub cluster: Option<Arc<Cluster>>,
    /// How far the revocations that were written down are known here.
    pub(crate) revocations_seen: Mutex<u64>,
    /// The database has news.
    look: Notify,
    /// Starting, serving or draining.
    pub lifecycle: Lifecycle,
    /// Whose address a request comes from.
    pub client_addresses: ClientAddresses,
    /// What listeners that speak TLS do it with.
    pub tls: Option<Arc<Tls>>,
    /// Where this process runs.
    pub host: Host,
    /// Who looks at all sockets, if that is configured.
    pub(crate) admin: Option<Arc<Admin>>,
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
    /// The password hasher could not start.
    #[error("the password hasher could not start: {0}")]
    Hasher(#[from] HashError),
    /// The certificate or its key.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address of Redis.
    #[error("registry.redis_url: {0}")]
    Redis(#[from] redis::RedisError),
    /// What is revoked could not be read, so nobody knows who may in.
    #[error("the revocations cannot be read: {0}")]
    Revocations(StorageError),
}

impl App {
    /// Opens the database and the keys. Makes the data folder if it is not there; binds no port.
    pub async fn open(config: Config, clock: Clock) -> Result<Arc<Self>, StartError> {
        let tls = Tls::open(&config.http)?.map(Arc::new);
        let identity = open_identity(&config)?;
        let store = Store::open(&config, issuer_names(&identity)).await?;
        let metrics = Arc::new(Metrics::new());
        let hasher = Hasher::new(config.accounts.hash_queue).await?;
        let hasher = hasher.counting(metrics.limits.refusals(Limit::HashQueue));
        let successors = SuccessorKeys::new(identity.refresh_keys());
        let accounts = Accounts::new(&config, store.clone(), hasher, successors, clock.clone());
        let cluster = match &config.registry.redis_url {
            Some(url) => Some(Arc::new(Cluster::new(&config, url)?)),
            None => None,
        };
        let history = Arc::new(History::new(&config, clock.clone(), metrics.clone()));
        let changes = cluster.as_ref().map(|cluster| cluster.changes().clone());
        let overload = Arc::new(Overload::new(&config.limits));
        let waiting = overload.waiting.clone();
        let app = Self {
            identity,
            store,
            accounts,
            presence: Presence::new(
                &config.limits,
                clock.clone(),
                metrics.clone(),
                waiting,
                history.clone(),
                changes,
            ),
            overload,
            history,
            cluster,
            metrics,
            revocations_seen: Mutex::new(0),
            look: Notify::new(),
            lifecycle: Lifecycle::new(),
            tls,
            host: Host::this(&clock),
            admin: Admin::new(&config, clock.now()).map(Arc::new),
            client_addresses: ClientAddresses::new(config.http.trusted_proxies.clone(), config.privacy.ip),
            node_tag: config.http.node_tag.as_ref().map_or_else(ids::node_tag, |tag| tag.as_str().to_owned()),
            config,
            clock,
        };
        // Before anybody is let in.
        app.obey_new_revocations().await.map_err(StartError::Revocations)?;
        Ok(Arc::new(app))
    }

    /// What runs beside the sockets, for ever: the looks at the database, the issuers' keys, what is written down
    /// of sessions, webhooks. To be polled by somebody; drop
    /// it to end it.
    pub async fn watch(&self) {
        tokio::join!(
            self.watch_database(),
            self.forget_what_is_over(),
            self.identity.keep_keys(&self.clock),
            self.history.watch(&self.store),
            webhooks::deliver(self),
            self.watch_certificate(),
        );
    }

    async fn watch_certificate(&self) {
        if let Some(tls) = &self.tls {
            tls.clone().watch(&self.clock, &self.metrics).await;
        }
    }

    async fn watch_database(&self) {
        loop {
            let looked = self.clock.now();
            self.store.health().look(&self.clock).await;
            self.metrics.set_database_up(self.store.health().away_since().is_none());
            // While it is away what is known goes on to be true; that it is away was logged.
            if self.store.health().away_since().is_none()
                && let Err(error) = self.catch_up().await
            {
                tracing::warn!(%error, "what other processes have written could not be read");
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
                () = async {
                    self.look.notified().await;
                    tokio::time::sleep_until((looked + LOOK_PAUSE).into()).await;
                } => {}
            }
        }
    }

    /// Another node says that the database has news.
    pub(crate) fn look_soon(&self) {
        self.look.notify_one();
    }

    /// Tells the other nodes that the database has news.
    pub(crate) fn have_others_look(&self) {
        if let Some(cluster) = self.cluster.clone() {
            spawn(async move { cluster.have_others_look().await });
        }
    }

    /// Learns what other processes have written: revocations, API keys, who has named a device.
    pub async fn catch_up(&self) -> Result<(), StorageError> {
        self.obey_new_revocations().await?;
        self.store.catch_up().await
    }

    async fn forget_what_is_over(&self) {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let keep = Keep {
            audit: u64::from(self.config.audit.keep_days.get()) * 24 * 3600 * 1000,
            first_seen: millis(self.config.identity.max_token_ttl),
            history: u64::from(self.config.history.keep_days) * 24 * 3600 * 1000,
        };
        loop {
            self.identity.revocations().forget_expired(self.clock.unix_seconds());
            match self.store.forget_expired(self.clock.unix_millis(), keep).await {
                Ok(Forgotten { rows: 0, .. }) => {}
                Ok(Forgotten { rows, owed }) => {
                    self.metrics.webhooks.dropped(owed);
                    tracing::debug!(rows, owed, "forgot what is over");
                }
                Err(error) => tracing::debug!(%error, "what is over could not be forgotten yet"),
            }
            // Nodes that were started together do not all come at once.
            let longest = HOUSEKEEPING_INTERVAL + HOUSEKEEPING_INTERVAL / 2;
            tokio::time::sleep(ids::duration_between(HOUSEKEEPING_INTERVAL, longest)).await;
        }
    }

    /// Brings what the metrics say of the limits up to date.
    pub(crate) fn measure_limits(&self) {
        let (overload, limits) = (&self.overload, &self.metrics.limits);
        limits.set(Limit::ConnectionsPerAddress, None, overload.per_address().into());
        limits.set(Limit::Handshakes, Some(overload.handshakes()), overload.handshakes_max() as u64);
        limits.set(Limit::MailboxesTotal, Some(overload.waiting.used()), overload.waiting.max() as u64);
        limits.set(
            Limit::IncompleteTotal,
            Some(overload.incomplete.used()),
            overload.incomplete.max() as u64,
        );
        limits.set(Limit::Descriptors, None, descriptors::max());
        let (hashes, hashes_max) = self.accounts.hash_load();
        limits.set(Limit::HashQueue, Some(hashes), hashes_max as u64);
    }

    /// Whether new connects are to be refused as `unavailable`: the database has been away for too long.
    pub fn is_unavailable(&self) -> bool {
        let patience = self.config.database.unavailable_after;
        self.store.health().is_away_for(self.clock.now(), patience)
    }
}

/// The keys and rules alone, for commands that need no database. Makes the data folder.
pub fn open_identity(config: &Config) -> Result<Identity, StartError> {
    make_data_dir(config)?;
    Ok(Identity::new(&config.identity, Keys::open(&config.identity, &config.data_dir)?))
}

/// A new folder is for its owner only, one that exists is left as somebody made it.
pub fn make_data_dir(config: &Config) -> Result<(), StartError> {
    let path = &config.data_dir;
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|problem| StartError::DataDir { path: path.clone(), problem })
}

/// The names of all issuer entries, by their id, as [`Store::open`] wants them.
pub fn issuer_names(identity: &Identity) -> Vec<Box<str>> {
    let names = (0..=u16::MAX).map_while(|id| identity.issuer_name(IssuerId(id)));
    names.map(Box::from).collect()
}

/// Between two looks at the database: API keys and revocations of other processes are obeyed within a few seconds.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// The same when other nodes have news: what they write in one moment is read in one go.
const LOOK_PAUSE: Duration = Duration::from_millis(50);
/// Between two rounds of deleting what is over.
const HOUSEKEEPING_INTERVAL: Duration = Duration::from_secs(600);

impl std::fmt::Debug for App {
    /// It holds keys, which appear in no log.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("App(…)")
    }
}
