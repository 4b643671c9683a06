//! What users call their devices. Does not know: which text may be a label.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError, RwLock};

use super::revocations::next_numbers;
use super::texts::storable;
use super::{StorageError, Store, User, bounded, signed};

/// One name of a device.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Label {
    /// What it belongs to: a `deviceId`, or a login where there is none.
    pub device: String,
    /// The name.
    pub label: String,
}

/// Users who have named a device at some time, so that a connect of any other asks nobody. Keeps hashes only: a user
/// that meets another's costs a question without an answer.
#[derive(Debug, Default)]
pub(super) struct Labelled {
    hasher: RandomState,
    users: RwLock<HashSet<u64>>,
    /// The number of the last change that is known.
    seq: Mutex<i64>,
}

impl Labelled {
    fn insert(&self, user: User<'_>) {
        let hash = self.hasher.hash_one(user);
        self.users.write().unwrap_or_else(PoisonError::into_inner).insert(hash);
    }
}

impl Store {
    /// Whether [`Store::labels_of`] may have something to say; asks nobody. A name that was given on another node is
    /// known here two seconds later.
    pub fn may_have_labels(&self, user: User<'_>) -> bool {
        let hash = self.shared.labels.hasher.hash_one(user);
        self.shared.labels.users.read().unwrap_or_else(PoisonError::into_inner).contains(&hash)
    }

    /// All names that the user has given.
    pub async fn labels_of(&self, user: User<'_>) -> Result<Vec<Label>, StorageError> {
        let statement = "SELECT device, label FROM labels WHERE issuer = $1 AND subject = $2 ORDER BY device";
        bounded(async {
            let query = sqlx::query_as(statement)
                .bind(self.issuer_name(user.issuer))
                .bind(storable("a user", user.subject)?);
            Ok(query.fetch_all(self.pool()).await?)
        })
        .await
    }

    /// Names a device, or takes its name away. Of more than 100 names of one user the oldest go.
    pub async fn set_label(
        &self,
        now: u64,
        user: User<'_>,
        device: &str,
        label: Option<&str>,
    ) -> Result<(), StorageError> {
        bounded(async {
            let issuer = self.issuer_name(user.issuer);
            let subject = storable("a user", user.subject)?;
            let device = storable("a device", device)?;
            let mut transaction = self.begin().await?;
            match label {
                None => {
                    sqlx::query("DELETE FROM labels WHERE issuer = $1 AND subject = $2 AND device = $3")
                        .bind(issuer)
                        .bind(subject)
                        .bind(device)
                        .execute(&mut *transaction)
                        .await?;
                }
                Some(label) => {
                    let seq = next_numbers(&mut transaction, "labels", 1).await?;
                    let statement = "INSERT INTO labels (issuer, subject, device, label, at, seq) \
                         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (issuer, subject, device) \
                         DO UPDATE SET label = excluded.label, at = excluded.at, seq = excluded.seq";
                    sqlx::query(statement)
                        .bind(issuer)
                        .bind(subject)
                        .bind(device)
                        .bind(storable("a label", label)?)
                        .bind(signed(now))
                        .bind(seq)
                        .execute(&mut *transaction)
                        .await?;
                    let statement = "DELETE FROM labels WHERE seq IN (SELECT seq FROM labels \
                         WHERE issuer = $1 AND subject = $2 ORDER BY seq DESC LIMIT 1000000 OFFSET $3)";
                    sqlx::query(statement)
                        .bind(issuer)
                        .bind(subject)
                        .bind(LABELS_PER_USER)
                        .execute(&mut *transaction)
                        .await?;
                }
            }
            transaction.commit().await?;
            if label.is_some() {
                self.shared.labels.insert(user);
            }
            Ok(())
        })
        .await
    }

    /// Learns who has named a device since the last time.
    pub(super) async fn load_labelled(&self) -> Result<(), StorageError> {
        loop {
            let known = *self.shared.labels.seq.lock().unwrap_or_else(PoisonError::into_inner);
            let statement = "SELECT seq, issuer, subject FROM labels WHERE seq > $1 ORDER BY seq LIMIT 10000";
            let rows: Vec<(i64, String, String)> =
                bounded(async { Ok(sqlx::query_as(statement).bind(known).fetch_all(self.pool()).await?) })
                    .await?;
            let Some((last, _, _)) = rows.last() else { return Ok(()) };
            for (_, issuer, subject) in &rows {
                if let Some(issuer) = self.issuer_id(issuer) {
                    self.shared.labels.insert(User { issuer, subject });
                }
            }
            *self.shared.labels.seq.lock().unwrap_or_else(PoisonError::into_inner) = *last;
        }
    }
}

/// What a page can still show.
const LABELS_PER_USER: i64 = 100;
