//! `POST /auth/logout`: ends the login of the Bearer token, of `{refresh_token}`, or of both. 204 whatever was brought:
//! who wants to be out is out. Of a body that was not taken in it is said, since a refresh token may have stood there.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use utoipa::ToSchema;

use super::Problem;
use super::bearer;
use super::body::{Fields, OptionalBody, Payload};
use super::caller::RefreshCaller;
use super::openapi::AUTH;
use super::unhindered::unhindered;
use crate::app::App;
use crate::identity::Revocation;
use crate::store::RefreshToken;

/// What may be brought besides the Bearer token.
#[derive(Default, ToSchema)]
pub(super) struct Leaving {
    /// Of the login that is to end.
    #[schema(value_type = Option<String>)]
    refresh_token: Option<RefreshToken>,
}

impl Payload for Leaving {
    fn parse(fields: &mut Fields) -> Result<Self, Problem> {
        let text = fields.optional_text("refresh_token")?;
        Ok(Self { refresh_token: text.and_then(|text| RefreshToken::parse(&text)) })
    }
}

/// Ends the login of the token, of the refresh token, or of both.
#[utoipa::path(
    post, path = "/auth/logout", operation_id = "logout", tag = AUTH, request_body = Option<Leaving>,
    security(("token" = []), ()),
    responses(
        (status = 204, description = "Whoever it was is out; a body that is no such object counts as none."),
        (status = 408, description = "request_timeout"),
        (status = 413, description = "payload_too_large"),
        (status = 429, description = "rate_limited"),
        (status = 503, description = "storage_unavailable unavailable"),
    ),
)]
pub(super) async fn handle(
    RefreshCaller(address): RefreshCaller,
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Result<OptionalBody<Leaving>, Problem>,
) -> Result<StatusCode, Problem> {
    // Whatever the body is, it keeps nobody in whose token is good.
    let (given, unread) = match body {
        Ok(OptionalBody(given)) => (given, None),
        Err(problem) => (Leaving::default(), Some(problem).filter(Problem::is_of_size_or_time)),
    };
    let principal = bearer::leaving(&app, &headers).await?;
    unhindered(async move {
        if let Some(principal) = principal {
            let revocation = Revocation::Login {
                issuer: principal.issuer,
                subject: Some(principal.subject),
                login: principal.login,
                until: app.identity.revoked_until(app.clock.unix_seconds()),
            };
            let ended = app.accounts.end_login(revocation, address).await?;
            app.carry_out(ended).await;
        }
        if let Some(token) = given.refresh_token {
            let ended = app.accounts.end_login_of(&token, address).await?;
            app.carry_out(ended).await;
        }
        unread.map_or(Ok(StatusCode::NO_CONTENT), Err)
    })
    .await
}
