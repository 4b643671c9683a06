//! Who a token speaks for: takes the text of a token and the time, gives a [`Principal`] or a [`TokenRefusal`].
//!
//! A token is a JWT (RFC 7519) signed with HS256 by the built-in issuer or by whoever shares its secret. The
//! `jsonwebtoken` crate computes signatures and nothing else; what a claim must look like is decided in `claims`,
//! strictly, because a claim that a library cannot read must never count as absent. Does not know: sockets, accounts.

mod token;

mod claims;
mod keys;

use std::time::Duration;

use jsonwebtoken::{Algorithm, Header};
use serde::Serialize;

pub use keys::{KeyError, Keys};
pub use token::{TokenRefusal, find};

use crate::config::IdentityConfig;
use crate::ids;
use claims::Claims;

/// Judges and mints tokens. Holds keys and rules, no state that changes: share it freely.
pub struct Identity {
    keys: Keys,
    issuer: String,
    audience: Option<String>,
    leeway: u64,
    max_token_ttl: u64,
    access_ttl: Duration,
}

/// Who a good token speaks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Principal {
    /// `sub`: 1 to 255 bytes without NUL; an integer in the token is its decimal text here.
    pub subject: Box<str>,
    /// `exp` in seconds since the epoch, without the leeway.
    pub expires_at: u64,
    /// `iat` in seconds since the epoch, when the token says it.
    pub issued_at: Option<u64>,
}

/// A token could not be signed; the cryptographic library said why.
#[derive(Debug, thiserror::Error)]
#[error("a token could not be signed: {0}")]
pub struct MintError(#[from] jsonwebtoken::errors::Error);

impl Identity {
    /// Rules from the configuration, keys from [`Keys::open`].
    pub fn new(config: &IdentityConfig, keys: Keys) -> Self {
        Self {
            keys,
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            leeway: config.leeway.as_secs(),
            max_token_ttl: config.max_token_ttl.as_secs(),
            access_ttl: config.access_ttl,
        }
    }

    /// Whether `token` is good at `now_unix_seconds`, and whose it is. Takes a few microseconds and asks nobody.
    ///
    /// The signature is looked at before any claim, and every refusal but an expired one is the same: an answer tells
    /// nobody which part was wrong.
    pub fn judge(&self, token: &str, now_unix_seconds: u64) -> Result<Principal, TokenRefusal> {
        if token.len() > TOKEN_MAX {
            return Err(TokenRefusal::Invalid);
        }
        let payload = self.keys.verified_payload(token).ok_or(TokenRefusal::Invalid)?;
        let claims = Claims::parse(&payload).ok_or(TokenRefusal::Invalid)?;

        let ours = claims.issuer.as_deref().is_none_or(|issuer| issuer == self.issuer);
        let for_us = self.audience.as_deref().is_none_or(|audience| claims.names_audience(audience));
        let latest = now_unix_seconds.saturating_add(self.leeway);
        let begun = claims.not_before.is_none_or(|not_before| not_before <= latest);
        // A token from the future would outlive a revocation of everything issued "up to now".
        let issued = claims.issued_at.is_none_or(|issued_at| issued_at <= latest);
        let bounded = claims.expires_at <= now_unix_seconds.saturating_add(self.max_token_ttl);
        if !(ours && for_us && begun && issued && bounded) {
            return Err(TokenRefusal::Invalid);
        }
        if claims.expires_at.saturating_add(self.leeway) <= now_unix_seconds {
            return Err(TokenRefusal::Expired);
        }
        Ok(Principal { subject: claims.subject, expires_at: claims.expires_at, issued_at: claims.issued_at })
    }

    /// A new token of the built-in issuer for `subject`, good for `ttl` from now on.
    pub fn mint(&self, subject: &str, now_unix_seconds: u64, ttl: Duration) -> Result<String, MintError> {
        #[derive(Serialize)]
        struct Minted<'a> {
            iss: &'a str,
            sub: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            aud: Option<&'a str>,
            iat: u64,
            exp: u64,
            jti: String,
        }
        let claims = Minted {
            iss: &self.issuer,
            sub: subject,
            aud: self.audience.as_deref(),
            iat: now_unix_seconds,
            exp: now_unix_seconds.saturating_add(ttl.as_secs()),
            jti: ids::token_id(),
        };
        Ok(jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, self.keys.signing())?)
    }

    /// How long a token made at login is good.
    pub fn access_ttl(&self) -> Duration {
        self.access_ttl
    }

    /// The longest `ttl` that [`Identity::judge`] accepts.
    pub fn max_token_ttl(&self) -> Duration {
        Duration::from_secs(self.max_token_ttl)
    }
}

/// Bytes of a token that are looked at at all: headers of usual servers are bounded by 8 KB too, and what is longer
/// is refused before any decoding.
const TOKEN_MAX: usize = 8 * 1024;

#[cfg(test)]
mod tests;
