//! Sessions that have ended, each once and with its reason: written many at a time, kept for a while, shown to their
//! user. Does not know: live sessions, when it is called.

use std::borrow::Cow;
use std::collections::HashSet;

use sqlx::AnyConnection;

use super::rows::{Cell, pieces, statement};
use super::texts::{BODY, storable};
use super::{Kind, StorageError, Store, User, bounded, signed, unsigned};
use crate::identity::{IssuerId, Login};
use crate::registry::SocketId;

/// What has happened to a session.
#[derive(Clone, Debug)]
pub struct SessionNote {
    /// Which.
    pub socket_id: SocketId,
    /// Whose.
    pub issuer: IssuerId,
    /// The same.
    pub subject: Box<str>,
    /// What its token belonged to.
    pub login: Login,
    /// When it began, in milliseconds since the epoch.
    pub connected_at: u64,
    /// As lists showed it last: a JSON object.
    pub item: String,
    /// When it happened, in milliseconds since the epoch.
    pub at: u64,
    /// Its end; without one it has begun.
    pub end: Option<SessionEnd>,
}

/// The end of a session.
#[derive(Clone, Debug)]
pub struct SessionEnd {
    /// Why.
    pub reason: EndReason,
    /// The same as `rollcall_session_ends_total` counts it.
    pub detail: Cow<'static, str>,
    /// Who has revoked it, as in the audit; found when it is written if it is not known yet.
    pub by: Option<Box<str>>,
}

/// Why a session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// Its connection was closed, by whomever.
    Closed,
    /// Its client did not answer a ping.
    Timeout,
    /// Somebody who may has ended it.
    Revoked,
    /// Another one has taken its place.
    Evicted,
    /// Its token has expired.
    Expired,
    /// Its node has died.
    NodeLost,
    /// Its node was stopped.
    Shutdown,
}

/// Sessions of whose ends nothing else is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unrecorded {
    /// How many.
    pub sessions: u64,
    /// When the first of them ended, in milliseconds since the epoch.
    pub since: u64,
}

/// What has become of notes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Noted {
    /// Rows that were added to the history.
    pub rows: u64,
    /// Events that a webhook is not told of, since it is owed too much already.
    pub untold: u64,
}

/// One session that has ended.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct EndedRow {
    /// Grows with each row.
    pub id: i64,
    /// In milliseconds since the epoch.
    pub ended_at: i64,
    /// The word of an [`EndReason`].
    pub reason: String,
    /// See [`SessionEnd::detail`].
    pub detail: Option<String>,
    /// Who has revoked it.
    pub actor: Option<String>,
    /// The session as lists showed it last: a JSON object.
    pub item: String,
}

impl EndReason {
    /// The word that stands for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Timeout => "timeout",
            Self::Revoked => "revoked",
            Self::Evicted => "evicted",
            Self::Expired => "expired",
            Self::NodeLost => "node_lost",
            Self::Shutdown => "shutdown",
        }
    }
}

impl Store {
    /// Writes down what has happened to sessions, for the history if `keep` says so and for webhooks, all or nothing.
    /// Whoever comes second with the end of a session changes nothing, unless the first one only took it for lost.
    /// Nothing is written of a user who was forgotten since the session began.
    pub async fn note_sessions(
        &self,
        keep: bool,
        notes: &mut Vec<SessionNote>,
        unrecorded: Option<Unrecorded>,
    ) -> Result<Noted, StorageError> {
        bounded(async {
            settle_order(notes);
            let mut transaction = self.begin().await?;
            if self.shared.kind == Kind::Postgres {
                // Nobody is forgotten meanwhile; of SQLite this is the only writer anyway.
                sqlx::query("SELECT value FROM sequences WHERE name = 'erasures' FOR SHARE")
                    .fetch_all(&mut *transaction)
                    .await?;
            }
            self.find_actors(&mut transaction, notes).await?;
            let added = match keep {
                true => Some(self.insert_ended(&mut transaction, notes).await?),
                false => None,
            };
            let is_news = |note: &&SessionNote| match (&note.end, &added) {
                (Some(_), Some(added)) => added.contains(note.socket_id.as_str()),
                (Some(_), None) | (None, _) => true,
            };
            let news: Vec<&SessionNote> = notes.iter().filter(is_news).collect();
            let untold = self.write_owed_sessions(&mut transaction, &news).await?;
            if let Some(unrecorded) = unrecorded.filter(|_| keep) {
                insert_unrecorded(&mut transaction, unrecorded).await?;
            }
            transaction.commit().await?;
            Ok(Noted { rows: added.map_or(0, |added| added.len() as u64), untold })
        })
        .await
    }

    /// Sessions of a user that have ended, the last one first; `before` is the end and the id of a row to go on behind.
    pub async fn ended_sessions(
        &self,
        user: User<'_>,
        before: Option<(i64, i64)>,
        limit: usize,
    ) -> Result<Vec<EndedRow>, StorageError> {
        let statement = "SELECT id, ended_at, reason, detail, actor, item FROM history \
             WHERE issuer = $1 AND subject = $2 AND item IS NOT NULL \
             AND (ended_at < $3 OR (ended_at = $3 AND id < $4)) ORDER BY ended_at DESC, id DESC LIMIT $5";
        let (ended_at, id) = before.unwrap_or((i64::MAX, i64::MAX));
        bounded(async {
            let query = sqlx::query_as(statement)
                .bind(self.issuer_name(user.issuer))
                .bind(storable("a user", user.subject)?)
                .bind(ended_at)
                .bind(id)
                .bind(i64::try_from(limit).unwrap_or(i64::MAX));
            Ok(query.fetch_all(self.pool()).await?)
        })
        .await
    }

