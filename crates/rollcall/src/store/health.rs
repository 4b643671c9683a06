//! Whether the database takes writes, looked at every few seconds. Does not know: what follows from it.

use std::time::{Duration, Instant};

use sqlx::AnyPool;
use tokio::sync::watch;

use super::sqlite::DatabaseFile;
use super::{Kind, StorageError, bounded};
use crate::clock::Clock;

/// The last known state of the database.
pub struct Health {
    pool: AnyPool,
    kind: Kind,
    file: Option<DatabaseFile>,
    away_since: watch::Sender<Option<Instant>>,
}

impl Health {
    pub(super) fn new(pool: AnyPool, kind: Kind, file: Option<DatabaseFile>) -> Self {
        Self { pool, kind, file, away_since: watch::Sender::new(None) }
    }

    /// Since when the database has been away; `None` while it is there.
    pub fn away_since(&self) -> Option<Instant> {
        *self.away_since.borrow()
    }

    /// Whether it has been away for at least `patience` at `now`.
    pub fn is_away_for(&self, now: Instant, patience: Duration) -> bool {
        self.away_since().is_some_and(|since| now.saturating_duration_since(since) >= patience)
    }

    /// Looks once; to be called every few seconds. One line is logged when the state changes.
    pub async fn look(&self, clock: &Clock) {
        let problem = self.problem().await;
        let was_away = self.away_since().is_some();
        let path = self.file.as_ref().map(|file| tracing::field::display(file.path.display()));
        match problem {
            Some(problem) if !was_away => {
                tracing::error!(path, %problem, "the database is away");
                self.away_since.send_replace(Some(clock.now()));
            }
            None if was_away => {
                tracing::info!(path, "the database is back");
                self.away_since.send_replace(None);
            }
            Some(_) | None => {}
        }
    }

    /// Whether what is written would be found again: the file that is open is still the one of that name.
    pub(super) fn check_file(&self) -> Result<(), StorageError> {
        match self.file.as_ref().map(DatabaseFile::is_still_there) {
            Some(Ok(true)) | None => Ok(()),
            Some(Ok(false)) => Err(StorageError::FileReplaced),
            Some(Err(error)) => Err(StorageError::FileGone(error)),
        }
    }

    /// What a write would meet, without writing.
    async fn problem(&self) -> Option<String> {
        let looked = async {
            self.check_file()?;
            bounded(self.probe()).await
        };
        looked.await.err().map(|error| error.to_string())
    }

    async fn probe(&self) -> Result<(), StorageError> {
        match self.kind {
            // Takes the lock of a writer and gives it back.
            Kind::Sqlite => self.pool.begin_with("BEGIN IMMEDIATE").await?.rollback().await?,
            Kind::Postgres => {
                let read_only = "SELECT current_setting('transaction_read_only')";
                let read_only: String = sqlx::query_scalar(read_only).fetch_one(&self.pool).await?;
                if read_only == "on" {
                    return Err(StorageError::ReadOnly);
                }
            }
        }
        Ok(())
    }
}
