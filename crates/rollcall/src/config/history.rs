//! Section `history`: which sessions have ended, and why.

use serde::{Deserialize, Serialize};

use super::setting;

/// How long it is kept that a session was there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HistoryConfig {
    /// Days after its end for which a session is known; 0 keeps nothing. Default 30: who asks "was that me?" asks within
    /// a month.
    #[serde(with = "setting")]
    pub keep_days: u32,
}

impl Default for HistoryConfig {
    fn default() -> Self {
        Self { keep_days: 30 }
    }
}
