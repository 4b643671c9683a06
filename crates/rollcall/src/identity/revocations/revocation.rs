//! What can be revoked, as a value. Does not know: what is revoked already.

use crate::identity::{IssuerId, Login};

/// What is refused although its token is good. A value with all of it; inserting one twice changes nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Revocation {
    /// One login, or one token.
    Login {
        /// Whose tokens.
        issuer: IssuerId,
        /// Only when it is this user's; `None` for a login whose user the one who ends it did not name.
        subject: Option<Box<str>>,
        /// Which.
        login: Login,
        /// The last second at which a token that this refuses could be good.
        until: u64,
    },
    /// All tokens of a user up to a second.
    User {
        /// Whose tokens.
        issuer: IssuerId,
        /// Which user.
        subject: Box<str>,
        /// The `iat` of the last that are refused, in seconds since the epoch. Tokens without `iat` are not refused.
        issued_before: u64,
        /// A login that stays.
        except: Option<Login>,
        /// The last second at which a token that this refuses could be good.
        until: u64,
    },
    /// All tokens of a user up to a second that name no login: whose they are when a login ends nobody can tell.
    Nameless {
        /// Whose tokens.
        issuer: IssuerId,
        /// Which user.
        subject: Box<str>,
        /// The `iat` of the last that are refused, in seconds since the epoch. Tokens without `iat` are not refused.
        issued_before: u64,
        /// The last second at which a token that this refuses could be good.
        until: u64,
    },
    /// All tokens of all users of all issuers up to a second: when nobody knows any more what was revoked.
    Everyone {
        /// The `iat` of the last that are refused, in seconds since the epoch. Tokens without `iat` are not refused.
        issued_before: u64,
        /// The last second at which a token that this refuses could be good.
        until: u64,
    },
}
