//! From the configuration to a pool of connections to a database that is up to date: all that SQLite and PostgreSQL do
//! not have in common, the health check excepted. Does not know: what is in the tables.

use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{AnyConnection, AnyPool, ConnectOptions, Connection, Executor};

use super::sqlite::{self, DatabaseFile};
use super::{Kind, StorageError};
use crate::config::{Config, DatabaseUrl};

/// The database cannot be used; it is as it was.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be made or read.
    #[error("{path}: {problem}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        problem: io::Error,
    },
    /// It does not let this program in.
    #[error("the database {database} cannot be opened: {problem}")]
    Database {
        /// Its file or its URL without the password.
        database: String,
        /// What it said.
        problem: sqlx::Error,
    },
    /// A migration failed.
    #[error("the database {database} could not be brought up to date: {problem}")]
    Migration {
        /// Its file or its URL without the password.
        database: String,
        /// What went wrong.
        problem: MigrateError,
    },
    /// A later release has changed the database in a way that this one cannot live with.
    #[error(
        "the database {database} needs a program that knows schema {readable_from}; this one knows {SCHEMA}: run the \
             newer release, or restore a backup from before it"
    )]
    TooNew {
        /// Its file or its URL without the password.
        database: String,
        /// What it asks for.
        readable_from: i64,
    },
    /// `database.migrate` is off and there is something to do.
    #[error(
        "the database {database} has schema {found} and this program needs {SCHEMA}: run `rollcall migrate`, or set \
             database.migrate = true"
    )]
    TooOld {
        /// Its file or its URL without the password.
        database: String,
        /// What it has; 0 for an empty one.
        found: i64,
    },
    /// It is open and does not give what it holds.
    #[error("the database cannot be read: {0}")]
    Read(StorageError),
}

/// A pool of connections to the configured database, which kind it is, and its file if it has one. The folder of the
/// file must exist.
pub(super) async fn open(config: &Config) -> Result<(AnyPool, Kind, Option<DatabaseFile>), OpenError> {
    let target = Target::of(config)?;
    if config.database.migrate {
        target.migrate().await?;
    } else {
        target.check().await?;
    }
    let kind = target.kind;
    let options = AnyPoolOptions::new()
        .max_connections(config.database.max_connections.get())
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(move |connection, _| Box::pin(prepare(connection, kind)))
        // After an error of the disk SQLite has rolled back by itself and refuses to do it again, and the driver counts the
        // transaction as open for ever: such a connection is closed, and another one opened.
        .before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }));
    let pool =
        options.connect_with(target.options.clone()).await.map_err(|problem| target.refused(problem))?;
    let file = match &target.path {
        Some(path) => {
            Some(DatabaseFile::at(path).map_err(|problem| OpenError::File { path: path.clone(), problem })?)
        }
        None => None,
    };
    Ok((pool, kind, file))
}

/// Brings the configured database up to date, whatever `database.migrate` says, and gives the schema that it has then.
pub async fn migrate(config: &Config) -> Result<i64, OpenError> {
    Target::of(config)?.migrate().await
}

/// A connection to the configured database, which must be there, and is neither made nor migrated.
pub(super) async fn as_it_is(config: &Config) -> Result<AnyConnection, OpenError> {
    if let Some(path) = file_of(config)
        && let Err(problem) = std::fs::metadata(&path)
    {
        return Err(OpenError::File { path, problem });
    }
    Target::of(config)?.connect().await
}

/// What a look at the database finds, which it does not change.
pub(super) struct Found {
    pub(super) kind: Kind,
    /// For people, without a password.
    pub(super) shown: String,
    /// Of the database and of the oldest program that can read it; `None` for an empty one.
    pub(super) schema: Option<(i64, i64)>,
    /// `None` while there is no file yet.
    pub(super) connection: Option<AnyConnection>,
}

