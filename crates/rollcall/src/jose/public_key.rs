//! A public key of one type, from PEM or from the numbers of a JWK. The type fixes the algorithm: a token's header has to
//! match it and chooses nothing.

use std::fmt;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents, VerificationAlgorithm,
};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;

use super::Algorithm;

/// Verifies. Several threads may use one at the same time.
#[derive(Clone)]
pub struct PublicKey {
    /// One for each algorithm that this key can be used with: two for RSA.
    verifiers: Vec<(Algorithm, ParsedPublicKey)>,
}

/// A text that should hold public keys and does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyPemError {
    /// No `-----BEGIN PUBLIC KEY-----`, or what is in it is cut short.
    #[error("no PEM block PUBLIC KEY")]
    NoBlock,
    /// A key of another type or size.
    #[error("a key that is neither RSA of 2048 to 8192 bits nor P-256, P-384 or Ed25519")]
    Unsupported,
}

impl PublicKey {
    /// All `PUBLIC KEY` blocks (X.509 SubjectPublicKeyInfo, RFC 7468 section 13) of a text, at least one.
    pub fn all_from_pem(text: &str) -> Result<Vec<Self>, KeyPemError> {
        let mut keys = Vec::new();
        for block in SubjectPublicKeyInfoDer::pem_slice_iter(text.as_bytes()) {
            let der = block.map_err(|_| KeyPemError::NoBlock)?;
            keys.push(Self::from_spki(&der).ok_or(KeyPemError::Unsupported)?);
        }
        if keys.is_empty() { Err(KeyPemError::NoBlock) } else { Ok(keys) }
    }

    fn from_spki(der: &[u8]) -> Option<Self> {
        let bits = aws_lc_rs::rsa::PublicKey::from_der(der).ok().map(|key| {
            let modulus = key.modulus();
            bits_of(modulus.big_endian_without_leading_zero())
        });
        if let Some(bits) = bits {
            let verifiers = [
                (Algorithm::Rs256, &RSA_PKCS1_2048_8192_SHA256 as &'static dyn VerificationAlgorithm),
                (Algorithm::Ps256, &RSA_PSS_2048_8192_SHA256),
            ];
            return RSA_BITS.contains(&bits).then(|| Self::new(&verifiers, der))?;
        }
        Self::new(&[(Algorithm::Es256, &ECDSA_P256_SHA256_FIXED)], der)
            .or_else(|| Self::new(&[(Algorithm::Es384, &ECDSA_P384_SHA384_FIXED)], der))
            .or_else(|| Self::new(&[(Algorithm::EdDsa, &ED25519)], der))
    }

    /// RSA by modulus and exponent, big-endian (RFC 7518 section 6.3.1). `None` for a key of fewer than 2048 bits.
    pub fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<Self> {
        // The RFC wants no zeros in front; some servers write them all the same.
        let (modulus, exponent) = (without_leading_zeros(modulus), without_leading_zeros(exponent));
        if !RSA_BITS.contains(&bits_of(modulus)) {
            return None;
        }
        let components = RsaPublicKeyComponents { n: modulus, e: exponent };
        let pkcs1 = components.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).ok()?;
        let pss = components.to_parsed_public_key(&RSA_PSS_2048_8192_SHA256).ok()?;
        Some(Self { verifiers: vec![(Algorithm::Rs256, pkcs1), (Algorithm::Ps256, pss)] })
    }

    /// A point on P-256 (RFC 7518 section 6.2.1): both coordinates with all their 32 bytes.
    pub fn p256(x: &[u8], y: &[u8]) -> Option<Self> {
        Self::new(&[(Algorithm::Es256, &ECDSA_P256_SHA256_FIXED)], &point(x, y, 32)?)
    }

    /// A point on P-384, of 48 bytes each.
    pub fn p384(x: &[u8], y: &[u8]) -> Option<Self> {
        Self::new(&[(Algorithm::Es384, &ECDSA_P384_SHA384_FIXED)], &point(x, y, 48)?)
    }

    /// The 32 bytes of an Ed25519 key (RFC 8037 section 2).
    pub fn ed25519(x: &[u8]) -> Option<Self> {
        (x.len() == 32).then(|| Self::new(&[(Algorithm::EdDsa, &ED25519)], x))?
    }

    fn new(algorithms: &[(Algorithm, &'static dyn VerificationAlgorithm)], bytes: &[u8]) -> Option<Self> {
        let parse = |(name, algorithm): &(Algorithm, &'static dyn VerificationAlgorithm)| {
            ParsedPublicKey::new(*algorithm, bytes).ok().map(|key| (*name, key))
        };
        algorithms.iter().map(parse).collect::<Option<_>>().map(|verifiers| Self { verifiers })
    }

    /// The same key for this algorithm alone; `None` when it is not of its type.
    pub fn only(mut self, algorithm: Algorithm) -> Option<Self> {
        self.verifiers.retain(|(name, _)| *name == algorithm);
        (!self.verifiers.is_empty()).then_some(self)
    }

    /// Whether a token with this `alg` can be of this key.
    pub fn fits(&self, algorithm: Algorithm) -> bool {
        self.verifiers.iter().any(|(name, _)| *name == algorithm)
    }

    /// The algorithms that this key can be used with.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.verifiers.iter().map(|(name, _)| *name)
    }

    /// Whether this is the key's signature of `message`. ECDSA signatures have their fixed form (RFC 7518 section 3.4).
    pub fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let verifier = self.verifiers.iter().find(|(name, _)| *name == algorithm);
        verifier.is_some_and(|(_, key)| key.verify_sig(message, signature).is_ok())
    }

    /// The last `N` bytes of the key's encoding: the point or number itself, for keys that have a fixed size.
    pub(super) fn tail<const N: usize>(&self) -> Option<[u8; N]> {
        let (_, key) = self.verifiers.first()?;
        key.as_der().ok()?.as_ref().last_chunk().copied()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.algorithms()).finish()
    }
}

/// An uncompressed point (SEC 1 section 2.3.3).
fn point(x: &[u8], y: &[u8], bytes: usize) -> Option<Vec<u8>> {
    (x.len() == bytes && y.len() == bytes).then(|| [&[4], x, y].concat())
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    &number[number.iter().take_while(|byte| **byte == 0).count()..]
}

fn bits_of(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

/// RFC 7518 section 3.3 asks for 2048; more than 8192 takes milliseconds a token.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
