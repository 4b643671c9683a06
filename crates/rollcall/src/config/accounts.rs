//! Section `accounts`: the built-in accounts.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::setting;

/// Accounts with e-mail and password.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccountsConfig {
    /// Whether `POST /auth/register` is open to everybody. Default false; `rollcall user add` works always.
    #[serde(with = "setting")]
    pub registration: bool,
    /// Password hashes that may wait for a core; one more is answered 503. Default 64: about a second of work on two
    /// cores, after which a client would rather be told to come back.
    #[serde(with = "setting")]
    pub hash_queue: NonZeroUsize,
    /// How long a login lasts that is not used: each refresh token is good for this long. Default 30d.
    #[serde(with = "setting")]
    pub refresh_ttl: Duration,
    /// Passwords that one client address may try in a minute, all at once or one by one; an IPv6 network of 64 bits
    /// counts as one. Default 120: an office behind one address logs in at nine.
    #[serde(with = "setting")]
    pub logins_per_minute: NonZeroU32,
    /// Accounts that one client address may make in a minute. Default 30.
    #[serde(with = "setting")]
    pub registrations_per_minute: NonZeroU32,
    /// Refresh tokens that one client address may bring in a minute. Default 1200: looking one up costs little, and
    /// nobody can guess one.
    #[serde(with = "setting")]
    pub refreshes_per_minute: NonZeroU32,
    /// After five wrong passwords the next try for an account has to wait a second, then two, four, up to this. Default
    /// 1m. An account is never locked.
    #[serde(with = "setting")]
    pub longest_delay: Duration,
}

impl Default for AccountsConfig {
    fn default() -> Self {
        Self {
            registration: false,
            hash_queue: NonZeroUsize::MIN.saturating_add(63),
            refresh_ttl: Duration::from_secs(30 * 24 * 3600),
            logins_per_minute: NonZeroU32::MIN.saturating_add(119),
            registrations_per_minute: NonZeroU32::MIN.saturating_add(29),
            refreshes_per_minute: NonZeroU32::MIN.saturating_add(1199),
            longest_delay: Duration::from_secs(60),
        }
    }
}
