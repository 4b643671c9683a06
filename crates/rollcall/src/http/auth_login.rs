//! `POST /auth/login {email, password}`: 200 and a token, named as OAuth 2 does (RFC 6749 section 5.1).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::Problem;
use super::body::Fields;
use crate::accounts::{Account, Email, Password};
use crate::app::App;
use crate::identity::MintError;

pub(super) async fn handle(
    State(app): State<Arc<App>>,
    mut fields: Fields,
) -> Result<Json<TokenBody>, Problem> {
    let email = Email::parse(&fields.text("email")?)?;
    let password = Password::parse(fields.text("password")?)?;
    let account = app.accounts.login(&email, password).await?;
    Ok(TokenBody::mint(&app, &account)?)
}

/// A token pair; of the pair there is only the first half yet.
#[derive(Serialize)]
pub(super) struct TokenBody {
    access_token: String,
    token_type: &'static str,
    /// Seconds.
    expires_in: u64,
}

impl TokenBody {
    /// A new access token for this account, good from now on.
    pub(super) fn mint(app: &App, account: &Account) -> Result<Json<Self>, MintError> {
        let ttl = app.identity.access_ttl();
        let access_token = app.identity.mint(&account.id, None, app.clock.unix_seconds(), ttl)?;
        Ok(Json(Self { access_token, token_type: "Bearer", expires_in: ttl.as_secs() }))
    }
}
