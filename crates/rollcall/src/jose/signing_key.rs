//! What signs: a secret, or a private key from PEM. Never shown.

use std::fmt;

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign, verify};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;

use super::{Algorithm, PublicKey};

/// An HS256 secret, ready for use.
pub struct Hs256Secret(Key);

impl Hs256Secret {
    /// From its bytes.
    pub fn new(secret: &[u8]) -> Self {
        Self(Key::new(HMAC_SHA256, secret))
    }

    /// Whether this is the secret's signature of `message`; compared in constant time.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        verify(&self.0, message, signature).is_ok()
    }
}

/// Signs tokens.
pub enum SigningKey {
    /// With a secret.
    Hs256(Box<Hs256Secret>),
    /// With a private key on P-256.
    Es256(Box<EcdsaKeyPair>),
    /// With an Ed25519 private key.
    EdDsa(Box<Ed25519KeyPair>),
}

impl SigningKey {
    /// The first `PRIVATE KEY` block (PKCS#8, RFC 7468 section 10) of a text; `None` unless that is an Ed25519 or a P-256
    /// key.
    pub fn from_pem(text: &str) -> Option<Self> {
        Self::from_pkcs8(PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes()).ok()?.secret_pkcs8_der())
    }

    /// All of them; `None` when one cannot be used.
    pub fn all_from_pem(text: &str) -> Option<Vec<Self>> {
        PrivatePkcs8KeyDer::pem_slice_iter(text.as_bytes())
            .map(|block| Self::from_pkcs8(block.ok()?.secret_pkcs8_der()))
            .collect()
    }

    fn from_pkcs8(der: &[u8]) -> Option<Self> {
        let ed25519 = Ed25519KeyPair::from_pkcs8(der).map(|key| Self::EdDsa(Box::new(key)));
        let p256 = || EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der);
        ed25519.or_else(|_| p256().map(|key| Self::Es256(Box::new(key)))).ok()
    }

    /// Its `alg`.
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Self::Hs256(_) => Algorithm::Hs256,
            Self::Es256(_) => Algorithm::Es256,
            Self::EdDsa(_) => Algorithm::EdDsa,
        }
    }

    /// The public half; a secret has none.
    pub fn public(&self) -> Option<PublicKey> {
        match self {
            Self::Hs256(_) => None,
            Self::Es256(key) => {
                let (x, y) = key.public_key().as_ref().strip_prefix(&[4])?.split_at_checked(32)?;
                PublicKey::p256(x, y)
            }
            Self::EdDsa(key) => PublicKey::ed25519(key.public_key().as_ref()),
        }
    }

    /// The signature of `message`; `None` when the library finds no randomness for it.
    pub fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Hs256(secret) => Some(sign(&secret.0, message).as_ref().to_vec()),
            // The nonce is the library's own affair: it is never seen and names nothing.
            Self::Es256(key) => key.sign(&SystemRandom::new(), message).ok().map(|it| it.as_ref().to_vec()),
            Self::EdDsa(key) => Some(key.sign(message).as_ref().to_vec()),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SigningKey({})", self.algorithm())
    }
}
