//! Who a good token speaks for, and what it belongs to. Does not know: tokens, keys.

use std::fmt::{self, Write};
use std::sync::Arc;

/// An issuer entry, by its place in the configuration. In SQL and in HTTP it goes by its name, which
/// [`Identity::issuer_name`](super::Identity::issuer_name) gives: places move when entries do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IssuerId(pub u16);

impl IssuerId {
    /// The issuer of tokens that are made here, or with the secret that is configured here.
    pub const BUILT_IN: Self = Self(0);
}

/// Who a good token speaks for. The same subject of two issuers is two users.
#[derive(Clone, Debug, PartialEq)]
pub struct Principal {
    /// Whose token it is.
    pub issuer: IssuerId,
    /// `sub`: 1 to 255 bytes without NUL; an integer in the token is its decimal text here.
    pub subject: Box<str>,
    /// What the token belongs to.
    pub login: Login,
    /// `exp` in seconds since the epoch, without the leeway.
    pub expires_at: u64,
    /// `iat` in seconds since the epoch, when the token says it.
    pub issued_at: Option<u64>,
}

/// What a token belongs to: tabs of one browser, and a token and those that it was refreshed to, usually share one.
/// Only together with its issuer does it name something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Login {
    /// The entry's session claim (`sid` unless it says otherwise): a whole login.
    Session(Arc<str>),
    /// `jti`, of a token without a session claim: that token alone.
    TokenId(Arc<str>),
    /// The first half of the SHA-256 of the signed part, of a token that has neither.
    Digest([u8; 16]),
}

impl Login {
    /// What a revocation of it is worth: `login`, new tokens of it are refused too; `token`, only this one is, and its
    /// issuer can give another.
    pub fn held(&self) -> &'static str {
        match self {
            Self::Session(_) => "login",
            Self::TokenId(_) | Self::Digest(_) => "token",
        }
    }

    /// Whether it is a whole login, not one token that names none.
    pub fn is_named(&self) -> bool {
        matches!(self, Self::Session(_))
    }

    /// The login of this text, which [`Display`](fmt::Display) has written.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, value) = text.split_once(':')?;
        match kind {
            "sid" if !value.is_empty() => Some(Self::Session(value.into())),
            "jti" if !value.is_empty() => Some(Self::TokenId(value.into())),
            "sha256" if value.len() == 32 => {
                let mut digest = [0; 16];
                for (byte, digits) in digest.iter_mut().zip(value.as_bytes().chunks_exact(2)) {
                    *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
                }
                (Self::Digest(digest).to_string() == text).then_some(Self::Digest(digest))
            }
            _ => None,
        }
    }
}

/// A text that stays the same for ever, for SQL: `sid:…`, `jti:…` or `sha256:` and 32 hexadecimal digits.
impl fmt::Display for Login {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, id): (_, &str) = match self {
            Self::Session(id) => ("sid:", id),
            Self::TokenId(id) => ("jti:", id),
            Self::Digest(digest) => {
                formatter.write_str("sha256:")?;
                return write_hex(digest, formatter);
            }
        };
        formatter.write_str(kind)?;
        formatter.write_str(id)
    }
}

/// A public id that can be compared and not be turned back: the tag of a login in a list of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tag<const BYTES: usize>(pub(super) [u8; BYTES]);

impl<const BYTES: usize> Tag<BYTES> {
    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl<const BYTES: usize> From<[u8; BYTES]> for Tag<BYTES> {
    fn from(bytes: [u8; BYTES]) -> Self {
        Self(bytes)
    }
}

/// Twice as many hexadecimal digits.
impl<const BYTES: usize> fmt::Display for Tag<BYTES> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, formatter)
    }
}

fn write_hex(bytes: &[u8], out: &mut impl Write) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
}

/// A live session holds one.
const _: () = assert!(size_of::<Login>() <= 24);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_comes_back_from_its_text() {
        let digest = [0x00, 0x01, 0xab, 0xff, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
        let check = |login: Login, text: &str, held: &str| {
            assert_eq!((login.to_string().as_str(), login.held()), (text, held));
            assert_eq!(Login::parse(text), Some(login));
        };
        check(Login::Session("a:b".into()), "sid:a:b", "login");
        check(Login::TokenId("7".into()), "jti:7", "token");
        check(Login::Digest(digest), "sha256:0001abff0405060708090a0b0c0d0e0f", "token");
    }

    #[test]
    fn what_is_no_login_is_not_taken_for_one() {
        for text in [
            "",
            "sid",
            "sid:",
            "jti:",
            "SID:a",
            "sha256:00",
            "sha256:0001ABFF0405060708090a0b0c0d0e0f",
            "sha256:+001abff0405060708090a0b0c0d0e0f",
            "sha256:é01abff0405060708090a0b0c0d0e0f",
        ] {
            assert_eq!(Login::parse(text), None, "{text:?}");
        }
    }
}
