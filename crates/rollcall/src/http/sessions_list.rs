//! `GET /api/sessions`: the live sessions of the user of the Bearer token. Who has as many as may be gets in here too.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;

use super::bearer::Bearer;
use super::openapi::SESSIONS;
use super::paging::Paging;
use super::session_list::{self, SessionList};
use super::{Problem, query};
use crate::app::App;
use crate::registry::UserKey;

/// The caller's own live sessions.
#[utoipa::path(
    get, path = "/api/sessions", operation_id = "listOwnSessions", tag = SESSIONS, security(("token" = [])),
    responses(
        (status = 200, description = "All of them.", body = SessionList),
        (status = 400, description = "payload_invalid"),
    ),
)]
pub(super) async fn handle(
    State(app): State<Arc<App>>,
    Bearer(principal): Bearer,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    query::only(query.as_deref(), &[])?;
    let user = UserKey { issuer: principal.issuer, subject: principal.subject };
    Ok(session_list::answer(&app, &user, &Paging::ALL).await)
}
