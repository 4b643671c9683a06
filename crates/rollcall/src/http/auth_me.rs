//! `GET /auth/me`: the account that the Bearer token speaks for. `DELETE /auth/me {password}`: 204, and nothing of it is
//! left.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::Problem;
use super::bearer::AccountHolder;
use super::body::{Body, Fields, Payload};
use super::caller::LoginCaller;
use super::unhindered::unhindered;
use crate::accounts::Password;
use crate::app::App;
use crate::clock::to_iso8601;

/// An account as its owner sees it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Me {
    id: String,
    email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    created_at: String,
}

pub(super) async fn handle(AccountHolder { account, .. }: AccountHolder) -> Json<Me> {
    let created_at = to_iso8601(account.created_at);
    Json(Me { id: account.id, email: account.email, name: account.name, created_at })
}

/// That it is meant.
pub(super) struct Erasure {
    password: Password,
}

impl Payload for Erasure {
    fn parse(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self { password: Password::parse(fields.text("password")?)? })
    }
}

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
