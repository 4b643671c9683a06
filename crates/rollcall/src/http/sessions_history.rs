//! `GET /api/sessions/history` and `GET /api/users/{userId}/sessions/history`: sessions that have ended, and why, for
//! their user and for other servers. Does not know: when they are written down.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::bearer::Bearer;
use super::openapi::{SERVERS, SESSIONS};
use super::server_call::{Read, ServerCall, UserParams};
use super::{Problem, paging, query};
use crate::app::App;
use crate::clock::to_iso8601;
use crate::store::{EndedRow, User};

/// Sessions of the caller that have ended, the last one first.
#[utoipa::path(
    get, path = "/api/sessions/history", operation_id = "listOwnEndedSessions", tag = SESSIONS,
    security(("token" = [])),
    params(
        ("limit" = Option<u16>, Query, description = "Sessions in one answer; 100 without it.", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "`next` of the answer before."),
    ),
    responses(
        (status = 200, description = "As many as `limit` says.", body = EndedList),
        (status = 400, description = "payload_invalid"),
        (status = 404, description = "history_off"),
        (status = 503, description = "storage_unavailable"),
    ),
)]
pub(super) async fn own(
    State(app): State<Arc<App>>,
    Bearer(principal): Bearer,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    query::only(query.as_deref(), &["limit", "cursor"])?;
    let user = User { issuer: principal.issuer, subject: &principal.subject };
    answer(&app, user, query.as_deref(), Shown::ToUser).await
}

/// Sessions of a user that have ended, the last one first.
#[utoipa::path(
    get, path = "/api/users/{userId}/sessions/history", operation_id = "listEndedSessions", tag = SERVERS,
    security(("apiKey" = [])),
    params(
        UserParams,
        ("limit" = Option<u16>, Query, description = "Sessions in one answer; 100 without it.", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "`next` of the answer before."),
    ),
    responses(
        (status = 200, description = "As many as `limit` says.", body = EndedList),
        (status = 404, description = "history_off"),
        (status = 503, description = "storage_unavailable"),
    ),
)]
pub(super) async fn of_user(
    State(app): State<Arc<App>>,
    call: ServerCall<Read>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let user = User { issuer: call.user.issuer, subject: &call.user.subject };
    answer(&app, user, query.as_deref(), Shown::ToServer).await
}

/// Who reads it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// What an operator calls a key is not theirs to know.
    ToUser,
    ToServer,
}

async fn answer(app: &App, user: User<'_>, query: Option<&str>, shown: Shown) -> Result<Response, Problem> {
    let (limit, before) = (paging::limit(query, LIMIT)?, paging::cursor(query, parse_cursor)?);
    if app.config.history.keep_days == 0 {
        let detail = "Ended sessions are not kept here.";
        return Err(Problem::new(StatusCode::NOT_FOUND, "history_off", detail));
    }
    // One more than is given, to see whether there is more.
    let mut rows = app.store.ended_sessions(user, before, limit + 1).await?;
    let next = (rows.len() > limit).then(|| rows.truncate(limit)).and_then(|()| rows.last());
    let next = next.map(|last| format!("{}.{}", last.ended_at, last.id));
    let items: Vec<String> = rows.iter().filter_map(|row| item(row, shown)).collect();
    let mut out = format!(r#"{{"sessions":[{}]"#, items.join(","));
    if let Some(next) = next {
        out.push_str(&format!(r#","next":"{next}""#));
    }
    out.push('}');
    Ok(([(CONTENT_TYPE, "application/json")], out).into_response())
}

/// The item of the list, with its end behind it.
fn item(row: &EndedRow, shown: Shown) -> Option<String> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct End<'a> {
        ended_at: String,
        reason: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<&'a str>,
    }
    let by = row.actor.as_deref().map(|by| match (shown, by.split_once(':')) {
        (Shown::ToUser, Some((kind, _))) => kind,
        (Shown::ToUser, None) | (Shown::ToServer, _) => by,
    });
    let (ended_at, detail) = (to_iso8601(row.ended_at()), row.detail.as_deref());
    let end = serde_json::to_string(&End { ended_at, reason: &row.reason, detail, by }).ok()?;
    Some(format!("{},{}", row.item.strip_suffix('}')?, end.strip_prefix('{')?))
}

fn parse_cursor(text: &str) -> Option<(i64, i64)> {
    let (at, id) = text.split_once('.')?;
    Some((at.parse().ok()?, id.parse().ok()?))
}

/// Sessions of a user that have ended, the last one first.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of what is written above")]
pub(super) struct EndedList {
    /// The sessions.
    sessions: Vec<EndedItem>,
    /// The cursor of the rest, when there is more.
    #[schema(nullable = false)]
    next: Option<String>,
}

/// A session as lists showed it last, and its end.
#[derive(ToSchema)]
#[schema(as = EndedSession, rename_all = "camelCase")]
#[expect(dead_code, reason = "as above")]
pub(super) struct EndedItem {
    #[schema(inline)]
    #[serde(flatten)]
    session: crate::wire::SessionItem,
    /// ISO 8601, UTC, milliseconds.
    ended_at: String,
    /// `closed`, `timeout`, `revoked`, `evicted`, `expired`, `node_lost` or `shutdown`.
    reason: String,
    /// The same as `rollcall_session_ends_total` counts it.
    #[schema(nullable = false)]
    detail: Option<String>,
    /// Who has revoked it, as far as that is known: `user`, `api_key`, `operator`, `issuer`, `server` or `admin`; other
    /// servers get the name of the key too, `api_key:NAME`.
    #[schema(nullable = false)]
    by: Option<String>,
}

const LIMIT: usize = 100;
