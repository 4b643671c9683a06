//! Section `limits`: what one client may ask of the server.

use std::num::{NonZeroU32, NonZeroUsize};

use serde::{Deserialize, Serialize};

use super::setting;

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
    /// Messages a second that all sessions of one user may send to one another, and at once. Default 20: what a person
    /// does; a stream of positions or strokes needs more.
    #[serde(with = "setting")]
    pub sends_per_second: NonZeroU32,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            max_payload: NonZeroUsize::MIN.saturating_add(99_999),
            packets_per_second: NonZeroU32::MIN.saturating_add(199),
            packets_burst: NonZeroU32::MIN.saturating_add(999),
            mailbox: NonZeroUsize::MIN.saturating_add(262_143),
            sends_per_second: NonZeroU32::MIN.saturating_add(19),
        }
    }
}
