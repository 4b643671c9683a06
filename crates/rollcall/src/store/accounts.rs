//! Rows of accounts. Does not know: what makes a password right.

use super::audit::{Action, Asker, Audit};
use super::texts::storable;
use super::{StorageError, Store, User, bounded};
use crate::identity::IssuerId;

/// An account as it is stored.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct AccountRow {
    /// `acc_…`
    pub id: String,
    /// As it was typed.
    pub email: String,
    /// What the person calls itself.
    pub name: Option<String>,
    /// Milliseconds since the epoch.
    pub created_at: i64,
    /// Argon2id as a PHC string.
    pub password: String,
    /// Counts the changes of the password.
    pub password_version: i64,
}

/// What a new row is made of.
#[derive(Clone, Copy)]
pub struct NewAccountRow<'a> {
    /// `acc_…`
    pub id: &'a str,
    /// As it was typed.
    pub email: &'a str,
    /// What is compared.
    pub email_key: &'a str,
    /// Optional.
    pub name: Option<&'a str>,
    /// A PHC string.
    pub password: &'a str,
}

impl Store {
    /// Makes an account; `false` when another one has this e-mail address.
    pub async fn add_account(
        &self,
        now: u64,
        new: NewAccountRow<'_>,
        by: impl Into<Asker<'_>>,
    ) -> Result<bool, StorageError> {
        let by: Asker<'_> = by.into();
        bounded(async {
            let mut transaction = self.begin().await?;
            let statement = "INSERT INTO accounts (id, email, email_key, name, password, created_at) \
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (email_key) DO NOTHING";
            let inserted = sqlx::query(statement)
                .bind(storable("an account's id", new.id)?)
                .bind(storable("an e-mail address", new.email)?)
                .bind(storable("an e-mail address", new.email_key)?)
                .bind(new.name.map(|name| storable("a name", name)).transpose()?)
                .bind(storable("a password hash", new.password)?)
                .bind(super::signed(now))
                .execute(&mut *transaction)
                .await?;
            if inserted.rows_affected() == 0 {
                return Ok(false);
            }
            let user = User { issuer: IssuerId::BUILT_IN, subject: new.id };
            let entry = Audit::of(Action::AccountRegistered, by, Some(user));
            self.write_audit(&mut transaction, now, &entry).await?;
            transaction.commit().await?;
            Ok(true)
        })
        .await
    }

    /// The account with this e-mail address.
    pub async fn account_by_email(&self, email_key: &str) -> Result<Option<AccountRow>, StorageError> {
        let statement = "SELECT id, email, name, created_at, password, password_version FROM accounts \
             WHERE email_key = $1";
        bounded(async {
            let key = storable("an e-mail address", email_key)?;
            Ok(sqlx::query_as(statement).bind(key).fetch_optional(self.pool()).await?)
        })
        .await
    }

    /// The account with this id.
    pub async fn account(&self, id: &str) -> Result<Option<AccountRow>, StorageError> {
        let statement = "SELECT id, email, name, created_at, password, password_version FROM accounts \
             WHERE id = $1";
        bounded(async {
            let id = storable("an account's id", id)?;
            Ok(sqlx::query_as(statement).bind(id).fetch_optional(self.pool()).await?)
        })
        .await
    }

    /// A better hash of the same password, unless the password was changed meanwhile.
    pub async fn renew_hash(&self, id: &str, stored: &str, renewed: &str) -> Result<(), StorageError> {
        bounded(async {
            sqlx::query("UPDATE accounts SET password = $1 WHERE id = $2 AND password = $3")
                .bind(storable("a password hash", renewed)?)
                .bind(id)
                .bind(stored)
                .execute(self.pool())
                .await?;
            Ok(())
        })
        .await
    }
}
