//! `DELETE /api/sessions/{socketId}` and `DELETE /api/sessions?scope=others|all`: what `sessions:revoke` does, for who has
//! no socket open, or as many as may be. Does not know: what the end of a login takes.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};

use super::bearer::Bearer;
use super::caller::RefreshCaller;
use super::ended::{EndedBody, SessionPath};
use super::openapi::SESSIONS;
use super::unhindered::unhindered;
use super::{Problem, query};
use crate::app::App;
use crate::gateway::revoking::{Caller, Scope};
use crate::identity::Principal;
use crate::registry::UserKey;
use crate::store::Actor;

/// Ends the login of one of the caller's own sessions; of the token's own login only that session.
#[utoipa::path(
    delete, path = "/api/sessions/{socketId}", operation_id = "endOwnSession", tag = SESSIONS,
    security(("token" = [])),
    params(("socketId" = String, Path, description = "As the list gives it.")),
    responses(
        (status = 200, description = "It has ended.", body = EndedBody),
        (status = 400, description = "payload_invalid"),
        (status = 404, description = "session_not_found"),
        (status = 429, description = "rate_limited"),
        (status = 503, description = "storage_unavailable"),
    ),
)]
pub(super) async fn one(
    RefreshCaller(address): RefreshCaller,
    Bearer(principal): Bearer,
    State(app): State<Arc<App>>,
    SessionPath(id): SessionPath,
    RawQuery(query): RawQuery,
) -> Result<Json<EndedBody>, Problem> {
    query::only(query.as_deref(), &[])?;
    end(app, principal, Scope::Session(id), address).await
}

/// Ends every login but the token's own (`others`), or every one (`all`).
#[utoipa::path(
    delete, path = "/api/sessions", operation_id = "endOwnSessions", tag = SESSIONS, security(("token" = [])),
    params(("scope" = inline(ScopeWord), Query, description = "Which.")),
    responses(
        (status = 200, description = "They have ended.", body = EndedBody),
        (status = 400, description = "payload_invalid"),
        (status = 429, description = "rate_limited"),
        (status = 503, description = "storage_unavailable"),
    ),
)]
pub(super) async fn many(
    RefreshCaller(address): RefreshCaller,
    Bearer(principal): Bearer,
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Json<EndedBody>, Problem> {
    query::only(query.as_deref(), &["scope"])?;
    let scope = match query::find(query.as_deref(), "scope")?.as_deref() {
        Some("others") => Scope::Others,
        Some("all") => Scope::All,
        // Nobody is signed out everywhere because a word was forgotten.
        Some(_) | None => return Err(Problem::field("scope", "scope must be others or all")),
    };
    end(app, principal, scope, address).await
}

async fn end(
    app: Arc<App>,
    principal: Principal,
    scope: Scope,
    address: IpAddr,
) -> Result<Json<EndedBody>, Problem> {
    unhindered(async move {
        let user = UserKey { issuer: principal.issuer, subject: principal.subject };
        let by = Actor::User.at(app.config.privacy.ip.apply(address));
        let caller = Caller { by, login: Some(&principal.login), session: None };
        Ok(EndedBody::of(&app.revoke(&user, &scope, caller).await?))
    })
    .await
}

/// The words of [`Scope`] in the query.
#[derive(utoipa::ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "the shape of what is read above")]
enum ScopeWord {
    Others,
    All,
}