/// Looks at the configured database; it is neither made nor migrated.
pub(super) async fn look(config: &Config) -> Result<Found, OpenError> {
    if let Some(path) = file_of(config)
        && let Err(problem) = std::fs::metadata(&path)
    {
        let shown = path.display().to_string();
        return match problem.kind() {
            io::ErrorKind::NotFound => {
                Ok(Found { kind: Kind::Sqlite, shown, schema: None, connection: None })
            }
            _ => Err(OpenError::File { path, problem }),
        };
    }
    let target = Target::of(config)?;
    let mut connection = target.connect().await?;
    let schema = target.schema(&mut connection).await?;
    Ok(Found { kind: target.kind, shown: target.shown, schema, connection: Some(connection) })
}

/// Of SQLite.
fn file_of(config: &Config) -> Option<PathBuf> {
    match &config.database.url {
        Some(DatabaseUrl::Postgres(_)) => None,
        Some(DatabaseUrl::Sqlite(path)) => Some(path.clone()),
        None => Some(config.data_dir.join(DATABASE_FILE)),
    }
}

/// Where the database is.
struct Target {
    kind: Kind,
    options: AnyConnectOptions,
    /// Of SQLite.
    path: Option<PathBuf>,
    /// For people, without a password.
    shown: String,
}

impl Target {
    fn of(config: &Config) -> Result<Self, OpenError> {
        sqlx::any::install_default_drivers();
        let (kind, url, path, shown) = match (&config.database.url, file_of(config)) {
            (Some(DatabaseUrl::Postgres(url)), _) => {
                (Kind::Postgres, url.expose().to_owned(), None, url.masked())
            }
            (_, path) => {
                let path = path.unwrap_or_default(); // all but PostgreSQL have one
                let explain = |problem| OpenError::File { path: path.clone(), problem };
                sqlite::make_private(&path).map_err(explain)?;
                let url = sqlite::url(&path).map_err(explain)?;
                let shown = path.display().to_string();
                (Kind::Sqlite, url, Some(path), shown)
            }
        };
        let options = AnyConnectOptions::from_str(&url);
        match options {
            // The parser would show the URL.
            Err(_) => Err(OpenError::Database {
                database: shown,
                problem: sqlx::Error::Configuration("the URL cannot be parsed".into()),
            }),
            Ok(options) => Ok(Self { kind, options, path, shown }),
        }
    }

    /// One connection for what happens before there is a pool, without the time limit of a statement.
    async fn connect(&self) -> Result<AnyConnection, OpenError> {
        let connecting = async {
            let mut connection = self.options.connect().await?;
            match self.kind {
                Kind::Sqlite => prepare(&mut connection, self.kind).await?,
                Kind::Postgres => {}
            }
            Ok(connection)
        };
        let connected = tokio::time::timeout(ACQUIRE_TIMEOUT, connecting).await;
        connected.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(|problem| self.refused(problem))
    }

    /// All or nothing: SQLite in one transaction that holds the writer's lock, PostgreSQL under an advisory lock with a
    /// transaction a step, so that of several processes that start together one does it and the others find it done.
    async fn migrate(&self) -> Result<i64, OpenError> {
        let mut connection = self.connect().await?;
        self.refuse_newer(&mut connection).await?;
        let failed = |problem| OpenError::Migration { database: self.shown.clone(), problem };
        match self.kind {
            Kind::Sqlite => {
                let begun = connection.begin_with("BEGIN IMMEDIATE").await;
                let mut transaction = begun.map_err(|problem| self.refused(problem))?;
                let done = forgiving(sqlx::migrate!("./migrations/sqlite"))
                    .run_direct(None, &mut *transaction, false)
                    .await;
                done.map_err(failed)?;
                transaction.commit().await.map_err(|problem| self.refused(problem))?;
            }
            Kind::Postgres => {
                let migrator = forgiving(sqlx::migrate!("./migrations/postgres"));
                let done = migrator.run_direct(None, &mut connection, false).await;
                done.map_err(failed)?;
            }
        }
        let found = self.schema(&mut connection).await?.map_or(0, |(schema, _)| schema);
        connection.close().await.map_err(|problem| self.refused(problem))?;
        Ok(found)
    }

