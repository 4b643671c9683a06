//! Who a token speaks for: takes the text of a token and the time, gives a [`Principal`] or says why not.
//!
//! A token is a JWT (RFC 7519) of the built-in issuer, or of whoever shares its key, or of a configured issuer. What a
//! claim must look like is decided in `claims`, strictly, because a claim that cannot be read must never count as absent.
//! Does not know: sockets, accounts.

mod token;
mod principal;
mod pending;
pub mod revocations;
mod logout;

mod claims;
mod times;
mod issuer;
mod jwks;
mod keys;
pub mod first_start;
mod tags;

use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use serde::Serialize;

pub use crate::config::BUILT_IN_NAME;
pub use claims::is_subject;
pub use jwks::{FetchedKeys, fetch_keys};
pub use keys::{KeyError, Keys};
pub use logout::Logout;
pub use pending::{Judgement, PATIENCE, Pending, Unproven, when_known};
pub use principal::{IssuerId, Login, Principal, Tag};
pub use revocations::{Revocation, Revocations};
pub use times::TokenTimes;
pub use token::{TokenRefusal, find};

use crate::clock::Clock;
use crate::config::IdentityConfig;
use crate::ids;
use crate::jose::Jws;
use claims::Claims;
use issuer::{Issuer, IssuerKeys, login_of_token};
use jwks::Fetcher;

/// Judges and mints tokens. Holds keys and rules, and the revocations that are asked last: share it freely.
pub struct Identity {
    keys: Keys,
    issuer: String,
    audience: Option<String>,
    times: TokenTimes,
    access_ttl: Duration,
    /// The configured ones, by [`IssuerId`], which counts from 1 here.
    issuers: Vec<Issuer>,
    fetcher: Fetcher,
    cooldown: Duration,
    revocations: Revocations,
}

/// A token could not be signed: the cryptographic library found no randomness.
#[derive(Debug, thiserror::Error)]
#[error("a token could not be signed")]
pub struct MintError;

impl Identity {
    /// Rules from the configuration, keys from [`Keys::open`]. Keys of issuers that publish theirs are there when
    /// [`Self::keep_keys`] has fetched them.
    pub fn new(config: &IdentityConfig, keys: Keys) -> Self {
        Self {
            keys,
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            times: TokenTimes::new(config),
            access_ttl: config.access_ttl,
            issuers: config.issuers.as_slice().iter().map(Issuer::new).collect(),
            fetcher: Fetcher::new(config.jwks_timeout),
            cooldown: config.jwks_cooldown,
            revocations: Revocations::default(),
        }
    }

    /// Whether `token` is good at `now_unix_seconds`, and whose it is. Takes some microseconds and waits for nobody: when
    /// a key has to be fetched first, the answer is to ask again later ([`when_known`] does).
    ///
    /// Every refusal of a token that is not good is the same: an answer tells nobody which part was wrong. That one is
    /// expired or revoked is only said of a token that would be good otherwise.
    pub fn judge(&self, token: &str, now_unix_seconds: u64) -> Judgement {
        let (principal, in_time) = self.prove(token, now_unix_seconds)?;
        in_time?;
        if self.revocations.refuses(&principal) { Err(TokenRefusal::Revoked.into()) } else { Ok(principal) }
    }

    /// The same for who wants to be logged out: a token whose time is over still says of which login it was.
    pub fn judge_leaving(&self, token: &str, now_unix_seconds: u64) -> Judgement {
        let (principal, in_time) = self.prove(token, now_unix_seconds)?;
        match in_time {
            Ok(()) | Err(Unproven::Refused(TokenRefusal::Expired)) => {}
            Err(other) => return Err(other),
        }
        if self.revocations.refuses(&principal) { Err(TokenRefusal::Revoked.into()) } else { Ok(principal) }
    }

    /// Whose token it is, and whether this is its time.
    fn prove(
        &self,
        token: &str,
        now_unix_seconds: u64,
    ) -> Result<(Principal, Result<(), Unproven>), Unproven> {
        if token.len() > TOKEN_MAX {
            return Err(TokenRefusal::Invalid.into());
        }
        let jws = Jws::parse(token).ok_or(TokenRefusal::Invalid)?;
        let mut claims = Claims::parse(&jws.payload).ok_or(TokenRefusal::Invalid)?;
        // Logout tokens and other announcements (RFC 8417) are signed with the same keys and open nothing.
        let is_access_token = matches!(jws.typ.as_deref(), None | Some("jwt" | "at+jwt"));
        if !is_access_token || claims.events.is_some() {
            return Err(TokenRefusal::Invalid.into());
        }
        let (issuer, subject, login) = self.speaks_for(&jws, &mut claims)?;
        let in_time = self.times.check(&claims, now_unix_seconds);
        let Claims { expires_at, issued_at, .. } = claims;
        Ok((Principal { issuer, subject, login, expires_at, issued_at }, in_time))
    }

