//! `rollcall sessions revoke`: ends logins of one user, or of everybody, by writing it down; every server that runs on
//! the database obeys within a few seconds.

use rollcall::config::Config;
use rollcall::identity::Revocation;
use rollcall::store::{Action, Actor, Audit, User};

use super::Failure;
use super::storing::with_store;

/// Without a `user` of everybody, whatever their issuer.
pub(super) fn revoke(config: &Config, user: Option<&str>, issuer: &str) -> Result<String, Failure> {
    with_store(config, async |storing| {
        let now = storing.clock.unix_seconds();
        let until = storing.identity.revoked_until(now);
        let (revocation, action) = match user {
            None => (Revocation::Everyone { issued_before: now, until }, Action::EveryoneRevoked),
            Some(subject) => {
                let issuer = storing.issuer("--issuer", issuer)?;
                super::check_user(subject)?;
                let (subject, except) = (subject.into(), None);
                (Revocation::User { issuer, subject, issued_before: now, except, until }, Action::UserRevoked)
            }
        };
        let audit = Audit::of(action, Actor::Operator, User::of(&revocation));
        let written = storing
            .store
            .revoke(storing.clock.unix_millis(), std::slice::from_ref(&revocation), &audit)
            .await;
        written.map_err(Failure::because)?;
        Ok(String::new())
    })
}
