//! Who a token speaks for: takes the text of a token and the time, gives a [`Principal`] or says why not.
//!
//! A token is a JWT (RFC 7519) signed with HS256 by the built-in issuer or by whoever shares its secret. The
//! `jsonwebtoken` crate computes signatures and nothing else; what a claim must look like is decided in `claims`,
//! strictly, because a claim that a library cannot read must never count as absent. Does not know: sockets, accounts.

mod token;
mod principal;
mod pending;
pub mod revocations;

mod claims;
mod keys;
mod tags;

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use jsonwebtoken::{Algorithm, Header};
use serde::Serialize;

pub use keys::{KeyError, Keys};
pub use pending::{Judgement, Pending, Unproven};
pub use principal::{IssuerId, Login, Principal, Tag};
pub use revocations::{Revocation, Revocations};
pub use token::{TokenRefusal, find};

use crate::config::IdentityConfig;
use crate::ids;
use claims::Claims;

/// Judges and mints tokens. Holds keys and rules, and the revocations that are asked last: share it freely.
pub struct Identity {
    keys: Keys,
    revocations: Revocations,
    issuer: String,
    audience: Option<String>,
    leeway: u64,
    max_token_ttl: u64,
    access_ttl: Duration,
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
            revocations: Revocations::default(),
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            leeway: config.leeway.as_secs(),
            max_token_ttl: config.max_token_ttl.as_secs(),
            access_ttl: config.access_ttl,
        }
    }

    /// Whether `token` is good at `now_unix_seconds`, and whose it is. Takes a few microseconds and waits for nobody:
    /// when a key has to be fetched first, the answer is to ask again later.
    ///
    /// Every refusal of a token that is not good is the same: an answer tells nobody which part was wrong. That one is
    /// expired or revoked is only said of a token that would be good otherwise.
    pub fn judge(&self, token: &str, now_unix_seconds: u64) -> Judgement {
        if token.len() > TOKEN_MAX {
            return Err(TokenRefusal::Invalid.into());
        }
        let (payload, signed) = self.keys.verified_payload(token).ok_or(TokenRefusal::Invalid)?;
        let claims = Claims::parse(&payload).ok_or(TokenRefusal::Invalid)?;

        let ours = claims.issuer.as_deref().is_none_or(|issuer| issuer == self.issuer);
        let for_us = self.audience.as_deref().is_none_or(|audience| claims.names_audience(audience));
        let latest = now_unix_seconds.saturating_add(self.leeway);
        let begun = claims.not_before.is_none_or(|not_before| not_before <= latest);
        // A token from the future would outlive a revocation of everything issued "up to now".
        let issued = claims.issued_at.is_none_or(|issued_at| issued_at <= latest);
        let bounded = claims.expires_at <= now_unix_seconds.saturating_add(self.max_token_ttl);
        if !(ours && for_us && begun && issued && bounded) {
            return Err(TokenRefusal::Invalid.into());
        }
        if claims.expires_at.saturating_add(self.leeway) <= now_unix_seconds {
            return Err(TokenRefusal::Expired.into());
        }
        let login = match (claims.session, claims.token_id) {
            (Some(session), _) => Login::Session(session.into()),
            (None, Some(token_id)) => Login::TokenId(token_id.into()),
            (None, None) => digest_of(signed),
        };
        let principal = Principal {
            issuer: IssuerId::BUILT_IN,
            subject: claims.subject,
            login,
            expires_at: claims.expires_at,
            issued_at: claims.issued_at,
        };
        if self.revocations.refuses(&principal) { Err(TokenRefusal::Revoked.into()) } else { Ok(principal) }
    }

    /// A new token of the built-in issuer for `subject`, good for `ttl` from now on. With a `session` it belongs to that
    /// login (`sid`), without one to itself.
    pub fn mint(
        &self,
        subject: &str,
        session: Option<&str>,
        now_unix_seconds: u64,
        ttl: Duration,
    ) -> Result<String, MintError> {
        #[derive(Serialize)]
        struct Minted<'a> {
            iss: &'a str,
            sub: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            aud: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            sid: Option<&'a str>,
            iat: u64,
            exp: u64,
            jti: String,
        }
        let claims = Minted {
            iss: &self.issuer,
            sub: subject,
            aud: self.audience.as_deref(),
            sid: session,
            iat: now_unix_seconds,
            exp: now_unix_seconds.saturating_add(ttl.as_secs()),
            jti: ids::token_id(),
        };
        Ok(jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, self.keys.signing())?)
    }

    /// What [`Self::judge`] asks last. Whoever joins asks it again under the lock of its user's sessions: a revocation
    /// may have come between the two.
    pub fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    /// An issuer entry's name, which stands for it in SQL and HTTP; `None` for one that is not configured (any more).
    pub fn issuer_name(&self, issuer: IssuerId) -> Option<&str> {
        (issuer == IssuerId::BUILT_IN).then_some(BUILT_IN_NAME)
    }

    /// The inverse of [`Self::issuer_name`].
    pub fn issuer_named(&self, name: &str) -> Option<IssuerId> {
        (name == BUILT_IN_NAME).then_some(IssuerId::BUILT_IN)
    }

    /// The opaque public id of a user's login: 12 hexadecimal digits, the same on all nodes with the same secret.
    pub fn login_tag(&self, issuer: IssuerId, subject: &str, login: &Login) -> Tag<6> {
        let issuer = self.issuer_name(issuer).unwrap_or_default();
        self.keys.tagging.tag("login", &[issuer, subject, &login.to_string()])
    }

    /// The opaque public id of what a user's client calls itself (`deviceId`): 16 hexadecimal digits.
    pub fn device_tag(&self, issuer: IssuerId, subject: &str, device_id: &str) -> Tag<8> {
        let issuer = self.issuer_name(issuer).unwrap_or_default();
        self.keys.tagging.tag("device", &[issuer, subject, device_id])
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

/// What a token belongs to that names neither a session nor itself. Half of the hash: nobody can make another token with
/// the same one, since nobody but the issuer makes any.
fn digest_of(signed: &str) -> Login {
    let mut half = [0; 16];
    half.copy_from_slice(&digest(&SHA256, signed.as_bytes()).as_ref()[..16]);
    Login::Digest(half)
}

/// The built-in issuer's [`Identity::issuer_name`], whatever its `iss`.
pub const BUILT_IN_NAME: &str = "built-in";
/// Bytes of a token that are looked at at all: headers of usual servers are bounded by 8 KB too, and what is longer
/// is refused before any decoding.
const TOKEN_MAX: usize = 8 * 1024;

#[cfg(test)]
mod tests;
