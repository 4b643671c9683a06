//! Refresh tokens: what a client keeps, what SQL keeps of it, and what comes after it. Does not know: whose they are.

use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::ids;

/// What is exchanged for a new pair: 256 random bits. Kept by nobody but its client.
#[derive(Clone, PartialEq)]
pub struct RefreshToken([u8; 32]);

impl RefreshToken {
    /// A new one that nobody can guess.
    pub fn random() -> Self {
        Self(ids::refresh_token())
    }

    /// What [`Self::text`] gave; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let fits = text.len() == TOKEN_LENGTH;
        let decoded = fits.then(|| URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok())?;
        (decoded == Some(32)).then_some(Self(bytes))
    }

    /// 43 characters of base64url.
    pub fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// What SQL keeps of it.
    pub(super) fn hash(&self) -> Vec<u8> {
        digest::digest(&digest::SHA256, &self.0).as_ref().to_vec()
    }
}

impl std::fmt::Debug for RefreshToken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("***")
    }
}

/// What a spent token's successor is computed with, so that asking twice gives the same one although only its hash is
/// kept. Not in SQL: a copy of the database must not be enough.
pub struct SuccessorKeys {
    /// The first makes successors; all are tried when one is asked for again.
    keys: Vec<hmac::Key>,
}

impl SuccessorKeys {
    /// From 256 bits each, today's first, then those of before the last change.
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a [u8; 32]>) -> Self {
        Self { keys: keys.into_iter().map(|key| hmac::Key::new(hmac::HMAC_SHA256, key)).collect() }
    }

    /// What each of the keys makes of it, today's first.
    pub(super) fn successors_of<'a>(
        &'a self,
        spent: &'a RefreshToken,
    ) -> impl Iterator<Item = RefreshToken> + 'a {
        self.keys.iter().filter_map(|key| {
            let tag = hmac::sign(key, &spent.0);
            tag.as_ref().try_into().ok().map(RefreshToken)
        })
    }
}

/// Characters: 256 bits in base64url.
const TOKEN_LENGTH: usize = 43;
