//! Whom the `Authorization` header of a request speaks for. Does not know: what they want.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};

use super::Problem;
use crate::accounts::Account;
use crate::app::App;
use crate::config::TokenPlace;
use crate::identity::{self, IssuerId, Login, Principal, TokenRefusal, Unproven};

/// Whose request it is, by a good token.
pub(super) struct Bearer(pub(super) Principal);

impl FromRequestParts<Arc<App>> for Bearer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let token = token(&parts.headers)?;
        let judge = || app.identity.judge(&token, app.clock.unix_seconds());
        Ok(Self(identity::when_known(judge).await?))
    }
}

/// The same for who has an account here.
pub(super) struct AccountHolder {
    pub(super) account: Account,
    /// Of the token.
    pub(super) login: Login,
}

impl FromRequestParts<Arc<App>> for AccountHolder {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let Bearer(principal) = Bearer::from_request_parts(parts, app).await?;
        // Accounts are the built-in issuer's: somebody else's subject of the same name is somebody else.
        let is_ours = principal.issuer == IssuerId::BUILT_IN;
        let account = if is_ours { app.accounts.find(&principal.subject).await? } else { None };
        let account = account.ok_or_else(|| {
            let detail = "The token is good, but its user has no account here: it was made somewhere else.";
            Problem::new(StatusCode::NOT_FOUND, "account_not_found", detail)
        })?;
        Ok(Self { account, login: principal.login })
    }
}

/// Who wants to be logged out: nobody when there is no token, or one that opens nothing (any more).
pub(super) async fn leaving(app: &App, headers: &HeaderMap) -> Result<Option<Principal>, Problem> {
    let Ok(token) = token(headers) else { return Ok(None) };
    let judge = || app.identity.judge_leaving(&token, app.clock.unix_seconds());
    match identity::when_known(judge).await {
        Ok(principal) => Ok(Some(principal)),
        Err(Unproven::Refused(_)) => Ok(None),
        // Somebody's login may go on: better said than kept quiet.
        Err(unproven @ (Unproven::Pending(_) | Unproven::Unavailable)) => Err(unproven.into()),
    }
}

/// The text of the header, not yet looked at.
pub(super) fn token(headers: &HeaderMap) -> Result<String, TokenRefusal> {
    // A header that is not text is there and is no token. Nor are several: a proxy in front may have judged another.
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let header = match (lines.next(), lines.next()) {
        (Some(line), None) => Some(line.to_str().unwrap_or("?")),
        (Some(_), Some(_)) => Some("?"),
        (None, _) => None,
    };
    identity::find(&[TokenPlace::Header], header, None, None).map(String::from)
}
