//! Public ids of what must not be shown: an HMAC over it, so that equal things can be seen to be equal and nothing can
//! be tried out. Every node with the same secret makes the same ones. Does not know: what is tagged.

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};

use super::principal::Tag;

/// Makes tags. Its key is derived from the one that signs tokens, and is of no use for that.
pub(super) struct TagKey(Key);

impl TagKey {
    pub(super) fn new(secret: &[u8]) -> Self {
        Self(Key::new(HMAC_SHA256, &derived(secret, b"rollcall public tags")))
    }

    /// The tag of these parts, in this order. `kind` keeps different kinds of tags apart.
    pub(super) fn tag<const BYTES: usize>(&self, kind: &str, parts: &[&str]) -> Tag<BYTES> {
        const { assert!(BYTES <= 32) };
        // In one piece: a step of the HMAC for each part costs more than to put them together.
        let mut text = Vec::with_capacity(USUAL_BYTES);
        for part in std::iter::once(&kind).chain(parts) {
            // A length in front, so that two parts cannot be split at another place.
            text.extend_from_slice(&(part.len() as u64).to_be_bytes());
            text.extend_from_slice(part.as_bytes());
        }
        let mut bytes = [0; BYTES];
        bytes.copy_from_slice(&sign(&self.0, &text).as_ref()[..BYTES]);
        Tag(bytes)
    }
}

/// A key for one purpose, of no use for another nor for signing tokens.
pub(super) fn derived(secret: &[u8], purpose: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    key.copy_from_slice(sign(&Key::new(HMAC_SHA256, secret), purpose).as_ref());
    key
}

/// Of what is tagged: an issuer, a subject and a login, each with its length.
const USUAL_BYTES: usize = 192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_differ_with_key_kind_and_each_part_and_only_with_them() {
        let tag =
            |key: &str, kind, parts: &[&str]| TagKey::new(key.as_bytes()).tag::<6>(kind, parts).to_string();
        let first = tag("one", "login", &["ada", "1"]);
        assert_eq!(first.len(), 12);
        assert_eq!(tag("one", "login", &["ada", "1"]), first);
        for other in [
            tag("two", "login", &["ada", "1"]),
            tag("one", "device", &["ada", "1"]),
            tag("one", "login", &["ada", "2"]),
            tag("one", "login", &["ada1", ""]),
            tag("one", "login", &["ad", "a1"]),
        ] {
            assert_ne!(other, first);
        }
    }
}
