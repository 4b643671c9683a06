//! Sets of published keys, and keys in PEM.

use rollcall::jose::{Algorithm, JwkSet, KEYS_MAX, PublicKey, SigningKey, encode_set};
use serde_json::Value;

/// Of a set only what can verify is kept, as much as is allowed and nothing twice; keys that can be published come back from
/// their own set. Text with a dash in front is read as PEM.
pub fn jwks(input: &[u8]) {
    if input.first() == Some(&b'-') {
        return std::str::from_utf8(input).map_or((), pem);
    }
    let Some((set, ignored)) = JwkSet::parse(input) else { return };
    let json: Value = serde_json::from_slice(input).unwrap_or_default(); // not what nests deep and is passed over
    if let Some(keys) = json.get("keys").and_then(Value::as_array) {
        assert_eq!(set.len() + ignored.len(), keys.len().min(KEYS_MAX + 1));
    }
    assert!(set.len() <= KEYS_MAX);
    assert_eq!(set.ids().count(), set.len());
    assert_eq!(set.knows(None), !set.is_empty());
    let ids: Vec<&str> = set.ids().collect();
    for algorithm in ALGORITHMS {
        if let Some(key) = set.find(None, algorithm) {
            assert!(key.fits(algorithm) && algorithm != Algorithm::Hs256);
        }
        for id in &ids {
            assert!(set.knows(Some(id)) || *id == "-", "{id:?}");
            if let Some(key) = set.find(Some(id), algorithm) {
                usable(key, algorithm);
            }
        }
    }
    if let (Some(first), 1) = (ids.first(), set.len()) {
        let found = ALGORITHMS.iter().filter(|algorithm| set.find(None, **algorithm).is_some()).count();
        assert!((1..=2).contains(&found), "{first:?} is of {found} algorithms");
    }
}

fn usable(key: &PublicKey, algorithm: Algorithm) {
    assert!(key.fits(algorithm) && algorithm != Algorithm::Hs256);
    for signature in [&[][..], &[0; 64], &[0; 96], &[0; 256]] {
        assert!(!key.verify(algorithm, b"message", signature), "a signature of {} zeros", signature.len());
    }
    published(key);
}

/// What is published of a key is read as the same key.
fn published(key: &PublicKey) {
    let Some(thumbprint) = key.thumbprint() else { return };
    let json = encode_set(std::slice::from_ref(key));
    let (set, ignored) = JwkSet::parse(json.as_bytes()).expect("what is published is a set");
    assert!(ignored.is_empty(), "{ignored:?} of {json}");
    assert_eq!(set.ids().collect::<Vec<_>>(), [&*thumbprint]);
    let algorithm = key.algorithms().next().expect("a key is for something");
    let again = set.find(Some(&thumbprint), algorithm).expect("it is there");
    assert_eq!(again.thumbprint(), Some(thumbprint));
}

fn pem(text: &str) {
    match PublicKey::all_from_pem(text) {
        Ok(keys) => {
            assert!(!keys.is_empty());
            for key in &keys {
                key.algorithms().for_each(|algorithm| usable(key, algorithm));
            }
        }
        Err(problem) => assert!(!problem.to_string().is_empty()),
    }
    for key in SigningKey::all_from_pem(text).unwrap_or_default() {
        let signature = key.sign(b"message").expect("a key signs");
        let public = key.public().expect("a private key has a public half");
        assert!(public.verify(key.algorithm(), b"message", &signature));
        assert!(!public.verify(key.algorithm(), b"other", &signature));
    }
}

const ALGORITHMS: [Algorithm; 6] = [
    Algorithm::Hs256,
    Algorithm::Rs256,
    Algorithm::Ps256,
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::EdDsa,
];
