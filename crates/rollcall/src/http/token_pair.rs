//! What a login and a refresh give: a pair of tokens, named as OAuth 2 does (RFC 6749 section 5.1). Does not know: why.

use serde::Serialize;
use utoipa::ToSchema;

use crate::accounts::Pair;
use crate::app::App;
use crate::identity::MintError;

/// An access token and what is exchanged for the next one.
#[derive(Serialize, ToSchema)]
pub(super) struct TokenPair {
    /// A JWT.
    access_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Seconds that the access token is good.
    expires_in: u64,
    /// 43 characters, good once.
    refresh_token: String,
    /// Seconds that the refresh token is good.
    refresh_token_expires_in: u64,
}

impl TokenPair {
    /// The access token is signed now; it belongs to the login of the refresh token.
    pub(super) fn mint(app: &App, pair: &Pair) -> Result<Self, MintError> {
        let ttl = app.identity.access_ttl();
        let access_token = app.identity.mint(&pair.account, Some(&pair.login), pair.issued_at, ttl)?;
        Ok(Self {
            access_token,
            token_type: "Bearer",
            expires_in: ttl.as_secs(),
            refresh_token: pair.refresh_token.text(),
            refresh_token_expires_in: pair.refresh_expires_at.saturating_sub(app.clock.unix_millis()) / 1000,
        })
    }
}
