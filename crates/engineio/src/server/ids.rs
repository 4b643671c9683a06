//! The one place of this crate that draws randomness.

use rand::Rng;

/// 128 random bits: enough that nobody guesses a session's key.
#[expect(clippy::disallowed_methods, reason = "everybody else asks here")]
pub(super) fn key() -> u128 {
    let mut bytes = [0; 16];
    rand::rng().fill_bytes(&mut bytes);
    u128::from_be_bytes(bytes)
}
