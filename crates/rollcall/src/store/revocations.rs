//! Rows of revocations: written with whatever else makes them true, read by those who keep the live ones in memory.
//! Does not know: live sockets.

use sqlx::AnyConnection;

use super::audit::Audit;
use super::texts::storable;
use super::{StorageError, Store, bounded, signed, unsigned};
use crate::identity::{IssuerId, Login, Revocation};

/// A logout token that counts once (OpenID Connect Back-Channel Logout 1.0 section 2.6).
#[derive(Clone, Copy, Debug)]
pub struct LogoutToken<'a> {
    /// Whose.
    pub issuer: IssuerId,
    /// Its `jti`.
    pub id: &'a str,
    /// The last second at which it could be good.
    pub until: u64,
}

impl Store {
    /// Writes revocations, and ends those logins of built-in accounts that they mean, so that no refresh token brings
    /// them back. Gives what is refused from now on: what was asked for, its end moved to that of the last access token
    /// where the login began here, and each login that a user-wide one has ended.
    pub async fn revoke(
        &self,
        now: u64,
        revocations: &[Revocation],
        audit: &Audit<'_>,
    ) -> Result<Vec<Revocation>, StorageError> {
        bounded(async {
            let mut transaction = self.begin().await?;
            let written = self.revoke_in(&mut transaction, now, revocations, audit).await?;
            transaction.commit().await?;
            Ok(written)
        })
        .await
    }

    /// The same, once for each logout token; `None` when it was used before.
    pub async fn revoke_once(
        &self,
        now: u64,
        token: LogoutToken<'_>,
        revocations: &[Revocation],
        audit: &Audit<'_>,
    ) -> Result<Option<Vec<Revocation>>, StorageError> {
        bounded(async {
            let mut transaction = self.begin().await?;
            let statement = "INSERT INTO used_logout_tokens (issuer, jti, until_seconds) VALUES ($1, $2, $3) \
                 ON CONFLICT DO NOTHING";
            let inserted = sqlx::query(statement)
                .bind(self.issuer_name(token.issuer))
                .bind(storable("the jti of a logout token", token.id)?)
                .bind(signed(token.until))
                .execute(&mut *transaction)
                .await?;
            if inserted.rows_affected() == 0 {
                return Ok(None);
            }
            let written = self.revoke_in(&mut transaction, now, revocations, audit).await?;
            transaction.commit().await?;
            Ok(Some(written))
        })
        .await
    }

    /// Those written after the one of this number that are still worth something, oldest first, each with the
    /// milliseconds since the epoch at which it was written, and the number to go on with. At most 10,000 at a time: ask until the number stays. Start with 0. What a later release has written and this
    /// one cannot read is logged and left out: the others hold all the same.
    pub async fn revocations_since(
        &self,
        now: u64,
        seq: u64,
    ) -> Result<(Vec<(Revocation, u64)>, u64), StorageError> {
        let statement = "SELECT seq, at, issuer, subject, login, issued_seconds, except_login, until_seconds \
             FROM revocations WHERE seq > $1 AND until_seconds >= $2 ORDER BY seq LIMIT 10000";
        let rows: Vec<Row> = bounded(async {
            let query = sqlx::query_as(statement).bind(signed(seq)).bind(signed(now / 1000));
            Ok(query.fetch_all(self.pool()).await?)
        })
        .await?;
        let last = rows.last().map_or(seq, |row| unsigned(row.seq));
        let mut unreadable = rows.iter().filter(|row| row.read(self).is_none());
        if let Some(first) = unreadable.next() {
            // One line for all that came together, and none for the same ones again.
            let (count, first) = (1 + unreadable.count(), first.seq);
            tracing::error!(
                count,
                first,
                "revocations that this release cannot read do not hold here; bring this process up to date"
            );
        }
        let known = |row: &Row| Some((row.read(self).flatten()?, unsigned(row.at)));
        Ok((rows.iter().filter_map(known).collect(), last))
    }

    /// As a part of something larger. Rows of logins are held before the number of a revocation is taken, here and
    /// everywhere: two that wait for each other would both fail.
    pub(super) async fn revoke_in(
        &self,
        transaction: &mut AnyConnection,
        now: u64,
        revocations: &[Revocation],
        audit: &Audit<'_>,
    ) -> Result<Vec<Revocation>, StorageError> {
        let mut written = Vec::with_capacity(revocations.len());
        for revocation in revocations {
            self.end_built_in(transaction, revocation, &mut written).await?;
        }
        let mut seq = next_numbers(transaction, "revocations", written.len()).await?;
        for revocation in &written {
            self.insert_revocation(transaction, now, seq, revocation, audit).await?;
            self.write_login_revoked(transaction, now, revocation, audit).await?;
            seq += 1;
        }
        // Of one login the audit says which.
        let login = match revocations {
            [Revocation::Login { login, .. }] => Some(login.to_string()),
            _ => None,
        };
        let audit = Audit { detail: audit.detail.or(login.as_deref()), ..*audit };
        self.write_audit(transaction, now, &audit).await?;
        Ok(written)
    }

