//! Signs HS256 tokens as any holder of the shared secret would. Knows nothing of the gateway.

use std::sync::atomic::{AtomicU64, Ordering};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use openssl::{hash::MessageDigest, pkey::PKey, sign::Signer};
use serde_json::json;

use crate::clock;
use crate::server::SECRET;

/// A user id that no other test uses.
pub fn new_user() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("user-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A good token of `user`, for an hour.
pub fn token_of(user: &str) -> String {
    sign(user, clock::unix_seconds() + 3600, SECRET)
}

/// A token of `user` that ended an hour ago.
pub fn expired_token_of(user: &str) -> String {
    sign(user, clock::unix_seconds() - 3600, SECRET)
}

/// A token of `user` signed with another secret.
pub fn forged_token_of(user: &str) -> String {
    sign(user, clock::unix_seconds() + 3600, "another-secret-of-forty-bytes-not-shared")
}

fn sign(user: &str, exp: u64, secret: &str) -> String {
    let encode = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!(
        "{}.{}",
        encode(json!({"alg": "HS256", "typ": "JWT"})),
        encode(json!({"sub": user, "exp": exp}))
    );
    let key = PKey::hmac(secret.as_bytes()).expect("any bytes are an HMAC key");
    let mut signer = Signer::new(MessageDigest::sha256(), &key).expect("SHA-256 is there");
    let signature = signer.sign_oneshot_to_vec(signed.as_bytes()).expect("HMAC takes any input");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}
