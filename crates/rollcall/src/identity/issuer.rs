//! One configured issuer: which tokens are meant for it, whether they are its, whom they speak for.
//! Does not know: the time, revocations, other issuers.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::Value;

use super::claims::{Claims, identifier};
use super::jwks::Jwks;
use super::{Login, TokenRefusal, Unproven};
use crate::config::{IssuerConfig, JwksUrl, KeySource, RequiredClaims};
use crate::jose::{Jws, PublicKey};

/// An entry, ready for use.
#[derive(Debug)]
pub(super) struct Issuer {
    pub(super) config: IssuerConfig,
    pub(super) keys: IssuerKeys,
}

/// What verifies an entry's tokens; never those of another.
#[derive(Debug)]
pub(super) enum IssuerKeys {
    Static(Vec<PublicKey>),
    Fetched(Box<Jwks>, JwksUrl),
}

impl Issuer {
    pub(super) fn new(config: &IssuerConfig) -> Self {
        let keys = match &config.keys {
            // The configuration has read them already.
            KeySource::Pem(text) => IssuerKeys::Static(PublicKey::all_from_pem(text).unwrap_or_default()),
            KeySource::Jwks(url) => IssuerKeys::Fetched(Box::new(Jwks::new()), url.clone()),
        };
        Self { config: config.clone(), keys }
    }

    /// Whether an access token with these claims is this entry's: `iss` is, and `aud`.
    pub(super) fn is_meant(&self, claims: &Claims<'_>) -> bool {
        let audience = &self.config.audience;
        claims.issuer.as_deref() == Some(&self.config.issuer)
            && (audience.is_empty() || audience.iter().any(|audience| claims.names_audience(audience)))
    }

    /// Whether a logout token with these claims is this entry's: its `aud` is what Rollcall is called there.
    pub(super) fn is_told(&self, claims: &Claims<'_>) -> bool {
        let client_id = self.config.client_id.as_deref();
        claims.issuer.as_deref() == Some(&self.config.issuer)
            && client_id.is_some_and(|client_id| claims.names_audience(client_id))
    }

    /// Whether it is signed with a key of this issuer, by an algorithm that the entry allows and the key is made for.
    pub(super) fn verify(&self, jws: &Jws<'_>) -> Result<(), Unproven> {
        if !self.config.algorithms.contains(&jws.algorithm) {
            return Err(TokenRefusal::Invalid.into());
        }
        match &self.keys {
            IssuerKeys::Static(keys) => {
                let signed =
                    |key: &PublicKey| key.verify(jws.algorithm, jws.signed.as_bytes(), &jws.signature);
                if keys.iter().any(signed) { Ok(()) } else { Err(TokenRefusal::Invalid.into()) }
            }
            IssuerKeys::Fetched(keys, _) => keys.verify(jws),
        }
    }

    /// The user, by the entry's user claim.
    pub(super) fn user(&self, claims: &Claims<'_>) -> Option<Box<str>> {
        match self.config.user_claim.as_str() {
            "sub" => claims.subject.clone(),
            other => identifier(claims.find(other)??),
        }
    }

    /// The login of an access token; `None` when a claim of it is no id.
    pub(super) fn login(&self, claims: &Claims<'_>, signed: &str) -> Option<Login> {
        match self.session(claims)? {
            Some(session) => Some(Login::Session(session.into())),
            None => Some(login_of_token(claims, signed)),
        }
    }

    /// The entry's session claim, if it is there; `None` when it is no id.
    pub(super) fn session(&self, claims: &Claims<'_>) -> Option<Option<Box<str>>> {
        match self.config.session_claim.as_deref() {
            None | Some("sid") => Some(claims.session.clone()),
            Some(other) => match claims.find(other)? {
                Some(json) => identifier(json).map(Some),
                None => Some(None),
            },
        }
    }

    /// Whether all claims are there that the entry requires, with one of the values that it wants.
    pub(super) fn has_required(&self, claims: &Claims<'_>) -> bool {
        match &self.config.required_claims {
            RequiredClaims::Names(names) => {
                names.iter().all(|name| claims.find(name).flatten().is_some_and(|json| json != "null"))
            }
            RequiredClaims::Values(required) => required.iter().all(|(name, wanted)| {
                let given = claims.find(name).flatten().and_then(|json| serde_json::from_str(json).ok());
                match given {
                    Some(Value::Array(several)) => several.iter().any(|one| wanted.contains(one)),
                    Some(one) => wanted.contains(&one),
                    None => false,
                }
            }),
        }
    }
}

/// The login of a token that names no session: its id, else itself.
pub(super) fn login_of_token(claims: &Claims<'_>, signed: &str) -> Login {
    match &claims.token_id {
        Some(id) => Login::TokenId((**id).into()),
        // Half of the hash: nobody can make another token with the same one, since nobody but the issuer makes any.
        None => {
            let mut half = [0; 16];
            half.copy_from_slice(&digest(&SHA256, signed.as_bytes()).as_ref()[..16]);
            Login::Digest(half)
        }
    }
}