    /// Ends the logins of built-in accounts that a revocation means, and adds what is to be written to `written`.
    async fn end_built_in(
        &self,
        transaction: &mut AnyConnection,
        revocation: &Revocation,
        written: &mut Vec<Revocation>,
    ) -> Result<(), StorageError> {
        let mut revocation = revocation.clone();
        match &mut revocation {
            Revocation::Login { issuer: IssuerId::BUILT_IN, login: Login::Session(id), subject, until } => {
                // A `sid` that somebody else's token names is not that somebody's login.
                let statement = "DELETE FROM logins WHERE id = $1 AND account = COALESCE($2, account) \
                     RETURNING access_seconds";
                let subject = subject.as_deref().map(|subject| storable("a user", subject)).transpose()?;
                let access: Option<i64> = sqlx::query_scalar(statement)
                    .bind(storable("a login", id)?)
                    .bind(subject)
                    .fetch_optional(&mut *transaction)
                    .await?;
                // Of a login that began here all tokens are known: the row need not stay longer than the last of them.
                if let Some(access) = access {
                    *until = unsigned(access).saturating_add(self.leeway());
                }
            }
            Revocation::User { issuer: IssuerId::BUILT_IN, subject, except, .. } => {
                let statement =
                    "DELETE FROM logins WHERE account = $1 AND id <> $2 RETURNING id, access_seconds";
                let except = match except {
                    Some(Login::Session(id)) => storable("a login", id)?,
                    Some(Login::TokenId(_) | Login::Digest(_)) | None => "",
                };
                let ended: Vec<(String, i64)> = sqlx::query_as(statement)
                    .bind(storable("a user", subject)?)
                    .bind(except)
                    .fetch_all(&mut *transaction)
                    .await?;
                let login =
                    |(id, access): &(String, i64)| self.built_in_login(subject, id, unsigned(*access));
                written.extend(ended.iter().map(login));
            }
            Revocation::Everyone { .. } => {
                sqlx::query("DELETE FROM logins").execute(&mut *transaction).await?;
            }
            // Logins that began here have names.
            Revocation::Login { .. } | Revocation::User { .. } | Revocation::Nameless { .. } => {}
        }
        written.push(revocation);
        Ok(())
    }

    /// Forgets what a user-wide revocation says anew: whoever signs all others out again and again fills no table.
    async fn forget_covered(
        &self,
        transaction: &mut AnyConnection,
        revocation: &Revocation,
    ) -> Result<(), StorageError> {
        let (issuer, subject, issued_before, except) = match revocation {
            Revocation::User { issuer, subject, issued_before, except, .. } => {
                (issuer, subject, issued_before, except.as_ref().map(Login::to_string))
            }
            Revocation::Nameless { issuer, subject, issued_before, .. } => {
                (issuer, subject, issued_before, Some(EVERY_NAMED.to_owned()))
            }
            Revocation::Login { .. } | Revocation::Everyone { .. } => return Ok(()),
        };
        let statement = "DELETE FROM revocations WHERE issuer = $1 AND subject = $2 AND login IS NULL \
             AND issued_seconds <= $3 AND ($4 IS NULL OR except_login = $4)";
        sqlx::query(statement)
            .bind(self.issuer_name(*issuer))
            .bind(storable("a user", subject)?)
            .bind(signed(*issued_before))
            .bind(except.as_deref().map(|login| storable("a login", login)).transpose()?)
            .execute(&mut *transaction)
            .await?;
        Ok(())
    }

