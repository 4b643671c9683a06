//! What the kernel says about the server's process: `/proc/PID` of Linux (proc(5)). Does not know: sessions.

use std::fs;
use std::io;
use std::time::Duration;

use thiserror::Error;

/// What a process has used up to now and holds now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    /// CPU time in user and kernel mode, of all its threads.
    pub(crate) cpu: Duration,
    /// `VmRSS`: resident bytes.
    pub(crate) resident_bytes: u64,
    /// `RssAnon`: those of them that no file stands behind: heap and stacks.
    pub(crate) anonymous_bytes: u64,
}

/// Why a process cannot be looked at.
#[derive(Debug, Error)]
pub(crate) enum ProcessError {
    /// It is gone, or belongs to somebody else.
    #[error("--server-pid: given {pid}, allowed is a process that runs and may be read: {file}: {source}")]
    Unreadable {
        /// The process.
        pid: u32,
        /// What was to be read.
        file: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file of another form than proc(5) says.
    #[error("{0} has no such field as {1}")]
    Malformed(String, &'static str),
}

impl Usage {
    /// Reads it for the process `pid`.
    pub(crate) fn of(pid: u32) -> Result<Self, ProcessError> {
        let stat = read(pid, "stat")?;
        let status = read(pid, "status")?;
        let field = |name| {
            status_bytes(&status, name)
                .ok_or_else(|| ProcessError::Malformed(format!("/proc/{pid}/status"), name))
        };
        let ticks = cpu_ticks(&stat)
            .ok_or_else(|| ProcessError::Malformed(format!("/proc/{pid}/stat"), "utime and stime"))?;
        // `stat` counts threads that have ended too, but in steps of 10 ms; the scheduler counts nanoseconds, of living
        // threads only. Both are the same time, so the larger is the nearer.
        let coarse = Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND);
        Ok(Self {
            cpu: coarse.max(scheduled(pid)),
            resident_bytes: field("VmRSS")?,
            anonymous_bytes: field("RssAnon")?,
        })
    }
}

/// Time on a CPU by `schedstat` of each thread; zero where the kernel keeps none.
fn scheduled(pid: u32) -> Duration {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Duration::ZERO };
    let nanos = threads.flatten().filter_map(|thread| {
        let schedstat = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        schedstat.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

fn read(pid: u32, name: &str) -> Result<String, ProcessError> {
    let file = format!("/proc/{pid}/{name}");
    fs::read_to_string(&file).map_err(|source| ProcessError::Unreadable { pid, file, source })
}

/// Fields 14 and 15 of `stat`. The name of the program, field 2, may hold spaces and brackets: counting starts behind it.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn status_bytes(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// `USER_HZ`, the unit of `stat`: 100 in the ABI of Linux on every architecture that Rust's standard library runs on.
const TICKS_PER_SECOND: u64 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_behind_any_program_name() {
        let fields = "S 1 1 1 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 4 0 100 1000 200";
        assert_eq!(cpu_ticks(&format!("42 (rollcall) {fields}")), Some(300));
        assert_eq!(cpu_ticks(&format!("42 (a) b (c) {fields}")), Some(300));
        assert_eq!(cpu_ticks("42 (rollcall"), None);
    }

    #[test]
    fn memory_is_read_by_its_whole_name() {
        let status = "VmRSSx:\t1 kB\nVmRSS:\t    2048 kB\nRssAnon:\t 1024 kB\n";
        assert_eq!(status_bytes(status, "VmRSS"), Some(2048 * 1024));
        assert_eq!(status_bytes(status, "RssAnon"), Some(1024 * 1024));
        assert_eq!(status_bytes(status, "RssFile"), None);
    }

    #[test]
    fn a_living_process_has_memory_and_a_gone_one_is_named() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.resident_bytes >= usage.anonymous_bytes && usage.anonymous_bytes > 0, "{usage:?}");
        let error = Usage::of(u32::MAX).unwrap_err().to_string();
        assert!(error.contains("--server-pid: given 4294967295"), "{error}");
    }
}
