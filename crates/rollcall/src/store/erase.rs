//! What a user may ask of their own data: another password, or that nothing of it stays. Does not know: who asked, and
//! whether they may.

use super::audit::{Action, Asker, Audit};
use super::texts::storable;
use super::{StorageError, Store, User, bounded};
use crate::identity::{IssuerId, Revocation};

/// A change of password.
#[derive(Clone, Copy)]
pub struct PasswordChange<'a> {
    /// Whose.
    pub account: &'a str,
    /// Of the password that was proven; whoever changed it first wins.
    pub password_version: i64,
    /// The new one as a PHC string.
    pub password: &'a str,
}

impl Store {
    /// Changes a password and ends logins with it, in one; `None` when the password is not that of `password_version`
    /// any more. Gives what is refused from now on, as [`Store::revoke`] does.
    pub async fn change_password(
        &self,
        now: u64,
        change: PasswordChange<'_>,
        revocations: &[Revocation],
        by: impl Into<Asker<'_>>,
    ) -> Result<Option<Vec<Revocation>>, StorageError> {
        let by: Asker<'_> = by.into();
        bounded(async {
            let mut transaction = self.begin().await?;
            let statement = "UPDATE accounts SET password = $1, password_version = password_version + 1 \
                 WHERE id = $2 AND password_version = $3";
            let updated = sqlx::query(statement)
                .bind(storable("a password hash", change.password)?)
                .bind(storable("an account's id", change.account)?)
                .bind(change.password_version)
                .execute(&mut *transaction)
                .await?;
            if updated.rows_affected() == 0 {
                return Ok(None);
            }
            let user = User { issuer: IssuerId::BUILT_IN, subject: change.account };
            let audit = Audit::of(Action::PasswordChanged, by, Some(user));
            let written = self.revoke_in(&mut transaction, now, revocations, &audit).await?;
            transaction.commit().await?;
            Ok(Some(written))
        })
        .await
    }

    /// Forgets a user: account, logins, names of devices, logins seen, sessions that have ended, what webhooks were still
    /// owed, the audit so far. Of sessions that end later and had begun before nothing is written down.
    /// What stays is the revocation of the tokens and one row that says who erased whom, by id. Gives what is refused
    /// from now on, as [`Store::revoke`] does.
    pub async fn erase(
        &self,
        now: u64,
        user: User<'_>,
        revocations: &[Revocation],
        by: impl Into<Asker<'_>>,
    ) -> Result<Vec<Revocation>, StorageError> {
        let by: Asker<'_> = by.into();
        bounded(async {
            let (issuer, subject) = (self.issuer_name(user.issuer), storable("a user", user.subject)?);
            let mut transaction = self.begin().await?;
            // Held until the end: of the sessions that end now none is written down beside this, and after it none that
            // was there before, as the audit says.
            sqlx::query("UPDATE sequences SET value = value + 1 WHERE name = 'erasures'")
                .execute(&mut *transaction)
                .await?;
            for statement in [
                "DELETE FROM outbox WHERE issuer = $1 AND subject = $2",
                "DELETE FROM audit WHERE issuer = $1 AND subject = $2",
                "DELETE FROM history WHERE issuer = $1 AND subject = $2",
                "DELETE FROM labels WHERE issuer = $1 AND subject = $2",
                "DELETE FROM first_seen WHERE issuer = $1 AND subject = $2",
            ] {
                sqlx::query(statement).bind(issuer).bind(subject).execute(&mut *transaction).await?;
            }
            if user.issuer == IssuerId::BUILT_IN {
                // Held first, so that no login begins any more; it goes when its logins have been ended.
                sqlx::query("UPDATE accounts SET password_version = password_version + 1 WHERE id = $1")
                    .bind(subject)
                    .execute(&mut *transaction)
                    .await?;
            }
            let audit = Audit::of(Action::UserErased, by, Some(user));
            let written = self.revoke_in(&mut transaction, now, revocations, &audit).await?;
            if user.issuer == IssuerId::BUILT_IN {
                let statement = "DELETE FROM accounts WHERE id = $1";
                sqlx::query(statement).bind(subject).execute(&mut *transaction).await?;
            }
            transaction.commit().await?;
            Ok(written)
        })
        .await
    }
}
