//! Signatures over JSON (JOSE): algorithms, keys in PEM and JWK, the compact form. aws-lc computes; here is decided what
//! counts as a key and as a token at all. Does not know: claims, issuers, the time, where a key comes from.

mod algorithm;
mod public_key;
mod signing_key;
mod jws;
mod jwk;

use serde::Deserialize;

pub use algorithm::Algorithm;
pub use jwk::{IgnoredKey, JwkSet, KEYS_MAX, encode_set};
pub use jws::Jws;
pub use public_key::{KeyPemError, PublicKey};
pub use signing_key::{Hs256Secret, SigningKey};

/// Reads a JSON object. A struct of serde takes an array for one too, its members by their place: no header, claims set
/// or key is written so.
pub fn parse_object<'de, T: Deserialize<'de>>(json: &'de [u8]) -> Option<T> {
    let is_object = json.trim_ascii_start().first() == Some(&b'{');
    is_object.then(|| serde_json::from_slice(json).ok())?
}

#[cfg(test)]
pub(crate) mod tests;
