//! Logins of built-in accounts: each is a family of refresh tokens, of which one is good (RFC 9700 section 4.14.2).
//! Does not know: access tokens, HTTP.
//!
//! ```text
//! begin ─► live ──refresh──► live, the old one spent ──the old one within 10 s──► the same successor
//!                                                    └─the old one later────────► ended, as by logout
//! ```
//!
//! Of each login the newest [`SPENT_KEPT`] spent tokens are known. An older one is forgotten, but never while it would be
//! good if it were not spent (less where access tokens last under a quarter of an hour): whoever has stolen a token
//! cannot wash away the trace by refreshing without end.

use std::net::IpAddr;

use sqlx::AnyConnection;

use super::audit::{Action, Actor, Audit};
use super::refresh_token::{RefreshToken, SuccessorKeys};
use super::texts::storable;
use super::{StorageError, Store, User, bounded, signed, unsigned};
use crate::identity::{IssuerId, Login, Revocation};
use crate::ids;

/// How long what a login gives is good.
#[derive(Clone, Copy, Debug)]
pub struct LoginTimes {
    /// Milliseconds that a refresh token is good.
    pub refresh_ttl: u64,
    /// Seconds that an access token is good.
    pub access_ttl: u64,
}

/// A login that has begun.
#[derive(Debug)]
pub struct NewLogin {
    /// The `sid` of its tokens.
    pub id: String,
    /// Its first refresh token.
    pub refresh_token: RefreshToken,
    /// The `iat` that its first access token must have, in seconds: now, or the second after one up to which all tokens
    /// of the user are refused.
    pub issued_at: u64,
}

/// What came of a refresh token.
#[derive(Debug)]
pub enum Refreshed {
    /// It was good, or has been spent a moment ago.
    Good {
        /// Whose.
        account: String,
        /// The `sid` of the new access token.
        login: String,
        /// Its `iat`, in seconds since the epoch.
        issued_at: u64,
        /// What is good from now on.
        refresh_token: RefreshToken,
        /// Milliseconds since the epoch.
        refresh_expires_at: u64,
    },
    /// Nobody knows it: it never was one, or its login has ended.
    Unknown,
    /// Its time is over.
    Expired,
    /// Its login has been refreshed so often that one of its spent tokens would have to be forgotten too early. Nothing
    /// has changed.
    TooOften {
        /// Milliseconds until it can be refreshed again.
        wait: u64,
    },
    /// It had been spent long ago: somebody else has it too, so the login has ended for both.
    Reused {
        /// Whose.
        account: String,
        /// What is refused from now on, still to be carried out on live sockets.
        revocations: Vec<Revocation>,
    },
}

impl Store {
    /// Begins a login of this account; `None` when its password is not that of `password_version` any more.
    pub async fn begin_login(
        &self,
        now: u64,
        account: &str,
        password_version: i64,
        times: LoginTimes,
    ) -> Result<Option<NewLogin>, StorageError> {
        bounded(async {
            let mut transaction = self.begin().await?;
            // Holds the row: a change of password waits, and then finds this login and ends it.
            let statement = "UPDATE accounts SET last_login_at = $1 WHERE id = $2 AND password_version = $3";
            let held = sqlx::query(statement)
                .bind(signed(now))
                .bind(storable("an account's id", account)?)
                .bind(password_version)
                .execute(&mut *transaction)
                .await?;
            if held.rows_affected() == 0 {
                return Ok(None);
            }
            let issued_at = self.issuing_second(&mut transaction, now, account).await?;
            let login = NewLogin { id: ids::login_id(), refresh_token: RefreshToken::random(), issued_at };
            let statement = "INSERT INTO logins (id, account, created_at, used_at, expires_at, access_seconds) \
                 VALUES ($1, $2, $3, $3, $4, $5)";
            sqlx::query(statement)
                .bind(&login.id)
                .bind(account)
                .bind(signed(now))
                .bind(signed(now + times.refresh_ttl))
                .bind(signed(issued_at + times.access_ttl))
                .execute(&mut *transaction)
                .await?;
            insert_token(&mut transaction, &login.id, &login.refresh_token, now + times.refresh_ttl).await?;
            let statement = "DELETE FROM logins WHERE id IN (SELECT id FROM logins WHERE account = $1 \
                 ORDER BY used_at DESC, id LIMIT 1000000 OFFSET $2)";
            sqlx::query(statement)
                .bind(account)
                .bind(LOGINS_PER_ACCOUNT)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok(Some(login))
        })
        .await
    }

