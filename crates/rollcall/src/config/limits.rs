//! Section `limits`: what one client may ask of the server.

use std::num::{NonZeroU32, NonZeroUsize};

use serde::{Deserialize, Serialize};

use super::setting;
use crate::registry::{Caps, Policy};

setting::word_setting!(Policy, "deny or evict_oldest", {
    "deny" => Policy::Deny,
    "evict_oldest" => Policy::EvictOldest,
});

/// Bounds per connection and per user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Bytes of one message, and of one polling body (`maxPayload` of the handshake). Default 100000: a client of
    /// sessions sends hundreds.
    #[serde(with = "setting")]
    pub max_payload: NonZeroUsize,
    /// Frames of any kind that a client may send in a second on average. Default 200; more closes it.
    #[serde(with = "setting")]
    pub packets_per_second: NonZeroU32,
    /// Frames that it may send at once. Default 1000: what was kept while it was offline.
    #[serde(with = "setting")]
    pub packets_burst: NonZeroU32,
    /// Bytes that may wait for one slow client before it is cut; this × sockets is the worst case of memory.
    /// Default 262144. The newest list always fits.
    #[serde(with = "setting")]
    pub mailbox: NonZeroUsize,
    /// Sessions that one user may have, by all logins. Default 100: more tabs than anybody finds again; an update goes to
    /// each of them.
    #[serde(with = "setting")]
    pub sessions_per_user: NonZeroUsize,
    /// Sessions that one login may have. Default 50, so that one browser cannot shut out the others of its user.
    #[serde(with = "setting")]
    pub sessions_per_login: NonZeroUsize,
    /// What happens to one more. Default `deny`.
    #[serde(with = "setting")]
    pub sessions_policy: Policy,
    /// Messages a second that all sessions of one user may send to one another, and at once. Default 20: what a person
    /// does; a stream of positions or strokes needs more.
    #[serde(with = "setting")]
    pub sends_per_second: NonZeroU32,
}

impl LimitsConfig {
    /// Those that count sessions.
    pub fn caps(&self) -> Caps {
        Caps {
            per_user: self.sessions_per_user.get(),
            per_login: self.sessions_per_login.get(),
            policy: self.sessions_policy,
        }
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            max_payload: NonZeroUsize::MIN.saturating_add(99_999),
            packets_per_second: NonZeroU32::MIN.saturating_add(199),
            packets_burst: NonZeroU32::MIN.saturating_add(999),
            mailbox: NonZeroUsize::MIN.saturating_add(262_143),
            sessions_per_user: NonZeroUsize::MIN.saturating_add(99),
            sessions_per_login: NonZeroUsize::MIN.saturating_add(49),
            sessions_policy: Policy::Deny,
            sends_per_second: NonZeroU32::MIN.saturating_add(19),
        }
    }
}
