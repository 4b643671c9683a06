//! Section `accounts`: the built-in accounts.

use std::num::NonZeroUsize;

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
}

impl Default for AccountsConfig {
    fn default() -> Self {
        Self { registration: false, hash_queue: NonZeroUsize::MIN.saturating_add(63) }
    }
}