    /// Spends a refresh token for its successor. All that use one login at the same time wait for each other. `from` is what
    /// may be kept of the client's address.
    pub async fn refresh(
        &self,
        now: u64,
        token: &RefreshToken,
        keys: &SuccessorKeys,
        times: LoginTimes,
        from: Option<IpAddr>,
    ) -> Result<Refreshed, StorageError> {
        #[derive(sqlx::FromRow)]
        struct Row {
            expires_at: i64,
            spent_at: Option<i64>,
            successor: Option<Vec<u8>>,
        }
        bounded(async {
            let hash = token.hash();
            let mut transaction = self.begin().await?;
            let statement = "UPDATE logins SET used_at = $1 \
                 WHERE id = (SELECT login FROM refresh_tokens WHERE hash = $2) RETURNING id, account";
            let held: Option<(String, String)> = sqlx::query_as(statement)
                .bind(signed(now))
                .bind(&hash)
                .fetch_optional(&mut *transaction)
                .await?;
            let Some((login, account)) = held else { return Ok(Refreshed::Unknown) };
            // Read again: only now can nobody else change it.
            let statement = "SELECT expires_at, spent_at, successor FROM refresh_tokens WHERE hash = $1";
            let row: Option<Row> =
                sqlx::query_as(statement).bind(&hash).fetch_optional(&mut *transaction).await?;
            let Some(row) = row else { return Ok(Refreshed::Unknown) };

            let good = match (row.spent_at, row.successor) {
                (None, _) if unsigned(row.expires_at) <= now => return Ok(Refreshed::Expired),
                (None, _) => {
                    if let Some(wait) = forget_oldest(&mut transaction, now, &login, times).await? {
                        return Ok(Refreshed::TooOften { wait });
                    }
                    self.rotate(&mut transaction, now, token, &login, keys, times).await?
                }
                (Some(spent_at), Some(successor)) if now.abs_diff(unsigned(spent_at)) <= GRACE => {
                    same_again(&mut transaction, token, &successor, keys).await?
                }
                (Some(_), _) => {
                    let revocations =
                        self.end_reused(&mut transaction, now, (&account, &login), from).await?;
                    transaction.commit().await?;
                    return Ok(Refreshed::Reused { account, revocations });
                }
            };
            let Some((refresh_token, refresh_expires_at)) = good else { return Ok(Refreshed::Unknown) };
            let statement = "UPDATE logins SET access_seconds = $1 WHERE id = $2 AND access_seconds < $1";
            let issued_at = self.issuing_second(&mut transaction, now, &account).await?;
            sqlx::query(statement)
                .bind(signed(issued_at + times.access_ttl))
                .bind(&login)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok(Refreshed::Good { account, login, issued_at, refresh_token, refresh_expires_at })
        })
        .await
    }

    /// The login that a refresh token belongs to, spent or not, as a revocation that ends it.
    pub async fn login_of(&self, token: &RefreshToken) -> Result<Option<Revocation>, StorageError> {
        let statement = "SELECT id, account, access_seconds FROM logins \
             WHERE id = (SELECT login FROM refresh_tokens WHERE hash = $1)";
        bounded(async {
            let row: Option<(String, String, i64)> =
                sqlx::query_as(statement).bind(token.hash()).fetch_optional(self.pool()).await?;
            Ok(row.map(|(id, account, until)| self.built_in_login(&account, &id, unsigned(until))))
        })
        .await
    }

    pub(super) fn built_in_login(&self, account: &str, id: &str, access_seconds: u64) -> Revocation {
        Revocation::Login {
            issuer: IssuerId::BUILT_IN,
            subject: Some(account.into()),
            login: Login::Session(id.into()),
            until: access_seconds.saturating_add(self.leeway()),
        }
    }

    /// The `iat` of a token that is made now: past a revocation of this very second, which refuses all tokens up to it.
    async fn issuing_second(
        &self,
        transaction: &mut AnyConnection,
        now: u64,
        account: &str,
    ) -> Result<u64, StorageError> {
        let statement = "SELECT COALESCE(MAX(issued_seconds), 0) FROM revocations WHERE login IS NULL \
             AND ((issuer = $1 AND subject = $2) OR issuer IS NULL)";
        let refused: i64 = sqlx::query_scalar(statement)
            .bind(self.issuer_name(IssuerId::BUILT_IN))
            .bind(storable("an account's id", account)?)
            .fetch_one(&mut *transaction)
            .await?;
        Ok((now / 1000).max(unsigned(refused) + 1).min(now / 1000 + 1))
    }

