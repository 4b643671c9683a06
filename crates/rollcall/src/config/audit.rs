//! Section `audit`: who did what to whom.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::setting;

/// How long the audit is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditConfig {
    /// Days after which a row leaves. Default 365: long enough to look into what came out late.
    #[serde(with = "setting")]
    pub keep_days: NonZeroU32,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self { keep_days: NonZeroU32::MIN.saturating_add(364) }
    }
}
