//! The built-in issuer's keys: what signs, and what only verifies. A private key from PEM, or an HS256 secret, configured
//! or made at first start. Does not know: claims.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::first_start::first_start_secret;
use super::tags::{TagKey, derived};
use crate::config::{IdentityConfig, Secret, VerifyingKeysPem};
use crate::jose::{Algorithm, Hs256Secret, Jws, PublicKey, SigningKey, encode_set};

/// Signs with one key, verifies with any.
pub struct Keys {
    /// Public tags are made with it.
    pub(super) tagging: TagKey,
    /// Refresh tokens are made with the first, recognized with all.
    pub(super) refreshing: Vec<[u8; 32]>,
    signing: SigningKey,
    /// The encoded header of each token that is signed here.
    header: String,
    /// The signing one first: nearly all tokens are its.
    secrets: Vec<Hs256Secret>,
    /// Each with its thumbprint.
    public: Vec<(String, PublicKey)>,
    published: String,
}

/// The built-in keys cannot be used; says what to do.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("the token secret {path}: {problem}")]
    File {
        /// The file in the data folder.
        path: PathBuf,
        /// What the system said.
        problem: io::Error,
    },
    /// The file holds something else.
    #[error(
        "the token secret {path} is damaged: it holds no secret of 32 bytes or more; restore it from a backup, or \
             delete it to have a new one made, which makes all tokens of the old one invalid"
    )]
    Damaged {
        /// The file in the data folder.
        path: PathBuf,
    },
}

impl Keys {
    /// The configured key and secrets; without either the secret in `data_dir`, which is made if there is none yet. The
    /// folder must exist.
    pub fn open(config: &IdentityConfig, data_dir: &Path) -> Result<Self, KeyError> {
        let secret = match (&config.secret, &config.key) {
            (Some(secret), _) => Some(secret.clone()),
            (None, Some(_)) => None,
            (None, None) => Some(first_start_secret(data_dir)?),
        };
        let own = config.key.as_ref().and_then(|key| SigningKey::from_pem(key.expose()));
        let own_text = config.key.as_ref().map_or("", |key| key.expose());
        let secret_text = secret.as_ref().map(Secret::expose);
        let signing = own.unwrap_or_else(|| {
            SigningKey::Hs256(Box::new(Hs256Secret::new(secret_text.unwrap_or_default().as_bytes())))
        });
        let verifying = secret.iter().chain(&config.previous_secrets);
        let previous = config.previous_keys.as_ref().map(VerifyingKeysPem::keys).unwrap_or_default();
        let public: Vec<PublicKey> = signing.public().into_iter().chain(previous).collect();
        let previous_texts = config.previous_secrets.iter().map(Secret::expose);
        Ok(Self {
            tagging: TagKey::new(secret_text.unwrap_or(own_text).as_bytes()),
            refreshing: std::iter::once(secret_text.unwrap_or(own_text))
                .chain(previous_texts)
                .map(|text| derived(text.as_bytes(), b"rollcall refresh tokens"))
                .collect(),
            header: URL_SAFE_NO_PAD.encode(header(&signing)),
            signing,
            secrets: verifying.map(|secret| Hs256Secret::new(secret.expose().as_bytes())).collect(),
            published: encode_set(&public),
            public: public.into_iter().filter_map(|key| Some((key.thumbprint()?, key))).collect(),
        })
    }

    /// A token with these claims, JSON; `None` when it could not be signed.
    pub(super) fn sign(&self, claims: &[u8]) -> Option<String> {
        let mut token = format!("{}.{}", self.header, URL_SAFE_NO_PAD.encode(claims));
        let signature = self.signing.sign(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Some(token)
    }

    /// Whether this is a token of ours, or of whoever shares the key: by a secret with HS256 and nothing else, by a
    /// public key with that key's algorithm and nothing else.
    pub(super) fn verify(&self, jws: &Jws<'_>) -> bool {
        let message = jws.signed.as_bytes();
        if jws.algorithm == Algorithm::Hs256 {
            return self.secrets.iter().any(|secret| secret.verify(message, &jws.signature));
        }
        let meant = |id: &String| jws.key_id.as_ref().is_none_or(|key_id| key_id == id);
        let mut candidates = self.public.iter().filter(|(id, _)| meant(id));
        candidates.any(|(_, key)| key.verify(jws.algorithm, message, &jws.signature))
    }

    /// The public keys as a JSON Web Key set; no secret is among them.
    pub(super) fn published(&self) -> &str {
        &self.published
    }
}

fn header(signing: &SigningKey) -> String {
    let algorithm = signing.algorithm();
    match signing.public().and_then(|key| key.thumbprint()) {
        Some(id) => format!(r#"{{"typ":"JWT","alg":"{algorithm}","kid":"{id}"}}"#),
        None => format!(r#"{{"typ":"JWT","alg":"{algorithm}"}}"#),
    }
}
