//! Private and public keys of the built-in issuer as PEM text. Never shown.

use std::fmt;

use serde::Serializer;

use super::setting::Setting;
use crate::jose::{PublicKey, SigningKey};

/// The key that signs.
#[derive(Clone, PartialEq)]
pub struct SigningKeyPem(String);

/// Keys that only verify: earlier ones, or one that is yet to sign.
#[derive(Clone, PartialEq)]
pub struct VerifyingKeysPem(String);

impl SigningKeyPem {
    /// The text, for the cryptography and nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl VerifyingKeysPem {
    /// The public keys, and the public halves of the private ones.
    pub fn keys(&self) -> Vec<PublicKey> {
        read_keys(&self.0).unwrap_or_default() // it was read before
    }
}

impl Setting for SigningKeyPem {
    const ALLOWED: &'static str = "a PEM block PRIVATE KEY (PKCS#8) with an Ed25519 or a P-256 key, as `openssl genpkey -algorithm ed25519` makes it";

    fn parse(text: &str) -> Option<Self> {
        SigningKey::from_pem(text).map(|_| Self(text.trim().to_owned()))
    }
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
    fn given(text: &str) -> String {
        format!("a text of {} bytes (not shown)", text.len())
    }
}

impl Setting for VerifyingKeysPem {
    const ALLOWED: &'static str = "PEM blocks PUBLIC KEY or PRIVATE KEY (PKCS#8) with Ed25519 or P-256 keys";

    fn parse(text: &str) -> Option<Self> {
        read_keys(text).map(|_| Self(text.to_owned()))
    }
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
    fn given(text: &str) -> String {
        SigningKeyPem::given(text)
    }
}

/// At least one, and each with a thumbprint: RSA and P-384 keys never signed here.
fn read_keys(text: &str) -> Option<Vec<PublicKey>> {
    let private = SigningKey::all_from_pem(text)?;
    let mut keys: Vec<PublicKey> = private.iter().filter_map(SigningKey::public).collect();
    match PublicKey::all_from_pem(text) {
        Ok(public) => keys.extend(public),
        Err(_) if !keys.is_empty() && !text.contains("BEGIN PUBLIC KEY") => {}
        Err(_) => return None,
    }
    keys.iter().all(|key| key.thumbprint().is_some()).then_some(keys)
}

impl fmt::Debug for SigningKeyPem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

impl fmt::Debug for VerifyingKeysPem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}