    async fn insert_revocation(
        &self,
        transaction: &mut AnyConnection,
        now: u64,
        seq: i64,
        revocation: &Revocation,
        audit: &Audit<'_>,
    ) -> Result<(), StorageError> {
        self.forget_covered(transaction, revocation).await?;
        let (issuer, subject, login, issued, except, until) = match revocation {
            Revocation::Login { issuer, subject, login, until } => {
                (Some(*issuer), subject.as_deref(), Some(login.to_string()), None, None, until)
            }
            Revocation::User { issuer, subject, issued_before, except, until } => {
                let except = except.as_ref().map(Login::to_string);
                (Some(*issuer), Some(&**subject), None, Some(signed(*issued_before)), except, until)
            }
            Revocation::Nameless { issuer, subject, issued_before, until } => {
                let (issued, except) = (Some(signed(*issued_before)), Some(EVERY_NAMED.to_owned()));
                (Some(*issuer), Some(&**subject), None, issued, except, until)
            }
            Revocation::Everyone { issued_before, until } => {
                (None, None, None, Some(signed(*issued_before)), None, until)
            }
        };
        let statement = "INSERT INTO revocations \
             (seq, at, issuer, subject, login, issued_seconds, except_login, until_seconds, actor) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        sqlx::query(statement)
            .bind(seq)
            .bind(signed(now))
            .bind(issuer.map(|issuer| self.issuer_name(issuer)))
            .bind(subject.map(|subject| storable("a user", subject)).transpose()?)
            .bind(login.as_deref().map(|login| storable("a login", login)).transpose()?)
            .bind(issued)
            .bind(except.as_deref().map(|login| storable("a login", login)).transpose()?)
            .bind(signed(*until))
            .bind(storable("who did it", &audit.by.as_text())?)
            .execute(&mut *transaction)
            .await?;
        Ok(())
    }

    /// Who has ended this login of the user around then; `None` when nobody has, or an earlier release does not say it.
    pub(super) async fn who_revoked(
        &self,
        transaction: &mut AnyConnection,
        since: u64,
        (issuer, subject): (&str, &str),
        login: &str,
    ) -> Result<Option<String>, StorageError> {
        // What the server writes down by itself follows from what somebody has asked for. An arm for each way to be named, so
        // that the index serves each: nothing but the rows of this user and of everybody is read.
        let statement = "SELECT actor FROM revocations WHERE actor IS NOT NULL AND at >= $1 \
             AND ((issuer = $2 AND subject = $3) OR (issuer = $2 AND subject IS NULL) OR issuer IS NULL) \
             AND (login = $4 OR (login IS NULL AND (except_login IS NULL OR except_login <> $4))) \
             ORDER BY CASE WHEN actor = 'server' THEN 1 ELSE 0 END, seq DESC LIMIT 1";
        let actor = sqlx::query_scalar(statement)
            .bind(signed(since))
            .bind(issuer)
            .bind(subject)
            .bind(login)
            .fetch_optional(&mut *transaction)
            .await?;
        Ok(actor)
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    seq: i64,
    at: i64,
    issuer: Option<String>,
    subject: Option<String>,
    login: Option<String>,
    issued_seconds: Option<i64>,
    except_login: Option<String>,
    until_seconds: i64,
}

impl Row {
    /// What it says: nothing for an entry that was taken out of the configuration, which lets nobody in. `None` for a kind
    /// that this release does not know.
    fn read(&self, store: &Store) -> Option<Option<Revocation>> {
        let until = unsigned(self.until_seconds);
        let subject = self.subject.as_deref().map(Box::from);
        let issuer = self.issuer.as_deref().map(|name| store.issuer_id(name));
        let revocation = match (issuer, subject, self.login.as_deref(), self.issued_seconds) {
            (None, None, None, Some(issued)) => {
                Revocation::Everyone { issued_before: unsigned(issued), until }
            }
            (Some(None), ..) => return Some(None),
            (Some(Some(issuer)), subject, Some(login), None) => {
                Revocation::Login { issuer, subject, login: Login::parse(login)?, until }
            }
            (Some(Some(issuer)), Some(subject), None, Some(issued))
                if self.except_login.as_deref() == Some(EVERY_NAMED) =>
            {
                Revocation::Nameless { issuer, subject, issued_before: unsigned(issued), until }
            }
            (Some(Some(issuer)), Some(subject), None, Some(issued)) => {
                // A login of a kind that is not known is nobody's here: then nobody is spared.
                let except = self.except_login.as_deref().and_then(Login::parse);
                Revocation::User { issuer, subject, issued_before: unsigned(issued), except, until }
            }
            _ => return None,
        };
        Some(Some(revocation))
    }
}

/// In the place of the one login that stays: each that has a name. The text of no login, so a release that does not know it
/// spares nobody: it refuses more, never less.
const EVERY_NAMED: &str = "named";

/// The first of `count` numbers of a sequence; nobody else gets one until the transaction ends.
pub(super) async fn next_numbers(
    transaction: &mut AnyConnection,
    name: &'static str,
    count: usize,
) -> Result<i64, StorageError> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let last: i64 =
        sqlx::query_scalar("UPDATE sequences SET value = value + $1 WHERE name = $2 RETURNING value")
            .bind(count)
            .bind(name)
            .fetch_one(&mut *transaction)
            .await?;
    Ok(last - count + 1)
}
