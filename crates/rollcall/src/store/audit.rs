//! Who did what to whom: one row for each change of who may do something, in the same transaction as the change.
//! Never an e-mail address, a token or a name. Does not know: who reads it.

use std::borrow::Cow;
use std::net::IpAddr;

use sqlx::AnyConnection;

use super::texts::storable;
use super::{StorageError, Store, User, signed};

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
}

impl Action {
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
}

impl Actor<'_> {
    /// What stands in the row and in `by` of a webhook: `user`, `api_key:NAME`, `operator`, `issuer`, `server`.
    pub fn as_text(&self) -> Cow<'static, str> {
        match self {
            Self::User => "user".into(),
            Self::ApiKey(name) => format!("api_key:{name}").into(),
            Self::Operator => "operator".into(),
            Self::Issuer => "issuer".into(),
            Self::Server => "server".into(),
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
