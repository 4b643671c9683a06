//! `GET /api/users/{userId}/sessions`: a user's live sessions, for other servers.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;

use super::Problem;
use super::openapi::SERVERS;
use super::paging::Paging;
use super::server_call::{Read, ServerCall, UserParams};
use super::session_list::{self, SessionList};
use crate::app::App;

/// A user's live sessions.
#[utoipa::path(
    get, path = "/api/users/{userId}/sessions", operation_id = "listSessions", tag = SERVERS,
    security(("apiKey" = [])),
    params(
        UserParams,
        ("limit" = Option<u16>, Query, description = "Sessions in one answer.", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "`next` of the answer before."),
    ),
    responses((status = 200, description = "As many as `limit` says.", body = SessionList)),
)]
pub(super) async fn handle(
    State(app): State<Arc<App>>,
    call: ServerCall<Read>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let paging = Paging::parse(query.as_deref())?;
    Ok(session_list::answer(&app, &call.user, &paging).await)
}
