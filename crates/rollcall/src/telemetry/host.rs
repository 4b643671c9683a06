//! What tells this process from others, for people who look at several. Does not know: who looks.

use std::fs;

use crate::clock::Clock;

/// Where and since when this process runs.
#[derive(Debug, Clone)]
pub struct Host {
    /// The name of the machine; empty where the system does not tell.
    pub name: String,
    /// The process there.
    pub pid: u32,
    /// When it was started, in milliseconds since the epoch.
    pub started_at: u64,
}

impl Host {
    /// This process, which starts now.
    pub fn this(clock: &Clock) -> Self {
        let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Self { name: name.trim_end().to_owned(), pid: std::process::id(), started_at: clock.unix_millis() }
    }
}
