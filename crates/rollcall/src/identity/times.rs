//! When a token is good: with a leeway, and not for ever. Does not know: whose it is.

use super::claims::Claims;
use super::{TokenRefusal, Unproven};
use crate::config::IdentityConfig;

/// The rules for all issuers, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct TokenTimes {
    pub(super) leeway: u64,
    pub(super) max_token_ttl: u64,
}

impl TokenTimes {
    /// As they are configured.
    pub fn new(config: &IdentityConfig) -> Self {
        Self { leeway: config.leeway.as_secs(), max_token_ttl: config.max_token_ttl.as_secs() }
    }

    /// Whether a token with these claims is good at this second.
    pub(super) fn check(&self, claims: &Claims<'_>, now: u64) -> Result<(), Unproven> {
        let latest = now.saturating_add(self.leeway);
        let begun = claims.not_before.is_none_or(|not_before| not_before <= latest);
        // A token from the future would outlive a revocation of everything issued "up to now". What is made here in the
        // second of such a revocation is dated to the next one, and must be good at once, leeway or not.
        let latest_issued = latest.max(now.saturating_add(1));
        let issued = claims.issued_at.is_none_or(|issued_at| issued_at <= latest_issued);
        let bounded = claims.expires_at <= now.saturating_add(self.max_token_ttl);
        if !(begun && issued && bounded) {
            return Err(TokenRefusal::Invalid.into());
        }
        if claims.expires_at.saturating_add(self.leeway) <= now {
            return Err(TokenRefusal::Expired.into());
        }
        Ok(())
    }

    /// The `until` of a [`Revocation`](super::Revocation) that is made now: the last second at which any token that exists
    /// now, or that the same login is given later, could be good.
    pub fn revoked_until(&self, now: u64) -> u64 {
        self.last_good(now.saturating_add(self.max_token_ttl))
    }

    /// The last second at which a token with this `exp` is good.
    pub(super) fn last_good(&self, expires_at: u64) -> u64 {
        expires_at.saturating_add(self.leeway)
    }
}
