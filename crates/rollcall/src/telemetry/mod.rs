//! What the server says about itself: lines for people ([`logs`]) and numbers for machines ([`metrics`]).

pub mod host;
pub mod logs;
pub mod metrics;
pub mod registry_metrics;
pub mod limit_metrics;
pub mod telling_metrics;
mod process;
mod tls_metrics;
