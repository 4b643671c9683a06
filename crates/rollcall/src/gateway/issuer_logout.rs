//! A logout token that was judged to be good comes true, once. Does not know: what a logout token is.

use std::net::IpAddr;

use crate::app::App;
use crate::identity::{Logout, Revocation};
use crate::store::{Action, Actor, Audit, LogoutToken, StorageError, User};

impl App {
    /// Ends what the token's issuer says has ended: durably, then on live sockets. `false` when this token was used
    /// before (OpenID Connect Back-Channel Logout 1.0 section 2.6, step 8).
    ///
    /// # Errors
    /// Nothing has ended, and the token can be brought again.
    pub async fn log_out(&self, logout: &Logout, from: Option<IpAddr>) -> Result<bool, StorageError> {
        let token = LogoutToken { issuer: logout.issuer, id: &logout.token_id, until: logout.until };
        let is_login = |revocation: &Revocation| matches!(revocation, Revocation::Login { .. });
        let action = match logout.revocations.iter().any(is_login) {
            true => Action::LoginRevoked,
            false => Action::UserRevoked,
        };
        let audit = Audit::of(action, Actor::Issuer.at(from), logout.revocations.iter().find_map(User::of));
        let now = self.clock.unix_millis();
        let written = self.store.revoke_once(now, token, &logout.revocations, &audit).await?;
        let Some(written) = written else { return Ok(false) };
        let sessions = self.carry_out(written).await;
        tracing::info!(sessions, "an issuer has ended a login");
        Ok(true)
    }
}
