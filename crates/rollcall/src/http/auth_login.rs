//! `POST /auth/login {email, password}`: 200 and a token pair.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use utoipa::ToSchema;

use super::Problem;
use super::body::{Body, Fields, Payload};
use super::caller::LoginCaller;
use super::openapi::AUTH;
use super::token_pair::TokenPair;
use crate::accounts::{Email, Password};
use crate::app::App;

/// Who wants in.
#[derive(ToSchema)]
pub(super) struct Credentials {
    /// In any spelling.
    #[schema(value_type = String, format = Email)]
    email: Email,
    /// 8 to 1,024 bytes.
    #[schema(value_type = String, min_length = 8, max_length = 1024)]
    password: Password,
}

impl Payload for Credentials {
    fn parse(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self {
            email: Email::parse(&fields.text("email")?)?,
            password: Password::parse(fields.text("password")?)?,
        })
    }
}

/// A token pair for an address and a password.
#[utoipa::path(
    post, path = "/auth/login", operation_id = "login", tag = AUTH, request_body = Credentials,
    responses(
        (status = 200, description = "A new login.", body = TokenPair),
        (status = 401, description = "credentials_invalid"),
        (status = 429, description = "rate_limited"),
        (status = 503, description = "overloaded storage_unavailable"),
    ),
)]
pub(super) async fn handle(
    LoginCaller(address): LoginCaller,
    State(app): State<Arc<App>>,
    Body(given): Body<Credentials>,
) -> Result<Json<TokenPair>, Problem> {
    let pair = app.accounts.login(&given.email, given.password, address).await?;
    Ok(Json(TokenPair::mint(&app, &pair)?))
}