    /// Whose token it is, once its signature is good.
    fn speaks_for(
        &self,
        jws: &Jws<'_>,
        claims: &mut Claims<'_>,
    ) -> Result<(IssuerId, Box<str>, Login), Unproven> {
        let invalid = || Unproven::from(TokenRefusal::Invalid);
        if claims.issuer.as_deref().is_none_or(|issuer| issuer == self.issuer) {
            let for_us = self.audience.as_deref().is_none_or(|audience| claims.names_audience(audience));
            if !for_us || !self.keys.verify(jws) {
                return Err(invalid());
            }
            let subject = claims.subject.take().ok_or_else(invalid)?;
            let login = match claims.session.take() {
                Some(session) => Login::Session(session.into()),
                None => login_of_token(claims, jws.signed),
            };
            return Ok((IssuerId::BUILT_IN, subject, login));
        }
        let (id, issuer) = self.only_issuer(|issuer| issuer.is_meant(claims)).ok_or_else(invalid)?;
        issuer.verify(jws)?;
        if !issuer.has_required(claims) {
            return Err(invalid());
        }
        let subject = issuer.user(claims).ok_or_else(invalid)?;
        let login = issuer.login(claims, jws.signed).ok_or_else(invalid)?;
        Ok((id, subject, login))
    }

    /// The one entry of which this is true: a token that two could take is nobody's.
    fn only_issuer(&self, is_it: impl Fn(&Issuer) -> bool) -> Option<(IssuerId, &Issuer)> {
        let mut found = (1..).map(IssuerId).zip(&self.issuers).filter(|(_, issuer)| is_it(issuer));
        match (found.next(), found.next()) {
            (Some(one), None) => Some(one),
            (None, _) | (Some(_), Some(_)) => None,
        }
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
        // Texts and numbers always have a JSON form.
        let claims = serde_json::to_vec(&claims).map_err(|_| MintError)?;
        self.keys.sign(&claims).ok_or(MintError)
    }

    /// Fetches the keys of those issuers that publish theirs, for ever. To be polled by somebody; drop it to end it.
    pub async fn keep_keys(&self, clock: &Clock) {
        let mut keepers: Vec<Pin<Box<dyn Future<Output = _> + Send + '_>>> = Vec::new();
        for Issuer { config, keys } in &self.issuers {
            if let IssuerKeys::Fetched(jwks, url) = keys {
                let fetch = move || self.fetcher.fetch(url);
                keepers.push(Box::pin(jwks.keep(&config.name, clock, self.cooldown, fetch)));
            }
        }
        std::future::poll_fn(|context| {
            keepers.retain_mut(|keeper| keeper.as_mut().poll(context).is_pending());
            Poll::<()>::Pending
        })
        .await;
    }

    /// The public halves of the keys that sign here, as a JSON Web Key set (RFC 7517 section 5).
    pub fn published_keys(&self) -> &str {
        self.keys.published()
    }

    /// Whether some entry takes logout tokens.
    pub fn takes_logout_tokens(&self) -> bool {
        self.issuers.iter().any(|issuer| issuer.config.client_id.is_some())
    }

    /// What [`Self::judge`] asks last. Whoever joins asks it again under the lock of its user's sessions: a revocation
    /// may have come between the two.
    pub fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    /// [`TokenTimes::revoked_until`].
    pub fn revoked_until(&self, now_unix_seconds: u64) -> u64 {
        self.times.revoked_until(now_unix_seconds)
    }

    /// The last second at which a token with this `exp` is good.
    pub fn last_good(&self, expires_at: u64) -> u64 {
        self.times.last_good(expires_at)
    }

    /// An issuer entry's name, which stands for it in SQL and HTTP; `None` for one that is not configured (any more).
    pub fn issuer_name(&self, issuer: IssuerId) -> Option<&str> {
        match issuer.0.checked_sub(1) {
            None => Some(BUILT_IN_NAME),
            Some(place) => self.issuers.get(usize::from(place)).map(|issuer| issuer.config.name.as_str()),
        }
    }

    /// The inverse of [`Self::issuer_name`].
    pub fn issuer_named(&self, name: &str) -> Option<IssuerId> {
        if name == BUILT_IN_NAME {
            return Some(IssuerId::BUILT_IN);
        }
        self.only_issuer(|issuer| issuer.config.name == name).map(|(id, _)| id)
    }

    /// The opaque public id of a user's login: 12 hexadecimal digits, the same on all nodes with the same key.
    pub fn login_tag(&self, issuer: IssuerId, subject: &str, login: &Login) -> Tag<6> {
        let issuer = self.issuer_name(issuer).unwrap_or_default();
        self.keys.tagging.tag("login", &[issuer, subject, &login.to_string()])
    }

    /// The opaque public id of what a user's client calls itself (`deviceId`): 16 hexadecimal digits.
    pub fn device_tag(&self, issuer: IssuerId, subject: &str, device_id: &str) -> Tag<8> {
        let issuer = self.issuer_name(issuer).unwrap_or_default();
        self.keys.tagging.tag("device", &[issuer, subject, device_id])
    }

    /// Keys that refresh tokens are derived with, today's first: of no use for anything else.
    pub fn refresh_keys(&self) -> &[[u8; 32]] {
        &self.keys.refreshing
    }

    /// How long a token made at login is good.
    pub fn access_ttl(&self) -> Duration {
        self.access_ttl
    }

    /// The longest `ttl` that [`Identity::judge`] accepts.
    pub fn max_token_ttl(&self) -> Duration {
        Duration::from_secs(self.times.max_token_ttl)
    }
}

/// Bytes of a token that are looked at at all: headers of usual servers are bounded by 8 KB too, and what is longer
/// is refused before any decoding.
const TOKEN_MAX: usize = 8 * 1024;

#[cfg(test)]
mod tests;
