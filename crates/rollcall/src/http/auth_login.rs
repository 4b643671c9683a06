//! `POST /auth/login {email, password}`: 200 and a token pair.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::Problem;
use super::body::{Body, Fields, Payload};
use super::caller::LoginCaller;
use super::token_pair::TokenPair;
use crate::accounts::{Email, Password};
use crate::app::App;

/// Who wants in.
pub(super) struct Credentials {
    email: Email,
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

pub(super) async fn handle(
    LoginCaller(address): LoginCaller,
    State(app): State<Arc<App>>,
    Body(given): Body<Credentials>,
) -> Result<Json<TokenPair>, Problem> {
    let pair = app.accounts.login(&given.email, given.password, address).await?;
    Ok(Json(TokenPair::mint(&app, &pair)?))
}
