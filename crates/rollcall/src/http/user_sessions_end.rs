//! `DELETE /api/users/{userId}/sessions` and `DELETE /api/users/{userId}/sessions/{socketId}`: other servers end a user's
//! logins, or with `?tokens=keep` only the connections. Does not know: what the end of a login takes.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};

use super::ended::{EndedBody, SessionPath};
use super::openapi::SERVERS;
use super::server_call::{End, ServerCall, UserParams};
use super::unhindered::unhindered;
use super::{Problem, query};
use crate::app::App;
use crate::gateway::revoking::{Caller, NotRevoked, Scope};
use crate::registry::Which;

/// Ends every login of a user.
#[utoipa::path(
    delete, path = "/api/users/{userId}/sessions", operation_id = "endSessions", tag = SERVERS,
    security(("apiKey" = [])),
    params(
        UserParams,
        ("tokens" = inline(Option<TokensWord>), Query, description = "`keep`: the sockets close, the tokens stay good."),
    ),
    responses(
        (status = 200, description = "They have ended.", body = EndedBody),
        (status = 503, description = "storage_unavailable"),
    ),
)]
pub(super) async fn all(
    State(app): State<Arc<App>>,
    call: ServerCall<End>,
    RawQuery(query): RawQuery,
) -> Result<Json<EndedBody>, Problem> {
    if keeps_tokens(query.as_deref())? {
        let ended = app.disconnect_everywhere(&call.user, &Which::All, call.asker()).await;
        return Ok(EndedBody::disconnected(ended));
    }
    end(app, call, Scope::All).await
}

/// Ends the login of one of a user's sessions.
#[utoipa::path(
    delete, path = "/api/users/{userId}/sessions/{socketId}", operation_id = "endSession", tag = SERVERS,
    security(("apiKey" = [])),
    params(
        UserParams,
        ("socketId" = String, Path, description = "As the list gives it."),
        ("tokens" = inline(Option<TokensWord>), Query, description = "`keep`: the socket closes, the token stays good."),
    ),
    responses(
        (status = 200, description = "It has ended.", body = EndedBody),
        (status = 404, description = "session_not_found"),
        (status = 503, description = "storage_unavailable"),
    ),
)]
pub(super) async fn one(
    State(app): State<Arc<App>>,
    call: ServerCall<End>,
    SessionPath(id): SessionPath,
    RawQuery(query): RawQuery,
) -> Result<Json<EndedBody>, Problem> {
    if keeps_tokens(query.as_deref())? {
        return match app.disconnect_everywhere(&call.user, &Which::One(id), call.asker()).await {
            0 => Err(NotRevoked::SessionNotFound.into()),
            count => Ok(EndedBody::disconnected(count)),
        };
    }
    end(app, call, Scope::Session(id)).await
}

async fn end(app: Arc<App>, call: ServerCall<End>, scope: Scope) -> Result<Json<EndedBody>, Problem> {
    unhindered(async move {
        let caller = Caller { by: call.asker(), login: None, session: None };
        Ok(EndedBody::of(&app.revoke(&call.user, &scope, caller).await?))
    })
    .await
}

fn keeps_tokens(query: Option<&str>) -> Result<bool, Problem> {
    match query::find(query, "tokens")?.as_deref() {
        None => Ok(false),
        Some("keep") => Ok(true),
        Some(_) => Err(Problem::field("tokens", "tokens must be keep, or not be there")),
    }
}

/// The one word of `?tokens=`.
#[derive(utoipa::ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "the shape of what is read above")]
enum TokensWord {
    Keep,
}
