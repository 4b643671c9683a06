//! `GET /auth/me`: the account that the Bearer token speaks for. `DELETE /auth/me {password}`: 204, and nothing of it is
//! left.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::Problem;
use super::bearer::AccountHolder;
use super::body::{Body, Fields, Payload};
use super::caller::LoginCaller;
use super::openapi::AUTH;
use super::unhindered::unhindered;
use crate::accounts::Password;
use crate::app::App;
use crate::clock::to_iso8601;

/// An account as its owner sees it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Me {
    /// The `sub` of its tokens.
    id: String,
    /// As it was typed.
    email: String,
    /// What to call its owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// ISO 8601, UTC, milliseconds.
    created_at: String,
}

/// The account of the token.
#[utoipa::path(
    get, path = "/auth/me", operation_id = "me", tag = AUTH, security(("token" = [])),
    responses(
        (status = 200, description = "The account.", body = Me),
        (status = 404, description = "account_not_found"),
        (status = 503, description = "storage_unavailable"),
    ),
)]
pub(super) async fn handle(AccountHolder { account, .. }: AccountHolder) -> Json<Me> {
    let created_at = to_iso8601(account.created_at);
    Json(Me { id: account.id, email: account.email, name: account.name, created_at })
}

/// That it is meant.
#[derive(ToSchema)]
pub(super) struct Erasure {
    /// The present one.
    #[schema(value_type = String)]
    password: Password,
}

impl Payload for Erasure {
    fn parse(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self { password: Password::parse(fields.text("password")?)? })
    }
}

/// Erases the account of the token.
#[utoipa::path(
    delete, path = "/auth/me", operation_id = "eraseMe", tag = AUTH, security(("token" = [])), request_body = Erasure,
    responses(
        (status = 204, description = "Nothing of it is left."),
        (status = 403, description = "credentials_invalid"),
        (status = 404, description = "account_not_found"),
        (status = 429, description = "rate_limited"),
        (status = 503, description = "overloaded storage_unavailable"),
    ),
)]
pub(super) async fn erase(
    LoginCaller(address): LoginCaller,
    AccountHolder { account, .. }: AccountHolder,
    State(app): State<Arc<App>>,
    Body(given): Body<Erasure>,
) -> Result<StatusCode, Problem> {
    unhindered(async move {
        let erased = app.accounts.erase(&account.id, given.password, address).await;
        app.carry_out(erased.map_err(Problem::of_own_password)?).await;
        tracing::info!(account = account.id, "account erased by its owner");
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}
