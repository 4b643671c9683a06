//! Who did what to whom: one row for each change of who may do something, in the same transaction as the change.
//! Never an e-mail address, a token or a name. Read by filters, the newest first. Does not know: who reads it.

use std::borrow::Cow;
use std::net::IpAddr;

use sqlx::AnyConnection;

use super::texts::storable;
use super::{StorageError, Store, User, bounded, signed};

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// An account was made.
    AccountRegistered,
    /// An account and all that is known of its user is gone.
    UserErased,
    /// A password was changed.
    PasswordChanged,
    /// One login or token was ended.
    LoginRevoked,
    /// Logins of one user were ended, all of them or all but one.
    UserRevoked,
    /// Everybody's logins were ended.
    EveryoneRevoked,
    /// A login was ended because one of its spent refresh tokens was used again.
    RefreshTokenReused,
    /// An API key was made.
    ApiKeyMade,
    /// An API key was revoked.
    ApiKeyRevoked,
    /// Somebody has signed in to `/admin`.
    AdminSignedIn,
    /// Sockets were disconnected there; their tokens are as good as before.
    AdminDisconnected,
    /// Something was asked for there that is not done.
    AdminRefused,
}

/// Which rows are wanted; what is `None` does not matter.
#[derive(Clone, Copy, Debug, Default)]
pub struct AuditFilter<'a> {
    /// About this subject.
    pub subject: Option<&'a str>,
    /// Of this issuer entry, by its name; it may be one that is configured no more.
    pub issuer: Option<&'a str>,
    /// The word of an [`Action`].
    pub action: Option<&'a str>,
    /// The text of an [`Actor`]: with `api_key` alone whatever the key is called.
    pub actor: Option<&'a str>,
    /// Not before, in milliseconds since the epoch.
    pub since: Option<u64>,
    /// Before, the same.
    pub until: Option<u64>,
}

/// One row as it stands.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct AuditRow {
    /// In milliseconds since the epoch.
    pub at: i64,
    /// What was done.
    pub action: String,
    /// By whom.
    pub actor: String,
    /// To whom: the name of the issuer entry.
    pub issuer: Option<String>,
    /// The same: the subject.
    pub subject: Option<String>,
    /// The name of a key, a login.
    pub detail: Option<String>,
    /// From where.
    pub address: Option<String>,
}

impl Action {
    /// All there are.
    pub const ALL: [Self; 12] = [
        Self::AccountRegistered,
        Self::UserErased,
        Self::PasswordChanged,
        Self::LoginRevoked,
        Self::UserRevoked,
        Self::EveryoneRevoked,
        Self::RefreshTokenReused,
        Self::ApiKeyMade,
        Self::ApiKeyRevoked,
        Self::AdminSignedIn,
        Self::AdminDisconnected,
        Self::AdminRefused,
    ];

    /// What stands in the row, for ever.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccountRegistered => "account.registered",
            Self::UserErased => "user.erased",
            Self::PasswordChanged => "password.changed",
            Self::LoginRevoked => "login.revoked",
            Self::UserRevoked => "user.revoked",
            Self::EveryoneRevoked => "everyone.revoked",
            Self::RefreshTokenReused => "refresh_token.reused",
            Self::ApiKeyMade => "api_key.made",
            Self::ApiKeyRevoked => "api_key.revoked",
            Self::AdminSignedIn => "admin.signed_in",
            Self::AdminDisconnected => "admin.disconnected",
            Self::AdminRefused => "admin.refused",
        }
    }
}

/// Who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor<'a> {
    /// The user in question.
    User,
    /// Somebody with this API key.
    ApiKey(&'a str),
    /// Somebody at the command line.
    Operator,
    /// The issuer, by a logout token.
    Issuer,
    /// This program, to protect the user.
    Server,
    /// Somebody who has signed in to `/admin`.
    Admin,
}

impl Actor<'_> {
    /// What stands in the row and in `by` of a webhook: `user`, `api_key:NAME`, `operator`, `issuer`, `server`,
    /// `admin`.
    pub fn as_text(&self) -> Cow<'static, str> {
        match self {
            Self::User => "user".into(),
            Self::ApiKey(name) => format!("api_key:{name}").into(),
            Self::Operator => "operator".into(),
            Self::Issuer => "issuer".into(),
            Self::Server => "server".into(),
            Self::Admin => "admin".into(),
        }
    }
}

