//! What webhooks are owed, written in the transaction that makes it true: a row for each receiver that wants it. Does not
//! know: who delivers it.

use std::sync::atomic::{AtomicBool, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use serde::Serialize;
use serde_json::value::RawValue;

use sqlx::AnyConnection;

use super::audit::Audit;
use super::history::{EndReason, SessionNote};
use super::rows::{Cell, pieces, statement};
use super::texts::{BODY, storable};
use super::{StorageError, Store, User, signed};
use crate::clock::to_iso8601;
use crate::config::{WebhookEvent, Webhooks};
use crate::identity::{Login, Revocation};
use crate::ids;
use crate::registry::record::hex;

/// Who is owed what.
#[derive(Debug)]
pub(super) struct Receivers(Vec<Receiver>);

/// One entry of the configuration.
#[derive(Debug)]
pub(super) struct Receiver {
    /// What it is called in SQL: a hash, since an address may hold a secret.
    pub(super) key: String,
    events: Vec<WebhookEvent>,
    /// It is owed so much that sessions are not added.
    is_full: AtomicBool,
}

/// The `data` of an event.
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
    /// As lists show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    at: &'a str,
}

impl Receivers {
    pub(super) fn new(webhooks: &Webhooks) -> Self {
        let receiver = |entry: &crate::config::WebhookConfig| Receiver {
            key: hex(&digest(&SHA256, entry.called().as_bytes()).as_ref()[..16]),
            events: entry.events.clone(),
            is_full: AtomicBool::new(false),
        };
        Self(webhooks.as_slice().iter().map(receiver).collect())
    }

    /// By its place in the configuration.
    pub(super) fn get(&self, place: usize) -> Option<&Receiver> {
        self.0.get(place)
    }

    fn who_want(&self, event: WebhookEvent) -> impl Iterator<Item = &Receiver> {
        self.0.iter().filter(move |receiver| receiver.events.contains(&event))
    }
}

impl Receiver {
    pub(super) fn set_full(&self, is_full: bool) {
        self.is_full.store(is_full, Ordering::Relaxed);
    }
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
        let body = Body { except_sid, by, ..Body::about(user, issuer_name, &text, &at) };
        self.write_outbox(transaction, now, WebhookEvent::LoginRevoked, (issuer_name, subject), &body).await
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
        let body = Body::about(Some(user.subject), issuer, &text, &at);
        let who = (issuer, Some(user.subject));
        self.write_outbox(transaction, now, WebhookEvent::LoginNew, who, &body).await
    }

    async fn write_outbox(
        &self,
        transaction: &mut AnyConnection,
        now: u64,
        event: WebhookEvent,
        (issuer, subject): (&str, Option<&str>),
        body: &Body<'_>,
    ) -> Result<(), StorageError> {
        let statement = "INSERT INTO outbox (at, event, issuer, subject, body, endpoint, message, due_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $1)";
        for receiver in self.shared.receivers.who_want(event) {
            let body = serde_json::to_string(body).map_err(|_| StorageError::Unstorable(BODY))?;
            sqlx::query(statement)
                .bind(signed(now))
                .bind(event.as_str())
                .bind(issuer)
                .bind(subject.map(|subject| storable("a user", subject)).transpose()?)
                .bind(storable(BODY, &body)?)
                .bind(&receiver.key)
                .bind(format!("msg_{}", ids::message_id()))
                .execute(&mut *transaction)
                .await?;
        }
        Ok(())
    }

    /// What has happened to sessions, unless their user was forgotten since they began. Gives how many events nobody is
    /// told of, since a receiver is owed too much already.
    pub(super) async fn write_owed_sessions(
        &self,
        transaction: &mut AnyConnection,
        notes: &[&SessionNote],
    ) -> Result<u64, StorageError> {
        let (mut owed, mut dropped) = (Vec::new(), 0);
        for note in notes {
            let issuer = self.issuer_name(note.issuer);
            let body = session_body(note, issuer)?;
            for receiver in self.shared.receivers.who_want(note.event()) {
                match receiver.is_full.load(Ordering::Relaxed) {
                    true => dropped += 1,
                    false => owed.push((note, issuer, receiver, note.message(&receiver.key), body.clone())),
                }
            }
        }
        let mut rows = Vec::with_capacity(owed.len());
        for (note, issuer, receiver, message, body) in &owed {
            rows.push([
                Cell::Number(signed(note.at)),
                Cell::Text(Some(note.event().as_str())),
                Cell::Text(Some(issuer)),
                Cell::Text(Some(storable("a user", &note.subject)?)),
                Cell::Text(Some(storable(BODY, body)?)),
                Cell::Text(Some(&receiver.key)),
                Cell::Text(Some(message)),
                Cell::Number(signed(note.connected_at)),
            ]);
        }
        for piece in pieces(&rows) {
            statement(INSERT_SESSIONS, piece).execute(&mut *transaction).await?;
        }
        Ok(dropped)
    }
}

impl<'a> Body<'a> {
    /// `login` is the text of one, or empty.
    fn about(user: Option<&'a str>, issuer: &'a str, login: &'a str, at: &'a str) -> Self {
        let (sid, jti, digest) =
            (login.strip_prefix("sid:"), login.strip_prefix("jti:"), login.strip_prefix("sha256:"));
        let (except_sid, session, reason, detail, by) = (None, None, None, None, None);
        Self { user, issuer, sid, jti, digest, except_sid, session, reason, detail, by, at }
    }
}

fn session_body(note: &SessionNote, issuer: &str) -> Result<String, StorageError> {
    let (login, at) = (note.login.to_string(), to_iso8601(note.at));
    let session = serde_json::from_str(&note.item).map_err(|_| StorageError::Unstorable(BODY))?;
    let end = note.end.as_ref();
    let body = Body {
        session: Some(session),
        reason: end.map(|end| end.reason.as_str()),
        detail: end.map(|end| &*end.detail),
        by: end.and_then(|end| end.by.as_deref()),
        ..Body::about(Some(&note.subject), issuer, &login, &at)
    };
    serde_json::to_string(&body).map_err(|_| StorageError::Unstorable(BODY))
}

impl SessionNote {
    fn event(&self) -> WebhookEvent {
        match self.end {
            Some(_) => WebhookEvent::SessionEnded,
            None => WebhookEvent::SessionStarted,
        }
    }

    /// The same on each node that tells of it, so that who has heard it once knows it again. A session that others took
    /// for lost may end once more.
    fn message(&self, receiver: &str) -> String {
        let is_lost = self.end.as_ref().is_some_and(|end| end.reason == EndReason::NodeLost);
        let text = format!("{} {} {is_lost} {receiver}", self.event().as_str(), self.socket_id.as_str());
        format!("msg_{}", hex(&digest(&SHA256, text.as_bytes()).as_ref()[..16]))
    }
}

const INSERT_SESSIONS: &str = "INSERT INTO outbox (at, event, issuer, subject, body, endpoint, message, due_at) \
     SELECT column1, column2, column3, column4, column5, column6, column7, column1 FROM (VALUES {rows}) AS happened \
     WHERE NOT EXISTS (SELECT 1 FROM audit WHERE audit.issuer = column3 AND audit.subject = column4 \
     AND audit.action = 'user.erased' AND audit.at >= column8) \
     ON CONFLICT (message) DO NOTHING";
