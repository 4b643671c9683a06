//! Section `shutdown`: how the server leaves.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::setting;

/// What happens between SIGTERM and the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShutdownConfig {
    /// `/readyz` says no, but sockets are still taken for so long: until a balancer has noticed. Default 0s.
    #[serde(with = "setting")]
    pub delay: Duration,
    /// Clients are sent away spread over this time, so that they do not all return in one second. Default 10s.
    #[serde(with = "setting")]
    pub drain: Duration,
}

impl Default for ShutdownConfig {
    fn default() -> Self {
        Self { delay: Duration::ZERO, drain: Duration::from_secs(10) }
    }
}
