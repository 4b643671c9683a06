//! `POST /auth/refresh {refresh_token}`: 200 and a new pair; the token that was brought is spent.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use utoipa::ToSchema;

use super::Problem;
use super::body::{Body, Fields, Payload};
use super::caller::RefreshCaller;
use super::openapi::AUTH;
use super::token_pair::TokenPair;
use super::unhindered::unhindered;
use crate::accounts::{AccountError, Renewed};
use crate::app::App;
use crate::identity::TokenRefusal;
use crate::store::RefreshToken;

/// What is to be renewed.
#[derive(ToSchema)]
pub(super) struct Renewal {
    /// Spent with this. `None` for a text that is none of ours.
    #[schema(value_type = String)]
    refresh_token: Option<RefreshToken>,
}

impl Payload for Renewal {
    fn parse(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self { refresh_token: RefreshToken::parse(&fields.text("refresh_token")?) })
    }
}

/// The next token pair of a login.
#[utoipa::path(
    post, path = "/auth/refresh", operation_id = "refresh", tag = AUTH, request_body = Renewal,
    responses(
        (status = 200, description = "A new pair; within 10 s the same one again.", body = TokenPair),
        (status = 401, description = "token_invalid token_expired token_revoked"),
        (status = 429, description = "rate_limited"),
        (status = 503, description = "storage_unavailable"),
    ),
)]
pub(super) async fn handle(
    RefreshCaller(address): RefreshCaller,
    State(app): State<Arc<App>>,
    Body(given): Body<Renewal>,
) -> Result<Json<TokenPair>, Problem> {
    let token = given.refresh_token.ok_or(TokenRefusal::Invalid)?;
    unhindered(async move {
        match app.accounts.refresh(&token, address).await? {
            Renewed::Pair(pair) => Ok(Json(TokenPair::mint(&app, &pair)?)),
            Renewed::Invalid => Err(TokenRefusal::Invalid.into()),
            Renewed::Expired => Err(TokenRefusal::Expired.into()),
            Renewed::TooOften(wait) => Err(AccountError::TooMany(wait).into()),
            Renewed::Reused(revocations) => {
                app.carry_out(revocations).await;
                Err(TokenRefusal::Revoked.into())
            }
        }
    })
    .await
}
