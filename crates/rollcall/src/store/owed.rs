//! What webhooks are owed, handed out to whoever delivers it: each row to one at a time, for as long as that one says. Does
//! not know: how it is delivered.

use super::{Kind, StorageError, Store, bounded, signed, unsigned};

/// An event that a receiver is owed.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Owed {
    id: i64,
    /// `webhook-id`, the same with each try.
    pub message: String,
    at: i64,
    /// The `type`.
    pub event: String,
    /// The `data`, JSON.
    pub body: String,
    attempts: i64,
}

/// How much a receiver is owed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Debt {
    /// Events; not counted beyond [`OWED_MAX`] and one.
    pub events: u64,
    /// When the oldest of them happened, in milliseconds since the epoch.
    pub oldest: Option<u64>,
}

/// What has become of an event that was handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it.
    Delivered,
    /// It is to be tried again at this time, in milliseconds since the epoch.
    Again(u64),
}

impl Owed {
    /// When it happened, in milliseconds since the epoch.
    pub fn at(&self) -> u64 {
        unsigned(self.at)
    }

    /// How often it was tried, this time included.
    pub fn attempts(&self) -> u64 {
        unsigned(self.attempts)
    }
}

impl Store {
    /// Takes up to `limit` events that are due to the receiver of this place in the configuration. Until `until` nobody
    /// else gets them; then whoever took them is taken for dead.
    pub async fn claim_owed(
        &self,
        now: u64,
        receiver: usize,
        until: u64,
        limit: usize,
    ) -> Result<Vec<Owed>, StorageError> {
        let Some(receiver) = self.shared.receivers.get(receiver) else { return Ok(Vec::new()) };
        // Reading costs nobody a lock, and most of the time there is nothing.
        let look = "SELECT 1 FROM outbox WHERE endpoint = $1 AND due_at <= $2 LIMIT 1";
        let claim = match self.shared.kind {
            Kind::Sqlite => {
                "WITH due AS (SELECT id AS claimed FROM outbox WHERE endpoint = $1 AND due_at <= $2 \
                 ORDER BY due_at, id LIMIT $4) \
                 UPDATE outbox SET due_at = $3, attempts = attempts + 1 WHERE id IN (SELECT claimed FROM due) \
                 RETURNING id, message, at, event, body, attempts"
            }
            Kind::Postgres => {
                "WITH due AS (SELECT id AS claimed FROM outbox WHERE endpoint = $1 AND due_at <= $2 \
                 ORDER BY due_at, id LIMIT $4 FOR UPDATE SKIP LOCKED) \
                 UPDATE outbox SET due_at = $3, attempts = attempts + 1 WHERE id IN (SELECT claimed FROM due) \
                 RETURNING id, message, at, event, body, attempts"
            }
        };
        bounded(async {
            let query = sqlx::query(look).bind(&receiver.key).bind(signed(now));
            if query.fetch_optional(self.pool()).await?.is_none() {
                return Ok(Vec::new());
            }
            let mut claimed: Vec<Owed> = sqlx::query_as(claim)
                .bind(&receiver.key)
                .bind(signed(now))
                .bind(signed(until))
                .bind(i64::try_from(limit).unwrap_or(i64::MAX))
                .fetch_all(self.pool())
                .await?;
            claimed.sort_unstable_by_key(|owed| owed.id);
            Ok(claimed)
        })
        .await
    }

    /// Writes down what has become of events that were claimed. One that somebody else has claimed meanwhile stays theirs.
    pub async fn settle_owed(&self, outcomes: &[(Owed, Outcome)]) -> Result<(), StorageError> {
        bounded(async {
            let mut transaction = self.begin().await?;
            for (owed, outcome) in outcomes {
                let query = match outcome {
                    Outcome::Delivered => sqlx::query("DELETE FROM outbox WHERE id = $1").bind(owed.id),
                    Outcome::Again(at) => {
                        sqlx::query("UPDATE outbox SET due_at = $3 WHERE id = $1 AND attempts = $2")
                            .bind(owed.id)
                            .bind(owed.attempts)
                            .bind(signed(*at))
                    }
                };
                query.execute(&mut *transaction).await?;
            }
            transaction.commit().await?;
            Ok(())
        })
        .await
    }

    /// How much the receiver of this place is owed; beyond [`OWED_MAX`] no more sessions are added.
    pub async fn debt(&self, receiver: usize) -> Result<Debt, StorageError> {
        let Some(receiver) = self.shared.receivers.get(receiver) else { return Ok(Debt::default()) };
        let statement = "SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM outbox WHERE endpoint = $1 LIMIT $2) AS owed), \
             (SELECT MIN(at) FROM outbox WHERE endpoint = $1)";
        let (events, oldest): (i64, Option<i64>) = bounded(async {
            let query = sqlx::query_as(statement).bind(&receiver.key).bind(signed(OWED_MAX + 1));
            Ok(query.fetch_one(self.pool()).await?)
        })
        .await?;
        let debt = Debt { events: unsigned(events), oldest: oldest.map(unsigned) };
        receiver.set_full(debt.events > OWED_MAX);
        Ok(debt)
    }
}

/// Events that one receiver may be owed: some 100 MB. Ends of logins are written down beyond it.
pub const OWED_MAX: u64 = 100_000;
