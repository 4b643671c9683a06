//! Whether the database takes writes, looked at every few seconds. Does not know: what follows from it.

use std::time::{Duration, Instant};

use sqlx::SqlitePool;
use tokio::sync::watch;

use super::sqlite::DatabaseFile;
use crate::clock::Clock;

/// The last known state of the database.
pub struct Health {
    pool: SqlitePool,
    file: DatabaseFile,
    away_since: watch::Sender<Option<Instant>>,
}

impl Health {
    pub(super) fn new(pool: SqlitePool, file: DatabaseFile) -> Self {
        Self { pool, file, away_since: watch::Sender::new(None) }
    }

    /// Since when the database has been away; `None` while it is there.
    pub fn away_since(&self) -> Option<Instant> {
        *self.away_since.borrow()
    }

    /// Whether it has been away for at least `patience` at `now`.
    pub fn is_away_for(&self, now: Instant, patience: Duration) -> bool {
        self.away_since().is_some_and(|since| now.saturating_duration_since(since) >= patience)
    }

    /// Looks every two seconds, for ever; drop the future to end it. One line is logged when the state changes.
    pub async fn watch(&self, clock: &Clock) {
        loop {
            self.look(clock).await;
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Looks once.
    pub async fn look(&self, clock: &Clock) {
        let problem = self.problem().await;
        let was_away = self.away_since().is_some();
        match problem {
            Some(problem) if !was_away => {
                tracing::error!(path = %self.file.path.display(), %problem, "the database is away");
                self.away_since.send_replace(Some(clock.now()));
            }
            None if was_away => {
                tracing::info!(path = %self.file.path.display(), "the database is back");
                self.away_since.send_replace(None);
            }
            Some(_) | None => {}
        }
    }

    /// Takes the lock of a writer and gives it back: what a write would meet, without writing.
    async fn problem(&self) -> Option<String> {
        match self.file.is_still_there() {
            Ok(true) => {}
            Ok(false) => return Some("the file was replaced by another one; restart to use that".to_owned()),
            Err(error) => return Some(error.to_string()),
        }
        let transaction = match self.pool.begin_with("BEGIN IMMEDIATE").await {
            Ok(transaction) => transaction,
            Err(error) => return Some(error.to_string()),
        };
        transaction.rollback().await.err().map(|error| error.to_string())
    }
}

const INTERVAL: Duration = Duration::from_secs(2);
