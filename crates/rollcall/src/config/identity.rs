//! Section `identity`: which tokens are good.

use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::issuers::Issuers;
use super::key_pem::{SigningKeyPem, VerifyingKeysPem};
use super::secret::Secret;
use super::setting::{self, Setting};

/// The built-in issuer, the others, and where their tokens are looked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IdentityConfig {
    /// The HS256 secret (RFC 7518 section 3.2), shared with whoever mints tokens. Default: one is made at first start
    /// and kept in the data folder.
    #[serde(with = "setting")]
    pub secret: Option<Secret>,
    /// Secrets that sign nothing any more and still verify. Default none.
    #[serde(with = "secrets")]
    pub previous_secrets: Vec<Secret>,
    /// A private key that signs the tokens made here, so that others can verify them without being able to make any: its
    /// public half stands in `/.well-known/jwks.json`. With it the secret only verifies, and none is made at first start.
    /// Default none.
    #[serde(with = "setting")]
    pub key: Option<SigningKeyPem>,
    /// Keys that are published and verify, and sign nothing: earlier ones, or the next one. Default none.
    #[serde(with = "setting")]
    pub previous_keys: Option<VerifyingKeysPem>,
    /// `iss` of the tokens made here; a token may also leave it out. Default `rollcall`.
    #[serde(with = "setting")]
    pub issuer: String,
    /// When set, `aud` must name it. Default: `aud` is not looked at.
    #[serde(with = "setting")]
    pub audience: Option<String>,
    /// How long an access token made here is good. Default 15m: what a stolen one is worth.
    #[serde(with = "setting")]
    pub access_ttl: Duration,
    /// How far two clocks may differ: whole seconds, as times in tokens are. Default 30s; at most 5m, since a token that
    /// has expired is good for as long.
    #[serde(with = "setting")]
    pub leeway: Duration,
    /// How long before its token expires an open socket is told. Default 60s: time to ask for another.
    #[serde(with = "setting")]
    pub expiring_notice: Duration,
    /// Where a token is looked for, in this order. Default `header,auth,query`.
    pub token_from: TokenPlaces,
    /// A token that is good for longer is refused. Default 400d: nothing must be remembered for longer than this.
    #[serde(with = "setting")]
    pub max_token_ttl: Duration,
    /// From the end of one fetch of an issuer's keys to the next, whatever tokens ask for. Default 30s: who sends random `kid`s gets
    /// no more than that out of it.
    #[serde(with = "setting")]
    pub jwks_cooldown: Duration,
    /// How long one fetch may take. Default 5s: sockets wait for it.
    #[serde(with = "setting")]
    pub jwks_timeout: Duration,
    /// Whose tokens are good besides those that are made here. Default none.
    pub issuers: Issuers,
}

impl Default for IdentityConfig {
    fn default() -> Self {
        Self {
            secret: None,
            previous_secrets: Vec::new(),
            key: None,
            previous_keys: None,
            issuer: "rollcall".to_owned(),
            audience: None,
            access_ttl: Duration::from_secs(15 * 60),
            leeway: Duration::from_secs(30),
            expiring_notice: Duration::from_secs(60),
            token_from: TokenPlaces(vec![TokenPlace::Header, TokenPlace::Auth, TokenPlace::Query]),
            max_token_ttl: Duration::from_secs(400 * 24 * 3600),
            jwks_cooldown: Duration::from_secs(30),
            jwks_timeout: Duration::from_secs(5),
            issuers: Issuers::default(),
        }
    }
}

/// One place where a client may put its token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TokenPlace {
    /// The `Authorization` header of the first HTTP request.
    Header,
    /// `auth.token` of the Socket.IO CONNECT packet.
    Auth,
    /// `token` in the query of the first HTTP request.
    Query,
}

setting::word_setting!(TokenPlace, "a list of header, auth and query, each at most once, at least one", {
    "header" => TokenPlace::Header,
    "auth" => TokenPlace::Auth,
    "query" => TokenPlace::Query,
});

/// An order of places, none twice, at least one.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenPlaces(Vec<TokenPlace>);

impl TokenPlaces {
    /// First the place that counts most.
    pub fn as_slice(&self) -> &[TokenPlace] {
        &self.0
    }
}

impl<'de> Deserialize<'de> for TokenPlaces {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = setting::deserialize_texts(deserializer, TokenPlace::ALLOWED)?;
        let mut places = Vec::new();
        for text in &texts {
            let place: TokenPlace = setting::parse_or_explain(text)?;
            if places.contains(&place) {
                return Err(D::Error::custom(format!(
                    "given {text:?} twice; allowed: {}",
                    TokenPlace::ALLOWED
                )));
            }
            places.push(place);
        }
        if places.is_empty() {
            return Err(D::Error::custom(format!("given an empty list; allowed: {}", TokenPlace::ALLOWED)));
        }
        Ok(Self(places))
    }
}

impl Serialize for TokenPlaces {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Word(TokenPlace);
        impl Serialize for Word {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.0.write(serializer)
            }
        }
        serializer.collect_seq(self.0.iter().copied().map(Word))
    }
}

/// A list of secrets; each shows as `***`.
mod secrets {
    use super::{Deserializer, Secret, Serializer, Setting, setting};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Secret>, D::Error> {
        let texts = setting::deserialize_texts(deserializer, Secret::ALLOWED)?;
        texts.iter().map(|text| setting::parse_or_explain(text)).collect()
    }
    pub(super) fn serialize<S: Serializer>(secrets: &[Secret], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(secrets.iter().map(|_| "***"))
    }
}
