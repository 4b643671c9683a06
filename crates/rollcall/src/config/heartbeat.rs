//! Section `heartbeat`: how a dead connection is noticed (Engine.IO v4, `pingInterval` and `pingTimeout`).

use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::setting;

/// The server pings, the client answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HeartbeatConfig {
    /// From one ping to the next. Default 25000, the protocol's own: shorter costs wake-ups, longer leaves ghosts.
    #[serde(with = "setting")]
    pub interval_ms: NonZeroU32,
    /// How long the answer may take. Default 20000, the protocol's own.
    #[serde(with = "setting")]
    pub timeout_ms: NonZeroU32,
}

impl HeartbeatConfig {
    /// `interval_ms` as a duration.
    pub fn interval(&self) -> Duration {
        Duration::from_millis(u64::from(self.interval_ms.get()))
    }

    /// `timeout_ms` as a duration.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(u64::from(self.timeout_ms.get()))
    }
}

impl Default for HeartbeatConfig {
    fn default() -> Self {
        Self {
            interval_ms: NonZeroU32::MIN.saturating_add(24_999),
            timeout_ms: NonZeroU32::MIN.saturating_add(19_999),
        }
    }
}