    /// Whether the database is as it must be, without touching it.
    async fn check(&self) -> Result<(), OpenError> {
        let mut connection = self.connect().await?;
        self.refuse_newer(&mut connection).await?;
        let found = self.schema(&mut connection).await?.map_or(0, |(schema, _)| schema);
        connection.close().await.map_err(|problem| self.refused(problem))?;
        if found < SCHEMA {
            return Err(OpenError::TooOld { database: self.shown.clone(), found });
        }
        Ok(())
    }

    async fn refuse_newer(&self, connection: &mut AnyConnection) -> Result<(), OpenError> {
        match self.schema(connection).await? {
            Some((_, readable_from)) if readable_from > SCHEMA => {
                Err(OpenError::TooNew { database: self.shown.clone(), readable_from })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The schema of the database and the oldest program that can read it; `None` for an empty one.
    async fn schema(&self, connection: &mut AnyConnection) -> Result<Option<(i64, i64)>, OpenError> {
        let table = match self.kind {
            Kind::Sqlite => "SELECT 1 FROM sqlite_schema WHERE name = 'rollcall_schema'",
            Kind::Postgres => "SELECT 1 FROM pg_catalog.pg_class WHERE oid = to_regclass('rollcall_schema')",
        };
        let read = async {
            if sqlx::query(table).fetch_optional(&mut *connection).await?.is_none() {
                return Ok(None);
            }
            sqlx::query_as("SELECT schema, readable_from FROM rollcall_schema")
                .fetch_optional(&mut *connection)
                .await
        };
        read.await.map_err(|problem| self.refused(problem))
    }

    fn refused(&self, problem: sqlx::Error) -> OpenError {
        OpenError::Database { database: self.shown.clone(), problem }
    }
}

/// A later release may have added tables: this program does not need to know them.
fn forgiving(mut migrator: Migrator) -> Migrator {
    migrator.set_ignore_missing(true);
    migrator
}

/// What every connection of the pool promises: what was acknowledged survives a power cut, not only a crash, and nobody
/// waits for ever.
async fn prepare(connection: &mut AnyConnection, kind: Kind) -> Result<(), sqlx::Error> {
    match kind {
        Kind::Sqlite => {
            // First, so that the others wait for a lock too. Writers wait for each other this long before a 503.
            connection.execute("PRAGMA busy_timeout = 5000").await?;
            write_ahead(connection).await?;
            for pragma in ["PRAGMA synchronous = FULL", "PRAGMA foreign_keys = ON"] {
                connection.execute(pragma).await?;
            }
        }
        Kind::Postgres => {
            for setting in [
                "SET statement_timeout = '5s'",
                "SET idle_in_transaction_session_timeout = '30s'",
                // What is read behind a lock is what the one before has left, whatever the server's own setting is.
                "SET default_transaction_isolation = 'read committed'",
                // Raised where it is weaker; somebody may have asked for more, such as remote_apply.
                "SELECT set_config('synchronous_commit', 'on', false) \
                     WHERE current_setting('synchronous_commit') IN ('off', 'local')",
            ] {
                connection.execute(setting).await?;
            }
        }
    }
    Ok(())
}

/// Of several processes that open a new database at once one changes its journal, and SQLite tells the others at once that
/// it is locked, whatever they are willing to wait.
async fn write_ahead(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    let mut tries = 0;
    loop {
        match connection.execute("PRAGMA journal_mode = WAL").await {
            Err(sqlx::Error::Database(error))
                if tries < JOURNAL_TRIES && error.message().contains("locked") =>
            {
                tries += 1;
                tokio::time::sleep(JOURNAL_PAUSE).await;
            }
            done => return done.map(drop),
        }
    }
}

/// Two seconds together.
const JOURNAL_TRIES: u32 = 100;
const JOURNAL_PAUSE: Duration = Duration::from_millis(20);
/// What the newest files in `migrations/` write into `rollcall_schema`.
pub(super) const SCHEMA: i64 = 3;
const DATABASE_FILE: &str = "rollcall.db";
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
