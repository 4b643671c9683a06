//! Section `ops`: a listener of its own for health and metrics.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::setting;

/// Where operators look.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OpsConfig {
    /// When set, `/metrics`, `/livez`, `/readyz`, `/api/users/…` and the namespace `/admin` answer here and no longer on the
    /// main listener. Default: absent.
    #[serde(with = "setting")]
    pub listen: Option<SocketAddr>,
    /// Whether it speaks TLS, with the certificate of the main listener. Default false: it is for a network of one's own.
    #[serde(with = "setting")]
    pub tls: bool,
}