    /// Who has revoked those of whom it is not known: whoever did has written it down before anybody was closed.
    async fn find_actors(
        &self,
        transaction: &mut AnyConnection,
        notes: &mut [SessionNote],
    ) -> Result<(), StorageError> {
        for note in notes {
            let Some(end) = &mut note.end else { continue };
            if end.reason != EndReason::Revoked || end.by.is_some() {
                continue;
            }
            let user = (self.issuer_name(note.issuer), storable("a user", &note.subject)?);
            // What was revoked before it began did not end it.
            let began = note.connected_at.saturating_sub(CLOCKS_APART);
            let since = note.at.saturating_sub(REVOKED_BEFORE).max(began);
            let login = note.login.to_string();
            let by = self.who_revoked(transaction, since, user, storable("a login", &login)?).await?;
            end.by = by.map(String::into_boxed_str);
        }
        Ok(())
    }

    /// Gives the ids of those whose rows are new or another.
    async fn insert_ended(
        &self,
        transaction: &mut AnyConnection,
        notes: &[SessionNote],
    ) -> Result<HashSet<String>, StorageError> {
        let mut rows = Vec::with_capacity(notes.len());
        for note in notes {
            let Some(end) = &note.end else { continue };
            rows.push([
                Cell::Text(Some(note.socket_id.as_str())),
                Cell::Text(Some(self.issuer_name(note.issuer))),
                Cell::Text(Some(storable("a user", &note.subject)?)),
                Cell::Number(signed(note.connected_at)),
                Cell::Number(signed(note.at)),
                Cell::Text(Some(end.reason.as_str())),
                Cell::Text(Some(storable("a reason", &end.detail)?)),
                Cell::Text(end.by.as_deref().map(|by| storable("who did it", by)).transpose()?),
                Cell::Text(Some(storable(BODY, &note.item)?)),
            ]);
        }
        let mut added = HashSet::with_capacity(rows.len());
        for piece in pieces(&rows) {
            let rows = statement(INSERT_ENDED, piece).fetch_all(&mut *transaction).await?;
            for row in rows {
                added.insert(sqlx::Row::try_get::<String, _>(&row, 0)?);
            }
        }
        Ok(added)
    }
}

async fn insert_unrecorded(
    transaction: &mut AnyConnection,
    unrecorded: Unrecorded,
) -> Result<(), StorageError> {
    let statement = "INSERT INTO history (connected_at, ended_at, reason, sessions) \
         VALUES ($1, $1, 'unrecorded', $2)";
    sqlx::query(statement)
        .bind(signed(unrecorded.since))
        .bind(signed(unrecorded.sessions))
        .execute(&mut *transaction)
        .await?;
    Ok(())
}

/// In the order of their ids: two nodes that write down the same ones then wait for each other and never both. Of two ends
/// of one session the one stays that its own node tells.
fn settle_order(notes: &mut Vec<SessionNote>) {
    let is_lost = |note: &SessionNote| note.end.as_ref().is_some_and(|end| end.reason == EndReason::NodeLost);
    notes.sort_by_key(|note| (note.socket_id, note.end.is_some(), is_lost(note)));
    notes.dedup_by_key(|note| (note.socket_id, note.end.is_some()));
}

impl SessionNote {
    /// Whether it can be stored at all: one that cannot must not keep the others waiting.
    pub fn is_storable(&self) -> bool {
        let end = self.end.as_ref();
        storable("a user", &self.subject).is_ok()
            && storable("a login", &self.login.to_string()).is_ok()
            && self.item.len() <= ITEM_MAX
            && storable(BODY, &self.item).is_ok()
            && end.and_then(|end| end.by.as_deref()).is_none_or(|by| storable("who did it", by).is_ok())
    }
}

impl EndedRow {
    /// In milliseconds since the epoch.
    pub fn ended_at(&self) -> u64 {
        unsigned(self.ended_at)
    }
}

const INSERT_ENDED: &str = "INSERT INTO history \
     (socket_id, issuer, subject, connected_at, ended_at, reason, detail, actor, item) \
     SELECT column1, column2, column3, column4, column5, column6, column7, column8, column9 \
     FROM (VALUES {rows}) AS happened \
     WHERE NOT EXISTS (SELECT 1 FROM audit WHERE audit.issuer = column2 AND audit.subject = column3 \
     AND audit.action = 'user.erased' AND audit.at >= column4) \
     ON CONFLICT (socket_id) DO UPDATE SET ended_at = excluded.ended_at, reason = excluded.reason, \
     detail = excluded.detail, actor = excluded.actor, item = excluded.item \
     WHERE history.reason = 'node_lost' AND excluded.reason <> 'node_lost' RETURNING socket_id";
/// Milliseconds by which the end of a session may be later than its revocation: a node may have been cut off.
const REVOKED_BEFORE: u64 = 10 * 60 * 1000;
/// Milliseconds by which the clocks of two nodes may differ.
const CLOCKS_APART: u64 = 10 * 1000;
/// Bytes: half of what an event may have, of which this is a part.
const ITEM_MAX: usize = 8 * 1024;
