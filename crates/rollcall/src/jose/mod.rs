//! Signatures over JSON (JOSE): algorithms, keys in PEM and JWK, the compact form. aws-lc computes; here is decided what
//! counts as a key and as a token at all. Does not know: claims, issuers, the time, where a key comes from.

mod algorithm;
mod public_key;
mod signing_key;
mod jws;
mod jwk;

pub use algorithm::Algorithm;
pub use jwk::{IgnoredKey, JwkSet, KEYS_MAX, encode_set};
pub use jws::Jws;
pub use public_key::{KeyPemError, PublicKey};
pub use signing_key::{Hs256Secret, SigningKey};

#[cfg(test)]
pub(crate) mod tests;