/// Who did it, and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker<'a> {
    /// Who.
    pub actor: Actor<'a>,
    /// The client's address, as far as `privacy.ip` lets it be kept; `None` where nothing came over a network.
    pub address: Option<IpAddr>,
}

impl<'a> Actor<'a> {
    /// From this address, of which only that is given which may be kept.
    pub fn at(self, address: Option<IpAddr>) -> Asker<'a> {
        Asker { actor: self, address }
    }
}

impl<'a> From<Actor<'a>> for Asker<'a> {
    fn from(actor: Actor<'a>) -> Self {
        actor.at(None)
    }
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Audit<'a> {
    /// What was done.
    pub action: Action,
    /// Who did it.
    pub by: Actor<'a>,
    /// To whom, if to somebody.
    pub user: Option<User<'a>>,
    /// What else is to be known: the name of a key, a login.
    pub detail: Option<&'a str>,
    /// Where from, as far as `privacy.ip` lets it be kept.
    pub address: Option<IpAddr>,
}

impl<'a> Audit<'a> {
    /// Without the rest.
    pub fn of(action: Action, by: impl Into<Asker<'a>>, user: Option<User<'a>>) -> Self {
        let Asker { actor: by, address } = by.into();
        Self { action, by, user, detail: None, address }
    }
}

impl Store {
    /// The newest rows that pass the filter, the newest first.
    pub async fn audit(&self, filter: &AuditFilter<'_>, limit: usize) -> Result<Vec<AuditRow>, StorageError> {
        // Each condition has two parameters' work: one that is NULL holds for every row.
        let statement = "SELECT at, action, actor, issuer, subject, detail, address FROM audit \
             WHERE (CAST($1 AS TEXT) IS NULL OR subject = $1) AND (CAST($2 AS TEXT) IS NULL OR issuer = $2) \
             AND (CAST($3 AS TEXT) IS NULL OR action = $3) \
             AND (CAST($4 AS TEXT) IS NULL OR actor = $4 OR ($4 = 'api_key' AND actor LIKE 'api\\_key:%' ESCAPE '\\')) \
             AND at >= $5 AND at < $6 ORDER BY at DESC, id DESC LIMIT $7";
        let text =
            |text: Option<&str>| text.map(|text| storable("a filter", text).map(str::to_owned)).transpose();
        bounded(async {
            let query = sqlx::query_as(statement)
                .bind(text(filter.subject)?)
                .bind(text(filter.issuer)?)
                .bind(text(filter.action)?)
                .bind(text(filter.actor)?)
                .bind(signed(filter.since.unwrap_or(0)))
                .bind(signed(filter.until.unwrap_or(u64::MAX)))
                .bind(i64::try_from(limit).unwrap_or(i64::MAX));
            Ok(query.fetch_all(self.pool()).await?)
        })
        .await
    }

    /// Writes down what changes nothing else in the database.
    pub async fn note(&self, now: u64, audit: &Audit<'_>) -> Result<(), StorageError> {
        bounded(async {
            let mut transaction = self.begin().await?;
            self.write_audit(&mut transaction, now, audit).await?;
            transaction.commit().await?;
            Ok(())
        })
        .await
    }

    pub(super) async fn write_audit(
        &self,
        transaction: &mut AnyConnection,
        now: u64,
        audit: &Audit<'_>,
    ) -> Result<(), StorageError> {
        let actor = audit.by.as_text();
        let statement = "INSERT INTO audit (at, action, actor, issuer, subject, detail, address) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)";
        sqlx::query(statement)
            .bind(signed(now))
            .bind(audit.action.as_str())
            .bind(storable("who did it", &actor)?)
            .bind(audit.user.map(|user| self.issuer_name(user.issuer)))
            .bind(audit.user.map(|user| storable("a user", user.subject)).transpose()?)
            .bind(audit.detail.map(|detail| storable("a detail", detail)).transpose()?)
            .bind(audit.address.map(|address| address.to_string()))
            .execute(&mut *transaction)
            .await?;
        Ok(())
    }
}