    async fn rotate(
        &self,
        transaction: &mut AnyConnection,
        now: u64,
        token: &RefreshToken,
        login: &str,
        keys: &SuccessorKeys,
        times: LoginTimes,
    ) -> Result<Option<(RefreshToken, u64)>, StorageError> {
        let expires_at = now + times.refresh_ttl;
        let Some(successor) = keys.successors_of(token).next() else { return Ok(None) };
        sqlx::query("UPDATE refresh_tokens SET spent_at = $1, successor = $2 WHERE hash = $3")
            .bind(signed(now))
            .bind(successor.hash())
            .bind(token.hash())
            .execute(&mut *transaction)
            .await?;
        insert_token(transaction, login, &successor, expires_at).await?;
        sqlx::query("UPDATE logins SET expires_at = $1 WHERE id = $2")
            .bind(signed(expires_at))
            .bind(login)
            .execute(&mut *transaction)
            .await?;
        Ok(Some((successor, expires_at)))
    }

    async fn end_reused(
        &self,
        transaction: &mut AnyConnection,
        now: u64,
        (account, login): (&str, &str),
        from: Option<IpAddr>,
    ) -> Result<Vec<Revocation>, StorageError> {
        let user = User { issuer: IssuerId::BUILT_IN, subject: account };
        let audit = Audit::of(Action::RefreshTokenReused, Actor::Server.at(from), Some(user));
        let revocation = self.built_in_login(account, login, now / 1000);
        self.revoke_in(transaction, now, &[revocation], &audit).await
    }
}

async fn insert_token(
    transaction: &mut AnyConnection,
    login: &str,
    token: &RefreshToken,
    expires_at: u64,
) -> Result<(), StorageError> {
    sqlx::query("INSERT INTO refresh_tokens (hash, login, expires_at) VALUES ($1, $2, $3)")
        .bind(token.hash())
        .bind(login)
        .bind(signed(expires_at))
        .execute(&mut *transaction)
        .await?;
    Ok(())
}

/// Makes room for one more spent token of a login, if there are as many as are kept; when the oldest of them is too young
/// to be forgotten, the milliseconds until it is not.
async fn forget_oldest(
    transaction: &mut AnyConnection,
    now: u64,
    login: &str,
    times: LoginTimes,
) -> Result<Option<u64>, StorageError> {
    let statement = "SELECT spent_at FROM refresh_tokens WHERE login = $1 AND spent_at IS NOT NULL \
         ORDER BY spent_at DESC LIMIT 1 OFFSET $2";
    let oldest: Option<i64> = sqlx::query_scalar(statement)
        .bind(login)
        .bind(SPENT_KEPT - 1)
        .fetch_optional(&mut *transaction)
        .await?;
    let Some(oldest) = oldest else { return Ok(None) };
    // Where access tokens last for minutes, who renews them in time makes as many while a refresh token is good.
    let remembered = times.refresh_ttl.min(times.access_ttl.saturating_mul(1000 * unsigned(SPENT_KEPT) / 2));
    let forgettable_at = unsigned(oldest).saturating_add(remembered);
    if now < forgettable_at {
        return Ok(Some(forgettable_at - now));
    }
    sqlx::query("DELETE FROM refresh_tokens WHERE login = $1 AND spent_at <= $2")
        .bind(login)
        .bind(oldest)
        .execute(&mut *transaction)
        .await?;
    Ok(None)
}

/// The successor that this token was spent for, if a key that is still known made it.
async fn same_again(
    transaction: &mut AnyConnection,
    token: &RefreshToken,
    successor: &[u8],
    keys: &SuccessorKeys,
) -> Result<Option<(RefreshToken, u64)>, StorageError> {
    let Some(again) = keys.successors_of(token).find(|again| again.hash() == successor) else {
        return Ok(None);
    };
    let expires_at: Option<i64> = sqlx::query_scalar("SELECT expires_at FROM refresh_tokens WHERE hash = $1")
        .bind(successor)
        .fetch_optional(&mut *transaction)
        .await?;
    Ok(expires_at.map(|expires_at| (again, unsigned(expires_at))))
}

/// Milliseconds in which a spent token still gives its successor: a client whose answer was lost asks again, and tabs
/// that share a token refresh at the same time.
const GRACE: u64 = 10_000;
/// Spent tokens that are known of one login. Who renews an access token of 15 minutes when it ends makes 2,880 in the 30
/// days that a refresh token lasts, and who renews it early not twice as many.
const SPENT_KEPT: i64 = 6000;
/// Beyond this the logins that were not used for longest end: a script that logs in and never out.
const LOGINS_PER_ACCOUNT: i64 = 1000;
