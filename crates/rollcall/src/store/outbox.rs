//! What webhooks are owed, written in the transaction that makes it true. Does not know: who delivers it.

use serde::Serialize;

use sqlx::AnyConnection;

use super::audit::Audit;
use super::texts::{BODY, storable};
use super::{StorageError, Store, User, signed};
use crate::clock::to_iso8601;
use crate::identity::{Login, Revocation};

/// The body of `login.revoked` and `login.new`.
#[derive(Serialize)]
struct Body<'a> {
    /// The subject; absent when the issuer ended a login without saying whose.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    issuer: &'a str,
    /// The login. With neither `sid` nor `jti` nor `digest` all logins of the user are meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<&'a str>,
    /// SHA-256 of the signed part of a token that has no id, its first half, hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<&'a str>,
    /// Of all the user's logins this one stays.
    #[serde(rename = "exceptSid", skip_serializing_if = "Option::is_none")]
    except_sid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    at: &'a str,
}

impl Store {
    pub(super) async fn write_login_revoked(
        &self,
        transaction: &mut AnyConnection,
        now: u64,
        revocation: &Revocation,
        audit: &Audit<'_>,
    ) -> Result<(), StorageError> {
        let (issuer, subject, login, except) = match revocation {
            // No webhook knows what to do with it: the operator does.
            Revocation::Everyone { .. } => return Ok(()),
            // It comes with the end of a login, which is told; a body without a login would mean all of them.
            Revocation::Nameless { .. } => return Ok(()),
            Revocation::Login { issuer, subject, login, .. } => {
                (*issuer, subject.as_deref(), Some(login), None)
            }
            Revocation::User { issuer, subject, except, .. } => {
                (*issuer, Some(&**subject), None, except.as_ref())
            }
        };
        let (by, at) = (audit.by.as_text(), to_iso8601(now));
        let text = login.map(Login::to_string).unwrap_or_default();
        let except_sid = match except {
            Some(Login::Session(sid)) => Some(&**sid),
            Some(Login::TokenId(_) | Login::Digest(_)) | None => None,
        };
        let (user, issuer_name, by) = (subject, self.issuer_name(issuer), Some(&*by));
        let body = Body { except_sid, ..Body::about(user, issuer_name, &text, by, &at) };
        self.write_outbox(transaction, now, "login.revoked", (issuer_name, subject), &body).await
    }

    pub(super) async fn write_login_new(
        &self,
        transaction: &mut AnyConnection,
        now: u64,
        user: User<'_>,
        login: &Login,
    ) -> Result<(), StorageError> {
        let (text, at) = (login.to_string(), to_iso8601(now));
        let issuer = self.issuer_name(user.issuer);
        let body = Body::about(Some(user.subject), issuer, &text, None, &at);
        self.write_outbox(transaction, now, "login.new", (issuer, Some(user.subject)), &body).await
    }

    async fn write_outbox(
        &self,
        transaction: &mut AnyConnection,
        now: u64,
        event: &'static str,
        (issuer, subject): (&str, Option<&str>),
        body: &Body<'_>,
    ) -> Result<(), StorageError> {
        let body = serde_json::to_string(body).map_err(|_| StorageError::Unstorable(BODY))?;
        sqlx::query("INSERT INTO outbox (at, event, issuer, subject, body) VALUES ($1, $2, $3, $4, $5)")
            .bind(signed(now))
            .bind(event)
            .bind(issuer)
            .bind(subject.map(|subject| storable("a user", subject)).transpose()?)
            .bind(storable(BODY, &body)?)
            .execute(&mut *transaction)
            .await?;
        Ok(())
    }
}

impl<'a> Body<'a> {
    /// `login` is the text of one, or empty.
    fn about(
        user: Option<&'a str>,
        issuer: &'a str,
        login: &'a str,
        by: Option<&'a str>,
        at: &'a str,
    ) -> Self {
        let (sid, jti, digest) =
            (login.strip_prefix("sid:"), login.strip_prefix("jti:"), login.strip_prefix("sha256:"));
        Self { user, issuer, sid, jti, digest, except_sid: None, by, at }
    }
}
