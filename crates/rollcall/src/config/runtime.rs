//! Section `runtime`: threads.

use std::num::NonZeroUsize;
use std::thread;

use serde::{Deserialize, Serialize};

use super::setting;

/// How the machine is used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RuntimeConfig {
    /// Threads that serve sockets. Default 0: one a core.
    #[serde(with = "setting")]
    pub worker_threads: usize,
}

impl RuntimeConfig {
    /// `worker_threads`, with 0 replaced by what the machine has.
    pub fn workers(&self) -> usize {
        match self.worker_threads {
            0 => cores(),
            threads => threads,
        }
    }
}

/// Cores that this process may use; 1 when the system does not say.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}
