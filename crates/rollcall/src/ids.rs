//! The one place that draws randomness: ids, secrets, salts and random waits, all from the operating system's
//! generator by way of a thread-local CSPRNG. Does not know: what the ids are for beyond their form.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::{Rng, RngExt};

/// `acc_` and 128 random bits as 22 characters of base64url.
pub fn account_id() -> String {
    format!("acc_{}", URL_SAFE_NO_PAD.encode(random_bytes::<16>()))
}

/// What a client sees as its `socket.id`: 120 random bits as 20 characters of base64url.
pub fn socket_id() -> String {
    URL_SAFE_NO_PAD.encode(random_bytes::<15>())
}

/// A token's `jti` (RFC 7519 section 4.1.7): 128 random bits as 22 characters of base64url.
pub fn token_id() -> String {
    URL_SAFE_NO_PAD.encode(random_bytes::<16>())
}

/// An HS256 secret: 256 random bits as 43 characters of base64url, so that it can be pasted anywhere.
pub fn secret() -> String {
    URL_SAFE_NO_PAD.encode(random_bytes::<32>())
}

/// A login's id, the `sid` of its tokens: 128 random bits as 22 characters of base64url.
pub fn login_id() -> String {
    URL_SAFE_NO_PAD.encode(random_bytes::<16>())
}

/// The id of one event for webhooks, behind its prefix: 128 random bits as 22 characters of base64url.
pub fn message_id() -> String {
    URL_SAFE_NO_PAD.encode(random_bytes::<16>())
}

/// 256 random bits: one refresh token.
pub fn refresh_token() -> [u8; 32] {
    random_bytes()
}

/// A key of a server-side caller: `rck_` and 256 random bits as 43 characters of base64url.
pub fn api_key() -> String {
    format!("rck_{}", URL_SAFE_NO_PAD.encode(random_bytes::<32>()))
}

/// A node's tag, when none is configured: 8 hexadecimal digits. Not a secret, only unlikely to meet its like.
pub fn node_tag() -> String {
    format!("{:08x}", u32::from_ne_bytes(random_bytes()))
}

/// One life of a node in a cluster: 64 random bits, never used again.
pub fn node_id() -> u64 {
    u64::from_ne_bytes(random_bytes())
}

/// A salt for one password hash: 128 bits, as RFC 9106 section 3.1 recommends.
pub fn salt() -> [u8; 16] {
    random_bytes()
}

/// Some time from `shortest` to `longest`, both included; `shortest` when the two are the wrong way round.
pub fn duration_between(shortest: Duration, longest: Duration) -> Duration {
    if longest <= shortest {
        return shortest;
    }
    generator().random_range(shortest..=longest)
}

fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    generator().fill_bytes(&mut bytes);
    bytes
}

#[expect(clippy::disallowed_methods, reason = "this is the source of randomness")]
fn generator() -> rand::rngs::ThreadRng {
    rand::rng()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_have_their_form_and_do_not_repeat() {
        assert_eq!(socket_id().len(), 20);
        assert_eq!(secret().len(), 43);
        assert_eq!(node_tag().len(), 8);
        let account = account_id();
        assert!(account.starts_with("acc_") && account.len() == 26, "{account}");
        let ids: HashSet<String> = (0..1000).map(|_| socket_id()).collect();
        assert_eq!(ids.len(), 1000);
    }

    #[test]
    fn a_random_duration_stays_in_its_range() {
        let (shortest, longest) = (Duration::from_secs(1), Duration::from_secs(5));
        let drawn: HashSet<Duration> = (0..200).map(|_| duration_between(shortest, longest)).collect();
        assert!(drawn.iter().all(|d| (shortest..=longest).contains(d)));
        assert!(drawn.len() > 100, "{} different of 200", drawn.len());
        assert_eq!(duration_between(longest, shortest), longest);
    }
}
