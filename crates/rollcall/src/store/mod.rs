//! What must survive a restart, in SQL: accounts, logins, revocations, names of devices, API keys, the audit, sessions
//! that have ended and what webhooks are owed. One implementation for SQLite and PostgreSQL; where the two differ stands in `connect`.
//!
//! Everything that changes something is one transaction and on the disk when its answer comes. Times are milliseconds
//! since the epoch and come in as `now`. Does not know: HTTP, sockets, passwords, who asks.

mod connect;
mod health;
mod sqlite;

mod accounts;
mod refresh_token;
mod logins;
mod revocations;
mod first_seen;
mod labels;
mod api_keys;
mod erase;
mod backup;
mod examine;

mod audit;
mod history;
mod outbox;
mod owed;
mod rows;
mod texts;
mod housekeeping;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use sqlx::{Any, AnyPool, Transaction};

pub use accounts::{AccountRow, NewAccountRow};
pub use api_keys::{ApiKey, ApiKeyRow, KeyScope, KeyScopes};
pub use audit::{Action, Actor, Asker, Audit, AuditFilter, AuditRow};
pub use backup::{BackupError, backup};
pub use connect::{OpenError, migrate};
pub use erase::PasswordChange;
pub use examine::{DatabaseFacts, PostgresFacts, examine};

pub use health::Health;
pub use history::{EndReason, EndedRow, Noted, SessionEnd, SessionNote, Unrecorded};
pub use housekeeping::{Forgotten, Keep};
pub use labels::Label;
pub use logins::{LoginTimes, NewLogin, Refreshed};
pub use owed::{Debt, OWED_MAX, Outcome, Owed};
pub use refresh_token::{RefreshToken, SuccessorKeys};
pub use revocations::LogoutToken;

use crate::config::Config;
use crate::identity::{IssuerId, Revocation};

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    pool: AnyPool,
    kind: Kind,
    health: Health,
    /// By [`IssuerId`]: what an entry is called in SQL, where places would move.
    issuers: Vec<Box<str>>,
    /// Seconds by which clocks may differ.
    leeway: u64,
    api_keys: api_keys::Known,
    labels: labels::Labelled,
    seen: first_seen::Seen,
    receivers: outbox::Receivers,
}

/// Which database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Sqlite,
    Postgres,
}

/// A user as the rest of the program names one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct User<'a> {
    /// Whose subject it is.
    pub issuer: IssuerId,
    /// `sub`, or whatever claim the entry says.
    pub subject: &'a str,
}

impl<'a> User<'a> {
    /// Whom a revocation means, when it says so.
    pub fn of(revocation: &'a Revocation) -> Option<Self> {
        match revocation {
            Revocation::Login { issuer, subject, .. } => {
                subject.as_deref().map(|subject| Self { issuer: *issuer, subject })
            }
            Revocation::User { issuer, subject, .. } | Revocation::Nameless { issuer, subject, .. } => {
                Some(Self { issuer: *issuer, subject })
            }
            Revocation::Everyone { .. } => None,
        }
    }
}

/// The database did not do it: nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// It said so, or could not be reached.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// It has not answered.
    #[error("no answer within {} s", OPERATION_TIMEOUT.as_secs())]
    Slow,
    /// It is a copy that follows another one, or somebody has closed it for writes.
    #[error("it takes no writes just now")]
    ReadOnly,
    /// Its file cannot be found any more, or looked at.
    #[error("its file: {0}")]
    FileGone(std::io::Error),
    /// Its file was replaced by another one: what is written to the old one is lost with the process.
    #[error("its file was replaced by another one; restart to use that")]
    FileReplaced,
    /// A text that no column takes: too long, or with a NUL in it. Callers check before; this is the last line.
    #[error("{0} is too long or has a NUL in it")]
    Unstorable(&'static str),
    /// What is stored cannot be what was written.
    #[error("a row of {0} cannot be read")]
    Damaged(&'static str),
}

impl Store {
    /// Opens, and makes and migrates where that is allowed. `issuers` are the names of the issuer entries by their
    /// [`IssuerId`], the built-in one first.
    pub async fn open(config: &Config, issuers: Vec<Box<str>>) -> Result<Self, OpenError> {
        let (pool, kind, file) = connect::open(config).await?;
        let store = Self {
            shared: Arc::new(Shared {
                health: Health::new(pool.clone(), kind, file),
                pool,
                kind,
                issuers,
                leeway: config.identity.leeway.as_secs(),
                api_keys: api_keys::Known::default(),
                labels: labels::Labelled::default(),
                seen: first_seen::Seen::default(),
                receivers: outbox::Receivers::new(&config.webhooks),
            }),
        };
        store.catch_up().await.map_err(OpenError::Read)?;
        Ok(store)
    }

    /// Learns what other processes have written since the last time: API keys and who has named a device. To be called
    /// every two seconds. Revocations have a reader of their own, who keeps them.
    pub async fn catch_up(&self) -> Result<(), StorageError> {
        self.load_api_keys().await?;
        self.load_labelled().await
    }

    /// Whether the database is there, and since when not.
    pub fn health(&self) -> &Health {
        &self.shared.health
    }

    /// What a connection promises of what it acknowledges: `synchronous` of SQLite (2: flushed to the disk at each
    /// commit), `synchronous_commit` of PostgreSQL.
    pub async fn durability(&self) -> Result<String, StorageError> {
        let question = match self.shared.kind {
            Kind::Sqlite => "SELECT CAST(synchronous AS TEXT) FROM pragma_synchronous",
            Kind::Postgres => "SELECT current_setting('synchronous_commit')",
        };
        bounded(async { Ok(sqlx::query_scalar(question).fetch_one(self.pool()).await?) }).await
    }

    /// Ends all connections; what was acknowledged is on the disk already.
    pub async fn close(&self) {
        self.shared.pool.close().await;
    }

    fn pool(&self) -> &AnyPool {
        &self.shared.pool
    }

    /// A transaction that may write. SQLite takes the writer's lock at once: two that read first and write then would
    /// both have to give up.
    async fn begin(&self) -> Result<Transaction<'static, Any>, StorageError> {
        Ok(match self.shared.kind {
            Kind::Sqlite => {
                self.shared.health.check_file()?;
                self.pool().begin_with("BEGIN IMMEDIATE").await?
            }
            Kind::Postgres => self.pool().begin().await?,
        })
    }

    fn leeway(&self) -> u64 {
        self.shared.leeway
    }

    /// What an entry is called in SQL; one that is not configured has no name and no rows.
    fn issuer_name(&self, id: IssuerId) -> &str {
        self.shared.issuers.get(usize::from(id.0)).map_or("", |name| name)
    }

    fn issuer_id(&self, name: &str) -> Option<IssuerId> {
        let place = self.shared.issuers.iter().position(|known| **known == *name)?;
        u16::try_from(place).ok().map(IssuerId)
    }
}

/// Nobody waits longer than this for the database, whatever it or the network to it does.
async fn bounded<T>(work: impl Future<Output = Result<T, StorageError>>) -> Result<T, StorageError> {
    tokio::time::timeout(OPERATION_TIMEOUT, work).await.unwrap_or(Err(StorageError::Slow))
}

/// SQL counts with signs.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Longer than each of the waits inside: for a connection, for a lock, for a statement.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(10);

impl std::fmt::Debug for Store {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Store({:?})", self.shared.kind)
    }
}
