//! Opens the SQLite file: made private, migrated, checked against the schema that this program knows.
//! Does not know: what is in the tables.

use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use super::HashError;
use crate::config::Config;

/// The database cannot be used; the file is as it was.
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
    /// SQLite does not take the file.
    #[error("the database {path} cannot be opened: {problem}")]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        problem: sqlx::Error,
    },
    /// A migration failed.
    #[error("the database {path} could not be brought up to date: {problem}")]
    Migration {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        problem: sqlx::migrate::MigrateError,
    },
    /// A later release has changed the database in a way that this one cannot live with.
    #[error(
        "the database {path} needs a program that knows schema {readable_from}; this one knows {SCHEMA}: \
             run the newer release, or restore a backup from before it"
    )]
    TooNew {
        /// The file.
        path: PathBuf,
        /// What it asks for.
        readable_from: i64,
    },
    /// `database.migrate` is off and there is something to do.
    #[error(
        "the database {path} has schema {found} and this program needs {SCHEMA}: set database.migrate = true, \
             or bring it up to date with a start that has it"
    )]
    TooOld {
        /// The file.
        path: PathBuf,
        /// What it has; 0 for an empty file.
        found: i64,
    },
    /// The password hasher could not start.
    #[error("the password hasher could not start: {0}")]
    Hasher(#[from] HashError),
}

/// A file, told from another one that later has the same name.
#[derive(Clone, Debug, PartialEq)]
pub struct DatabaseFile {
    /// Where it is.
    pub path: PathBuf,
    device: u64,
    inode: u64,
}

impl DatabaseFile {
    fn at(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Self { path: path.to_owned(), device: metadata.dev(), inode: metadata.ino() })
    }

    /// Whether the path still leads to the file that was opened: what is written to a deleted file is lost.
    pub(super) fn is_still_there(&self) -> io::Result<bool> {
        Self::at(&self.path).map(|now| now == *self)
    }
}

/// A pool of connections to the configured file, and that file. Its folder must exist.
pub async fn open(config: &Config) -> Result<(SqlitePool, DatabaseFile), OpenError> {
    let path = match &config.database.url {
        Some(url) => url.path().to_owned(),
        None => config.data_dir.join(DATABASE_FILE),
    };
    make_private(&path).map_err(|problem| OpenError::File { path: path.clone(), problem })?;
    let database_error = |problem| OpenError::Database { path: path.clone(), problem };
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .journal_mode(SqliteJournalMode::Wal)
        // What was acknowledged must survive a power cut, not only a crash.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT);
    let pool = SqlitePoolOptions::new()
        .max_connections(config.database.max_connections.get())
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_with(options)
        .await
        .map_err(database_error)?;

    if let Some((_, readable_from)) = schema(&pool).await.map_err(database_error)?
        && readable_from > SCHEMA
    {
        return Err(OpenError::TooNew { path, readable_from });
    }
    if config.database.migrate {
        let mut migrator = sqlx::migrate!("./migrations");
        // A later release may have added tables: this program does not need to know them.
        migrator.set_ignore_missing(true);
        migrator.run(&pool).await.map_err(|problem| OpenError::Migration { path: path.clone(), problem })?;
    }
    let found = schema(&pool).await.map_err(database_error)?.map_or(0, |(schema, _)| schema);
    if found < SCHEMA {
        return Err(OpenError::TooOld { path, found });
    }
    let file = DatabaseFile::at(&path).map_err(|problem| OpenError::File { path: path.clone(), problem })?;
    Ok((pool, file))
}

/// The schema of the database and the oldest program that can read it; `None` for an empty one.
async fn schema(pool: &SqlitePool) -> Result<Option<(i64, i64)>, sqlx::Error> {
    let table = "SELECT 1 FROM sqlite_schema WHERE name = 'rollcall_schema'";
    if sqlx::query(table).fetch_optional(pool).await?.is_none() {
        return Ok(None);
    }
    sqlx::query_as("SELECT schema, readable_from FROM rollcall_schema").fetch_optional(pool).await
}

/// SQLite gives its journal files the mode of the main file, so that one must be private before SQLite sees it.
fn make_private(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// What the newest file in `migrations/` writes into `rollcall_schema`.
const SCHEMA: i64 = 1;
const DATABASE_FILE: &str = "rollcall.db";

/// Writers wait for each other this long before an answer of 503.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
