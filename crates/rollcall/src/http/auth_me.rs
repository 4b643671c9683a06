//! `GET /auth/me`: the account that the Bearer token speaks for.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;

use super::Problem;
use crate::app::App;
use crate::clock::to_iso8601;
use crate::config::TokenPlace;
use crate::identity;

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

pub(super) async fn handle(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Json<Me>, Problem> {
    // A header that is not text is there and is no token.
    let header = headers.get(AUTHORIZATION).map(|value| value.to_str().unwrap_or("?"));
    let token = identity::find(&[TokenPlace::Header], header, None, None)?;
    let judge = || app.identity.judge(&token, app.clock.unix_seconds());
    let principal = identity::when_known(judge).await?;
    // Accounts are the built-in issuer's: somebody else's subject of the same name is somebody else.
    let is_ours = principal.issuer == identity::IssuerId::BUILT_IN;
    let account = if is_ours { app.accounts.find(&principal.subject).await? } else { None };
    let account = account.ok_or_else(|| {
        let detail = "The token is good, but its user has no account here: it was made somewhere else.";
        Problem::new(StatusCode::NOT_FOUND, "account_not_found", detail)
    })?;
    Ok(Json(Me {
        id: account.id,
        email: account.email,
        name: account.name,
        created_at: to_iso8601(account.created_at),
    }))
}
