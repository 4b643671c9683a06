//! Which logins of a user have been seen before, for ever as good as. Does not know: who is told of a new one.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use super::texts::storable;
use super::{StorageError, Store, User, bounded, signed};
use crate::identity::Login;

/// Logins that need not be asked for in SQL again today. Keeps hashes only: two of a million meet once in some ten
/// million years of use, and then one notice is missing.
#[derive(Debug, Default)]
pub(super) struct Seen {
    hasher: RandomState,
    days: Mutex<HashMap<u64, u32>>,
}

impl Seen {
    fn key(&self, user: User<'_>, login: &Login) -> u64 {
        self.hasher.hash_one((user, login))
    }

    fn is_known(&self, key: u64, day: u32) -> bool {
        self.days.lock().unwrap_or_else(PoisonError::into_inner).get(&key) == Some(&day)
    }

    fn remember(&self, key: u64, day: u32) {
        let mut days = self.days.lock().unwrap_or_else(PoisonError::into_inner);
        if days.len() >= SEEN_MAX {
            days.retain(|_, known| *known == day);
        }
        if days.len() >= SEEN_MAX {
            days.clear();
        }
        days.insert(key, day);
    }
}

impl Store {
    /// Whether this is the first time ever that this login of the user is seen, by whatever node; the webhook
    /// `login.new` is then owed. Asks SQL at most once a day for each login.
    pub async fn first_seen(&self, now: u64, user: User<'_>, login: &Login) -> Result<bool, StorageError> {
        let day = u32::try_from(now / DAY).unwrap_or(u32::MAX);
        let key = self.shared.seen.key(user, login);
        if self.shared.seen.is_known(key, day) {
            return Ok(false);
        }
        let is_new = bounded(self.note_login(now, user, login)).await?;
        self.shared.seen.remember(key, day);
        Ok(is_new)
    }

    async fn note_login(&self, now: u64, user: User<'_>, login: &Login) -> Result<bool, StorageError> {
        let (issuer, text) = (self.issuer_name(user.issuer), login.to_string());
        let mut transaction = self.begin().await?;
        let statement = "INSERT INTO first_seen (issuer, subject, login, at, last_at) \
             VALUES ($1, $2, $3, $4, $4) ON CONFLICT DO NOTHING";
        let inserted = sqlx::query(statement)
            .bind(issuer)
            .bind(storable("a user", user.subject)?)
            .bind(storable("a login", &text)?)
            .bind(signed(now))
            .execute(&mut *transaction)
            .await?;
        let is_new = inserted.rows_affected() == 1;
        if is_new {
            self.write_login_new(&mut transaction, now, user, login).await?;
        } else {
            let statement = "UPDATE first_seen SET last_at = $1 \
                 WHERE issuer = $2 AND subject = $3 AND login = $4 AND last_at < $5";
            sqlx::query(statement)
                .bind(signed(now))
                .bind(issuer)
                .bind(user.subject)
                .bind(&text)
                .bind(signed(now.saturating_sub(DAY)))
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(is_new)
    }
}

/// Milliseconds.
const DAY: u64 = 24 * 3600 * 1000;
/// Entries of 16 bytes and what a map adds: some 32 MB at most, and only where a million logins are seen in a day.
const SEEN_MAX: usize = 1_000_000;
